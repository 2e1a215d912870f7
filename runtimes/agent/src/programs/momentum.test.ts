import { describe, expect, test } from "vitest";
import { fillsOf, flat, ramp, runOver } from "./testing/run-over.ts";

const parameters = { fast: 2, slow: 4, bandBps: 0 };

describe("momentum", () => {
  test("buys when the fast average rises above the slow one, sells when it falls below", async () => {
    const bars = [...ramp(110, 100, 10), ...ramp(100, 120, 10), ...ramp(120, 100, 10)];
    expect(fillsOf(await runOver("momentum", bars, parameters))).toEqual(["12 buy 104", "22 sell 116"]);
  });

  test("only notes the trend it begins in", async () => {
    expect(fillsOf(await runOver("momentum", ramp(100, 120, 20), parameters))).toEqual([]);
  });

  test("stays out of a market that moves within the band", async () => {
    const wobble = Array.from({ length: 60 }, (_, index) => ({ close: 100 + Math.sin(index / 3) * 0.1 }));
    expect(fillsOf(await runOver("momentum", wobble, { ...parameters, bandBps: 20 }))).toEqual([]);
    expect(fillsOf(await runOver("momentum", wobble, parameters))).not.toEqual([]);
  });

  test("does nothing before there are enough bars, and nothing in a flat market", async () => {
    expect(fillsOf(await runOver("momentum", flat(100, 200)))).toEqual([]);
  });

  test("spends the part of equity it was given", async () => {
    const bars = [...ramp(110, 100, 10), ...ramp(100, 120, 10)];
    const { fills } = await runOver("momentum", bars, { ...parameters, equityRatio: "0.5" });
    // Half of 10,000 at the signal's close of 104.
    expect(fills[0]?.quantity).toBe("48.07692307");
  });

  test("is stopped out below the signal when told so, and waits for the next crossing", async () => {
    const bars = [...ramp(110, 100, 10), ...ramp(100, 104, 4), ...ramp(104, 90, 4)];
    const fills = fillsOf(await runOver("momentum", bars, { ...parameters, stopLossRatio: "0.02", exit: "StopOnly" }));
    expect(fills).toHaveLength(2);
    expect(fills[1]).toMatch(/sell/);
  });

  test.each([
    { given: { fast: 60, slow: 60 }, says: "parameter slow is 60: must be greater than fast (60)" },
    { given: { fast: 0 }, says: "parameter fast is 0: must be a whole number from 1 to 499" },
    { given: { fast: "two" }, says: 'parameter fast is "two": must be a whole number from 1 to 499' },
    { given: { equityRatio: "1.5" }, says: 'parameter equityRatio is "1.5": must be a decimal number from 0.0001 to 1' },
    { given: { exit: "Never" }, says: 'parameter exit is "Never": must be one of Cross, StopOnly' },
    { given: { quick: 3 }, says: "parameter quick is unknown (known: fast, slow, bandBps, equityRatio, stopLossRatio, exit)" },
  ])("refuses $given", async ({ given, says }) => {
    await expect(runOver("momentum", flat(100, 5), given)).rejects.toMatchObject({ code: "BAD_PARAMETERS", message: says });
  });
});
