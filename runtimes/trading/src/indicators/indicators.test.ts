import { describe, expect, test } from "vitest";
import { BarHistory } from "../engine/bar-history.ts";
import type { Series } from "../engine/program.ts";
import { atr, ema, highest, lowest, rsi, sma, standardDeviation, zScore } from "./indicators.ts";

/** Values oldest first, as a chart shows them. */
function series(...values: readonly number[]): Series {
  const column = Float64Array.from(values);
  const columns = { times: column, opens: column, highs: column, lows: column, closes: column, volumes: column };
  return BarHistory.over(columns, values.length).closes;
}

describe("indicators", () => {
  test.each([
    { name: "sma", value: sma(series(100, 1, 2, 3), 3), expected: 2 },
    { name: "sma one bar ago", value: sma(series(100, 1, 2, 3), 3, 1), expected: 103 / 3 },
    { name: "standardDeviation", value: standardDeviation(series(2, 4, 4, 4, 5, 5, 7, 9), 8), expected: 2 },
    { name: "zScore", value: zScore(series(2, 4, 4, 4, 5, 5, 7, 9), 8), expected: 2 },
    { name: "zScore of a flat market", value: zScore(series(5, 5, 5), 3), expected: 0 },
    { name: "highest", value: highest(series(9, 1, 3, 2), 3), expected: 3 },
    { name: "highest one bar ago", value: highest(series(9, 1, 3, 2), 3, 1), expected: 9 },
    { name: "lowest", value: lowest(series(0, 3, 1, 2), 3), expected: 1 },
    { name: "ema of a flat market", value: ema(series(...Array.from({ length: 40 }, () => 7)), 10), expected: 7 },
    { name: "ema, by hand", value: ema(series(1, 1, 1, 4), 1), expected: 4 },
    { name: "rsi of a rising market", value: rsi(series(1, 2, 3, 4), 3), expected: 100 },
    { name: "rsi", value: rsi(series(10, 13, 12), 2), expected: 75 },
    { name: "rsi of a flat market", value: rsi(series(1, 1, 1), 2), expected: 50 },
    {
      name: "atr counts the gap",
      value: atr({ highs: series(11, 16), lows: series(9, 14), closes: series(10, 15) }, 1),
      expected: 6,
    },
  ])("$name is $expected", ({ value, expected }) => {
    expect(value).toBeCloseTo(expected, 12);
  });

  test.each([
    ["sma", sma(series(1, 2), 3)],
    ["standardDeviation", standardDeviation(series(1, 2), 3)],
    ["highest", highest(series(1, 2), 2, 1)],
    ["lowest", lowest(series(1, 2), 3)],
    ["ema", ema(series(1, 2, 3), 1)],
    ["rsi", rsi(series(1, 2), 2)],
    ["atr", atr({ highs: series(1), lows: series(1), closes: series(1) }, 1)],
  ])("%s is NaN while there are too few bars", (_name, value) => {
    expect(value).toBeNaN();
  });
});
