import { describe, expect, test } from "vitest";
import { CloseHistory } from "./close-history.ts";

const series = { market: "BTC/USDT", timeframe: "1m" };
const bar = (minute: number) => ({ time: minute * 60_000, open: 1, high: 1, low: 1, close: minute, volume: 0 });
const bars = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => bar(from + index));

describe("CloseHistory", () => {
  test("keeps closes in order, each once", () => {
    const history = new CloseHistory();
    for (const minute of [1, 2, 2, 1, 3]) history.add(series, bar(minute));
    expect(history.latest(series, 10)).toEqual([1, 2, 3]);
    expect(history.latest(series, 2)).toEqual([2, 3]);
    expect(history.latest({ ...series, timeframe: "1h" }, 2)).toEqual([]);
  });

  test("puts the past before what has come in, whether the two overlap or not", () => {
    const overlapping = new CloseHistory();
    overlapping.add(series, bar(5));
    overlapping.prepend(series, bars(1, 5));
    expect(overlapping.latest(series, 10)).toEqual([1, 2, 3, 4, 5]);
    const apart = new CloseHistory();
    apart.add(series, bar(5));
    apart.prepend(series, bars(1, 4));
    expect(apart.latest(series, 10)).toEqual([1, 2, 3, 4, 5]);
    expect(apart.isFilled(series)).toBe(true);
  });

  test("is bounded", () => {
    const history = new CloseHistory();
    for (let minute = 0; minute < 20_000; minute++) history.add(series, bar(minute));
    expect(history.latest(series, 20_000).length).toBeLessThanOrEqual(10_002);
  });
});
