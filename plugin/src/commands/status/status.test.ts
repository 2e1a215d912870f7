import { ANNOTATION } from "@bellwether/crds";
import type { StrategyView } from "@bellwether/trading/wire";
import { describe, expect, test } from "vitest";
import type { StoredPolicy } from "../../cluster/cluster.ts";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, portfolioObject, startMs, strategyObject } from "../../testing/fake-world.ts";
import { status } from "./run.ts";

const strategyView = (name: string, trading: StrategyView["trading"]): StrategyView => ({
  uid: `uid-${name}`,
  name,
  accountName: "paper",
  account: {
    startingCapital: "5000",
    equity: "5010.5",
    cash: "5010.5",
    reserved: "0",
    realizedPnl: "10.5",
    unrealizedPnl: "0",
    fees: "1",
    positions: [],
  },
  decisions: 3,
  workingOrders: 1,
  trading,
});

describe("status", () => {
  test("of a healthy policy is one screen", async () => {
    const { world, risks } = fakeWorld(policyObject("demo"), strategyObject("trend", "demo"));
    risks.get("demo")!.shown = portfolioObject({
      strategies: [strategyView("trend", { allowed: true, reason: "Active", message: "" })],
      breakers: [{ type: "Drawdown", scope: {}, state: "Armed", action: "Halt", value: "0.008", threshold: "0.20" }],
      controlEvents: [
        { id: "1", time: startMs - 90_000, what: "Resume", who: "ada", why: "drill is over", detail: "journal cleared" },
      ],
    });
    const outcome = await status({ policy: undefined }, world);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.lines(plainStyle).join("\n")).toMatchInlineSnapshot(`
      "riskpolicy/demo  Active  equity 10,012.34 USDT  drawdown 0.87 %  score 12/100
        BREAKER   STATE  ACTION  VALUE  THRESHOLD
        Drawdown  Armed  Halt    0.008       0.20
        ACCOUNT  READY     EQUITY  RECONCILED  DRIFT
        paper    yes    10,012.34      7s ago  none
        STRATEGY  MODE   PHASE    TRADING    EQUITY  ORDERS
        trend     Paper  Pending  yes      5,010.50       1
         90s ago  Resume by ada: drill is over"
    `);
    for (const line of outcome.lines({ colour: false, columns: 80 })) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("puts what holds trading first, each with its next step", async () => {
    const annotated = policyObject("demo", { annotations: { [ANNOTATION.halt]: "fire" }, trading: "Reducing" });
    const { world, risks } = fakeWorld(annotated, strategyObject("trend", "demo"));
    risks.get("demo")!.shown = portfolioObject({
      holds: [
        { by: "breaker", state: "Halted", message: "Drawdown: 0.21 from the peak, at most 0.20" },
        { by: "drift", state: "Halted", message: "BTC differs by 0.25", scope: { account: "paper" } },
      ],
      breakers: [{ type: "Drawdown", scope: {}, state: "Tripped", action: "Halt", since: startMs - 60_000 }],
      accounts: [
        { name: "paper", ready: true, message: "", equity: "1", drift: [{ asset: "BTC", journal: "0.5", venue: "0.75" }] },
      ],
    });
    const outcome = await status({ policy: "demo" }, world);
    expect(outcome.document).toMatchObject({ policies: [{ state: "Halted", figuresFrom: "risk" }] });
    const text = outcome.lines(plainStyle).join("\n");
    expect(text).toContain('next: kubectl bellwether resume demo --reason "…"');
    expect(text).toContain('next: kubectl bellwether reset-breaker Drawdown demo --reason "…"');
    expect(text).toContain('next: kubectl bellwether adopt paper demo --reason "…" --dry-run');
    expect(text).toContain("spec.trading: Active");
    expect(text).toMatch(/BTC +0.5 +0.75 +\+0.25/);
  });

  test("shows what the operator wrote last where risk cannot be asked, and a halt set since", async () => {
    const bare = policyObject("demo", { annotations: { [ANNOTATION.halt]: "fire" } });
    const policy: StoredPolicy = {
      ...bare,
      status: {
        state: "Active",
        equity: "9000",
        drawdownRatio: "0.1",
        breakers: [{ type: "Drawdown", state: "Armed", value: "0.1", threshold: "0.20" }],
        accounts: [{ name: "paper", ready: true, equity: "9000", lastReconciledTime: "2026-11-21T13:59:00Z" }],
      },
    };
    const { world, down } = fakeWorld(policy);
    down.add("demo");
    const outcome = await status({ policy: undefined }, world);
    expect(outcome).toMatchObject({
      exitCode: 0,
      document: { policies: [{ state: "Halted", figuresFrom: "status", equity: "9000", breakers: [{ name: "Drawdown" }] }] },
    });
    const text = outcome.lines(plainStyle).join("\n");
    expect(text).toContain("risk could not be asked: riskpolicy/demo has no running risk pod");
    expect(text).toContain("60s ago");
  });

  test("says why a strategy does not trade, and which names a policy that is not there", async () => {
    const { world, risks } = fakeWorld(policyObject("demo"), strategyObject("trend", "demo"), strategyObject("lost", "gone"));
    risks.get("demo")!.shown = portfolioObject({
      strategies: [strategyView("trend", { allowed: false, reason: "VenueUnreachable", message: "the broker does not answer" })],
    });
    const text = (await status({ policy: undefined }, world)).lines(plainStyle).join("\n");
    expect(text).toMatch(/trend +Paper +Pending +no .*VenueUnreachable: the broker does not answer/);
    expect(text).toContain("strategy/lost names riskpolicy/gone, which does not exist");
  });

  test("of an empty namespace is a sentence", async () => {
    const { world } = fakeWorld();
    expect((await status({ policy: undefined }, world)).lines(plainStyle)).toEqual([
      "namespace demo has neither RiskPolicies nor Strategies",
    ]);
  });
});
