import { describe, expect, test } from "vitest";
import { fillsOf, flat, runOver, type TestBar } from "./testing/run-over.ts";

/** Wobbles by ±1 around a price: a standard deviation of about 1. */
const wobble = (price: number, count: number): TestBar[] =>
  Array.from({ length: count }, (_, index) => ({ close: price + (index % 2 === 0 ? 1 : -1) }));

describe("mean-reversion", () => {
  test("buys what fell far below its average and sells it back at the average", async () => {
    const bars = [...wobble(100, 20), { close: 90 }, { close: 90 }, { close: 101 }, { close: 101 }];
    expect(fillsOf(await runOver("mean-reversion", bars, { length: 10 }))).toEqual(["21 buy 90", "23 sell 101"]);
  });

  test("sells after maxHoldBars whatever the price", async () => {
    const bars = [...wobble(100, 20), { close: 90 }, ...flat(80, 8)];
    const fills = fillsOf(await runOver("mean-reversion", bars, { length: 10, exitDeviations: "-3", maxHoldBars: 3 }));
    expect(fills.slice(0, 2)).toEqual(["21 buy 90", "24 sell 80"]);
  });

  test("leaves a market alone that does not move", async () => {
    expect(fillsOf(await runOver("mean-reversion", flat(100, 100)))).toEqual([]);
  });

  test("refuses an exit beyond the entry", async () => {
    await expect(runOver("mean-reversion", [], { entryDeviations: "1", exitDeviations: "2" })).rejects.toMatchObject({
      message: "parameter exitDeviations is 2: must be less than entryDeviations (1)",
    });
  });
});
