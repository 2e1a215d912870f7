import { describe, expect, test } from "vitest";
import { armed, type BreakerConfig } from "../breakers/breaker.ts";
import { kernelOf, type HeldBreaker } from "../breakers/breaker-set.ts";
import { effectiveLimits } from "../rules/limits.ts";
import { riskScore, type RiskUse } from "./risk-score.ts";

const limits = effectiveLimits({
  maxPositionRatio: "0.20",
  maxTokenConcentrationRatio: "0.50",
  maxOpenOrders: 20,
  maxOrdersPerMinute: 60,
  maxDailyLossRatio: "0.05",
  maxDrawdownRatio: "0.20",
});
const idle: RiskUse = {
  positionRatio: 0,
  concentrationRatio: 0,
  openOrders: 0,
  ordersLastMinute: 0,
  dailyLossRatio: 0,
  drawdownRatio: 0,
};

function held(
  type: BreakerConfig["type"],
  threshold: number | undefined,
  state: { value: number; phase?: "Tripped" },
): HeldBreaker {
  const config: BreakerConfig = { type, threshold, windowMs: 60_000, cooldownMs: 0, action: "Halt" };
  return { config, state: { ...armed(kernelOf(type), 0), ...state } };
}

describe("riskScore", () => {
  test.each([
    { when: "nothing is held", use: {}, then: 0 },
    { when: "half of a market's share is used", use: { positionRatio: 0.1 }, then: 50 },
    { when: "the asset is nearer to its limit than the market", use: { positionRatio: 0.1, concentrationRatio: 0.4 }, then: 80 },
    { when: "five of twenty orders are open", use: { openOrders: 5 }, then: 25 },
    { when: "forty-five of sixty orders came in a minute", use: { ordersLastMinute: 45 }, then: 75 },
    { when: "most of the day's loss is lost", use: { dailyLossRatio: 0.045 }, then: 90 },
    { when: "the deepest fall is reached and passed", use: { drawdownRatio: 0.3 }, then: 100 },
    { when: "a breaker is near its threshold", use: {}, breakers: [held("RapidLoss", 0.03, { value: 0.02 })], then: 67 },
    { when: "the market is as volatile as always", use: {}, breakers: [held("VolatilitySpike", 3, { value: 1 })], then: 0 },
    { when: "the market is twice as volatile", use: {}, breakers: [held("VolatilitySpike", 3, { value: 2 })], then: 50 },
    {
      when: "a venue was looked at half a minute ago",
      use: {},
      breakers: [held("VenueStale", undefined, { value: 30 })],
      then: 0,
    },
    {
      when: "a breaker is tripped",
      use: {},
      breakers: [held("VenueStale", undefined, { value: 90, phase: "Tripped" })],
      then: 100,
    },
  ])("$when → $then", ({ use, breakers = [], then }) => {
    expect(riskScore({ ...idle, ...use }, limits, breakers)).toBe(then);
  });
});
