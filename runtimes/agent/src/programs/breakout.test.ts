import { describe, expect, test } from "vitest";
import { fillsOf, flat, ramp, runOver } from "./testing/run-over.ts";

const parameters = { entryBars: 5, exitBars: 3, atrBars: 3, stopAtrs: "0" };

describe("breakout", () => {
  test("buys a close above the highest high before it, sells one below the lowest low", async () => {
    const bars = [...flat(100, 8), { close: 102 }, ...flat(102, 4), { close: 101 }, ...flat(101, 2)];
    expect(fillsOf(await runOver("breakout", bars, parameters))).toEqual(["9 buy 102", "14 sell 101"]);
  });

  test("is not fooled by a high that the close does not hold", async () => {
    expect(fillsOf(await runOver("breakout", [...flat(100, 8), { close: 100, high: 110 }, ...flat(100, 4)], parameters))).toEqual(
      [],
    );
  });

  test("holds a stop some average true ranges below the signal", async () => {
    const bars = [...ramp(100, 110, 10), ...ramp(110, 108, 1), ...ramp(108, 90, 4)];
    const fills = fillsOf(await runOver("breakout", bars, { ...parameters, stopAtrs: "2", exitBars: 100 }));
    // The first close above five others is 106, bars are one wide: two below it.
    expect(fills).toEqual(["6 buy 106", "11 sell 104"]);
  });
});
