import type { BreakerView } from "@bellwether/trading/wire";
import { describe, expect, test } from "vitest";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, portfolioObject, startMs } from "../../testing/fake-world.ts";
import { resetBreaker } from "./run.ts";

const breaker = (change: Partial<BreakerView>): BreakerView => ({
  type: "Drawdown",
  scope: {},
  state: "Armed",
  action: "Halt",
  ...change,
});
const wish = {
  type: "Drawdown",
  policy: undefined,
  account: undefined,
  strategy: undefined,
  reason: "understood",
  dryRun: false,
} as const;

function withBreakers(...breakers: readonly BreakerView[]) {
  const fake = fakeWorld(policyObject("demo"));
  fake.risks.get("demo")!.shown = portfolioObject({ breakers: [...breakers] });
  return { ...fake, risk: fake.risks.get("demo")! };
}

describe("reset-breaker", () => {
  test("arms a tripped breaker again, with who and why", async () => {
    const { world, risk } = withBreakers(breaker({ state: "Tripped", since: startMs, value: "0.21", threshold: "0.20" }));
    const outcome = await resetBreaker(wish, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { changed: true } });
    expect(risk.calls).toEqual([{ call: "resetBreaker", body: { who: "ada", reason: "understood", type: "Drawdown" } }]);
    expect(outcome.lines(plainStyle).join("\n")).toContain("measured 0.21 at a threshold of 0.20");
  });

  test("an armed one is left alone", async () => {
    const { world, risk } = withBreakers(breaker({}));
    expect(await resetBreaker(wish, world)).toMatchObject({ exitCode: 0, document: { changed: false, breakers: [] } });
    expect(risk.calls).toEqual([]);
  });

  test("a scope picks among several", async () => {
    const { world, risk } = withBreakers(
      breaker({ state: "Tripped", scope: { account: "a" } }),
      breaker({ state: "CoolingDown", scope: { account: "b" } }),
    );
    const outcome = await resetBreaker({ ...wish, account: "b" }, world);
    expect(outcome).toMatchObject({ document: { breakers: [{ scope: { account: "b" } }] } });
    expect(risk.calls[0]?.body).toMatchObject({ account: "b" });
  });

  test("names the breakers there are when the one asked for is not among them", async () => {
    const { world } = withBreakers(breaker({ type: "VenueStale", scope: { account: "a" } }));
    await expect(resetBreaker(wish, world)).rejects.toMatchObject({
      code: "BREAKER_NOT_FOUND",
      message: expect.stringContaining("VenueStale (account a)") as string,
    });
  });

  test("a dry run changes nothing", async () => {
    const { world, risk } = withBreakers(breaker({ state: "Tripped" }));
    expect(await resetBreaker({ ...wish, dryRun: true }, world)).toMatchObject({
      exitCode: 0,
      document: { changed: false, dryRun: true },
    });
    expect(risk.calls).toEqual([]);
  });
});
