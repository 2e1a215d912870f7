import { describe, expect, test } from "vitest";
import { formatDecimal, parseDecimal } from "../decimal.ts";
import { sizingStep } from "../wire/control.ts";
import { tradingCosts } from "./cost.ts";
import { effectiveSizing, entryCap, type EntryWorld, type SizingSpec } from "./entry-cap.ts";
import { yearlyVolatility } from "./volatility.ts";

interface Given {
  readonly sizing: SizingSpec;
  readonly exposure?: string;
  readonly policyExposure?: string;
  readonly maxConcentration?: string;
  readonly volatility?: number;
  readonly feeBps?: string;
  readonly equity?: string;
}

function capOf({ sizing, ...given }: Given): string {
  const world: EntryWorld = {
    equity: parseDecimal(given.equity ?? "10000"),
    exposure: parseDecimal(given.exposure ?? "0"),
    policyExposure: parseDecimal(given.policyExposure ?? "0"),
    policyEquity: parseDecimal("20000"),
    maxConcentration: given.maxConcentration === undefined ? undefined : parseDecimal(given.maxConcentration),
    volatility: given.volatility,
    costs: tradingCosts({ feeBps: given.feeBps ?? "0", slippageBps: "0" }),
  };
  const { cap, steps } = entryCap(effectiveSizing(sizing)!, world);
  for (const step of steps) expect(sizingStep.parse(step)).toEqual(step);
  expect(steps.at(-1)?.after).toBe(formatDecimal(cap));
  return formatDecimal(cap);
}

const fraction: SizingSpec = { method: "FixedFraction", fractionRatio: "0.10" };
const target: SizingSpec = { method: "VolatilityTarget", targetVolatilityRatio: "0.20" };

describe("entryCap on an equity of 10,000 in a policy of 20,000", () => {
  test.each([
    { when: "a fixed fraction", given: { sizing: fraction }, then: "1000" },
    { when: "a fixed fraction of nothing", given: { sizing: fraction, equity: "-5" }, then: "0" },
    { when: "a fixed fraction is of each entry, whatever is held", given: { sizing: fraction, exposure: "5000" }, then: "1000" },
    { when: "a market as volatile as the target", given: { sizing: target, volatility: 0.2 }, then: "10000" },
    { when: "a calmer one: no borrowing", given: { sizing: target, volatility: 0.05 }, then: "10000" },
    { when: "one four times as volatile", given: { sizing: target, volatility: 0.8 }, then: "2500" },
    { when: "part of the target is held", given: { sizing: target, volatility: 0.8, exposure: "2000" }, then: "500" },
    { when: "more than the target is held", given: { sizing: target, volatility: 0.8, exposure: "3000" }, then: "0" },
    { when: "the volatility is unknown", given: { sizing: target }, then: "1000" },
    {
      when: "half of the concentration limit is used up",
      given: { sizing: fraction, maxConcentration: "0.50", policyExposure: "5000" },
      then: "500",
    },
    { when: "all of it is", given: { sizing: fraction, maxConcentration: "0.50", policyExposure: "12000" }, then: "0" },
    // A day moves 0.73 / √365 = 0.0382…; 10 bps there and back are 0.002.
    {
      when: "fees take a part of a day's move",
      given: { sizing: fraction, volatility: 0.73, feeBps: "10" },
      then: "947.6576077409786",
    },
    { when: "fees take all of a day's move", given: { sizing: fraction, volatility: 0.03, feeBps: "10" }, then: "0" },
  ])("$when → $then", ({ given, then }) => {
    expect(Number(capOf(given))).toBeCloseTo(Number(then), 6);
  });

  test("without a method there is no sizing", () => {
    expect(effectiveSizing(undefined)).toBeUndefined();
    expect(effectiveSizing({ lookbackBars: 50 })).toBeUndefined();
  });
});

describe("yearlyVolatility", () => {
  test("of a market that moves one percent up and down each day is a percent × √365", () => {
    const closes = Array.from({ length: 101 }, (_, index) => (index % 2 === 0 ? 100 : 100 * Math.exp(0.01)));
    expect(yearlyVolatility(closes, 86_400_000)).toBeCloseTo(0.01 * Math.sqrt(365) * Math.sqrt(100 / 99), 10);
  });

  test("is unknown from fewer than ten returns and zero where nothing moves", () => {
    expect(yearlyVolatility([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 60_000)).toBeUndefined();
    expect(
      yearlyVolatility(
        Array.from({ length: 11 }, () => 7),
        60_000,
      ),
    ).toBe(0);
  });
});
