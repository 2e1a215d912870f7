import { describe, expect, test } from "vitest";
import { statesOver, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = {
  type: "VolatilitySpike",
  threshold: 3,
  windowMs: 3_600_000,
  cooldownMs: 900_000,
  action: "Reduce",
};

/** Prices that go up and down by `part` each minute. */
function swings(minutes: number, part: (minute: number) => number, market = "BTC/USDT"): Look[] {
  let price = 100;
  return Array.from({ length: minutes }, (_, minute): Look => {
    price *= minute % 2 === 0 ? 1 + part(minute) : 1 / (1 + part(minute - 1));
    return [minute, { kind: "price", market, price }];
  });
}

describe("VolatilitySpike 3 over an hour", () => {
  test("says nothing before a market has been watched for four windows", () => {
    const states = statesOver(
      config,
      swings(239, (minute) => (minute < 200 ? 0.0001 : 0.1)),
    );
    expect(states.at(-1)).toMatchObject({ phase: "Armed", value: undefined });
  });

  test("measures 1 on a steady market", () => {
    expect(
      statesOver(
        config,
        swings(600, () => 0.001),
      ).at(-1)?.value,
    ).toBeCloseTo(1, 2);
  });

  test("trips when the market swings ten times as far, and not when it swings twice as far", () => {
    const swingingFrom = (factor: number) => swings(1_500, (minute) => (minute < 1_440 ? 0.001 : 0.001 * factor));
    expect(statesOver(config, swingingFrom(2)).at(-1)?.phase).toBe("Armed");
    expect(statesOver(config, swingingFrom(10)).at(-1)?.phase).toBe("Tripped");
  });

  test("arms itself a quarter of an hour after the market has calmed down", () => {
    const states = statesOver(
      config,
      swings(2_400, (minute) => (minute >= 1_440 && minute < 1_470 ? 0.01 : 0.001)),
    );
    const tripped = states.findIndex(({ phase }) => phase === "Tripped");
    const calmed = states.findLastIndex(({ phase }) => phase === "Tripped");
    expect(tripped).toBeGreaterThan(1_440);
    expect(states.at(-1)?.phase).toBe("Armed");
    expect(states.findIndex(({ phase }, index) => index > calmed && phase === "Armed")).toBe(calmed + 16);
  });

  test("a gap without bars is no calm: variance is per second", () => {
    const looks = swings(600, () => 0.001);
    const after: Look = [660, { kind: "price", market: "BTC/USDT", price: 100 * 1.001 ** 8 }];
    expect(statesOver(config, [...looks, after]).at(-1)?.value).toBeLessThan(1.2);
  });
});
