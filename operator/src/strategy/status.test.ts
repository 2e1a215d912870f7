import { describe, expect, test } from "vitest";
import { type StrategyStatus, effectiveStrategySpec } from "@bellwether/crds";
import type { StrategyView } from "@bellwether/trading/wire";
import { testStrategy } from "../testing/objects.ts";
import type { Plan } from "./plan.ts";
import { type StatusInput, statusOf, transitionEvents } from "./status.ts";

const nowMs = Date.parse("2026-01-01T00:10:00Z");
const running: Plan = {
  phase: "Running",
  ready: { type: "Ready", status: "True", reason: "Running", message: "the agent runs" },
  admitted: { type: "Admitted", status: "True", reason: "Admitted", message: "has its place" },
  children: [],
  pod: { do: "Keep" },
  specHash: "h",
  failures: 0,
};
const view = (equity: string): StrategyView => ({
  uid: "uid-a",
  name: "a",
  accountName: "paper",
  account: {
    startingCapital: "10000",
    equity,
    cash: "1",
    reserved: "0",
    realizedPnl: "-20",
    unrealizedPnl: "143.4",
    fees: "1",
    positions: [],
  },
  lastBarTime: nowMs,
  decisions: 5,
  workingOrders: 0,
  trading: { allowed: true, reason: "Active", message: "trading" },
});
const input = (fields: Partial<StatusInput> = {}): StatusInput => ({
  generation: 2,
  spec: effectiveStrategySpec(testStrategy("a").spec),
  previous: {},
  plan: running,
  pod: {
    name: "strat-a-agent",
    uid: "u",
    isDeleting: false,
    phase: "Running",
    hash: "h",
    node: "droplet",
    readySinceMs: 1,
    waiting: undefined,
    ended: undefined,
  },
  word: { heard: true, view: view("10123.4") },
  assignment: { known: true, policy: "static", cpus: "2" },
  registered: { run: 3, shareRatio: "0.5" },
  figuresDue: true,
  nowMs,
  ...fields,
});

describe("the status of a Strategy", () => {
  test("has everything a table prints", () => {
    const status = statusOf(input());
    expect(status).toMatchObject({
      phase: "Running",
      mode: "Paper",
      schedule: "onBar",
      node: "droplet",
      cpus: "2",
      run: 3,
      equity: "10123.4",
      equityRounded: "10123.40",
      pnl: { realized: "-20", unrealized: "143.4", total: "123.4", ratio: "0.01234" },
      pnlPercent: "1.23",
      lastBarTime: "2026-01-01T00:10:00Z",
      decisions: 5,
    });
    expect(status.reason).toBeUndefined();
    expect(status.conditions?.map(({ type, status: state }) => `${type}=${state}`)).toEqual([
      "Admitted=True",
      "Pinned=True",
      "Ready=True",
      "TradingAllowed=True",
    ]);
  });

  test("is the same when nothing has changed", () => {
    const first = statusOf(input());
    expect(statusOf(input({ previous: first, nowMs: nowMs + 60_000 }))).toEqual(first);
  });

  test("holds figures back until they are due, conditions never", () => {
    const first = statusOf(input());
    const halted = { ...view("9000"), trading: { allowed: false, reason: "PolicyHalted", message: "by hand" } };
    const next = statusOf(input({ previous: first, word: { heard: true, view: halted }, figuresDue: false }));
    expect(next).toMatchObject({ equity: "10123.4", reason: "PolicyHalted" });
  });

  test("keeps figures, run and share while risk is silent", () => {
    const first = statusOf(input());
    const next = statusOf(
      input({ previous: first, word: { heard: false, reason: "RiskUnreachable", message: "away" }, registered: undefined }),
    );
    expect(next).toMatchObject({ equity: "10123.4", run: 3, shareRatio: "0.5", reason: "RiskUnreachable", phase: "Running" });
  });

  test("keeps the cores while the node agent is silent, and drops them with the pod", () => {
    const first = statusOf(input());
    expect(statusOf(input({ previous: first, assignment: { known: false, message: "away" } })).cpus).toBe("2");
    const paused: Plan = {
      ...running,
      phase: "Paused",
      ready: { type: "Ready", status: "False", reason: "Suspended", message: "" },
    };
    expect(statusOf(input({ previous: first, plan: paused, pod: undefined })).cpus).toBeUndefined();
  });

  test("says since when it waits", () => {
    const queued: Plan = { ...running, phase: "Queued" };
    const first = statusOf(input({ plan: queued }));
    expect(first.queuedSince).toBe("2026-01-01T00:10:00Z");
    expect(statusOf(input({ plan: queued, previous: first, nowMs: nowMs + 5_000 })).queuedSince).toBe("2026-01-01T00:10:00Z");
  });

  test("takes a backtest's result away only when the backtest changes", () => {
    const spec = effectiveStrategySpec(
      testStrategy("a", { mode: "Backtest", backtest: { dataset: { synthetic: { seed: 1 } } } }).spec,
    );
    const backtest = {
      bars: 1,
      trades: 0,
      pnlRatio: "0",
      maxDrawdownRatio: "0",
      sharpe: "0",
      finalEquity: "1",
      fees: "0",
      logSha256: "x",
    };
    const done = statusOf(input({ spec, plan: { ...running, phase: "Completed", backtest } }));
    expect(done).toMatchObject({ backtest });
    const { specHash: _, ...paused } = { ...running, phase: "Paused" as const };
    expect(statusOf(input({ spec, previous: done, plan: paused })).backtest).toEqual(backtest);
    expect(statusOf(input({ spec, previous: done, plan: { ...running, specHash: "other" } })).backtest).toBeUndefined();
  });
});

describe("events", () => {
  const status = (fields: Partial<StatusInput> = {}): StrategyStatus => statusOf(input(fields));
  const reasons = (before: StrategyStatus, after: StrategyStatus): string[] =>
    transitionEvents(before, after).map(({ type, reason }) => `${type} ${reason}`);

  test("are said of changes only", () => {
    expect(reasons({}, status())).toEqual(["Normal Running", "Normal Active", "Normal ExclusiveCores"]);
    expect(reasons(status(), status())).toEqual([]);
  });

  test("warn of each failure, also of the same one again", () => {
    const ready = { type: "Ready", status: "False", reason: "ProgramFailed", message: "x" } as const;
    const failed = (failures: number): StrategyStatus => status({ plan: { ...running, phase: "Starting", ready, failures } });
    expect(reasons(status(), failed(1))).toEqual(["Warning ProgramFailed"]);
    expect(reasons(failed(1), failed(2))).toEqual(["Warning ProgramFailed"]);
    expect(reasons(failed(2), failed(2))).toEqual([]);
  });
});
