import { syntheticBars } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { SyntheticSource } from "./synthetic-source.ts";

describe("the generated market of a replay", () => {
  test("is the backtest's market of the same seed, wherever it is looked at first", () => {
    const whole = syntheticBars({ seed: 7, length: 20_000, timeframeMs: 60_000 });
    for (const order of [
      [0, 4_095, 4_096, 19_999],
      [19_999, 5, 8_192, 4_100],
    ]) {
      const source = new SyntheticSource(7);
      for (const index of order)
        expect(source.bar(index)).toMatchObject({
          time: whole.time[index],
          close: whole.close[index],
          volume: whole.volume[index],
        });
    }
  });

  test("makes a stretch again that it has let go", () => {
    const source = new SyntheticSource(3);
    const first = source.bar(17);
    source.bar(200_000);
    expect(source.bar(17)).toEqual(first);
  });

  test.each([
    { timeMs: 0, index: 0 },
    { timeMs: Date.UTC(2024, 0, 1), index: 0 },
    { timeMs: Date.UTC(2024, 0, 1) + 1, index: 1 },
    { timeMs: Date.UTC(2024, 0, 1, 0, 1), index: 1 },
    { timeMs: Date.UTC(2124, 0, 1), index: 5_256_000 },
  ])("the first bar at or after $timeMs is $index", ({ timeMs, index }) => {
    expect(new SyntheticSource(1).indexFrom(timeMs)).toBe(index);
  });
});
