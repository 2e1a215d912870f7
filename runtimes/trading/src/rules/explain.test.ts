import { describe, expect, test } from "vitest";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { verdictStep } from "../wire/control.ts";
import { explainVerdict } from "./explain.ts";
import { effectiveLimits } from "./limits.ts";

const limits = effectiveLimits({
  maxPositionRatio: "0.20",
  maxTokenConcentrationRatio: "0.50",
  maxOrderNotional: "10000",
  maxOpenOrders: 20,
  maxOrdersPerMinute: 60,
  maxDailyLossRatio: "0.05",
  maxDrawdownRatio: "0.20",
});

const outcomes = (order: ReturnType<typeof buyOf>, given = {}): Record<string, string> =>
  Object.fromEntries(explainVerdict(order, riskView(given), limits).map(({ rule, outcome }) => [rule, outcome]));

describe("explainVerdict", () => {
  test("names every rule in force with what it measured", () => {
    const steps = explainVerdict(buyOf("1000"), riskView({ dayStartEquity: "10100", peakEquity: "12500" }), limits);
    for (const step of steps) expect(verdictStep.parse(step)).toEqual(step);
    expect(steps).toEqual([
      { rule: "trading-state", outcome: "passed", numbers: { state: "Active", by: "policy" } },
      { rule: "max-open-orders", outcome: "passed", numbers: { open: "0", maximum: "20" } },
      { rule: "max-orders-per-minute", outcome: "passed", numbers: { orders: "0", maximum: "60" } },
      { rule: "max-order-notional", outcome: "passed", numbers: { notional: "1000", maximum: "10000" } },
      {
        rule: "max-daily-loss-ratio",
        outcome: "passed",
        numbers: { ratio: "0.009901", equity: "10000", dayStartEquity: "10100", maximum: "0.05" },
      },
      {
        rule: "max-drawdown-ratio",
        outcome: "denied",
        message: "the equity is 0.2 below its peak, the limit is 0.2",
        numbers: { ratio: "0.2", equity: "10000", peakEquity: "12500", maximum: "0.2" },
      },
      {
        rule: "max-position-ratio",
        outcome: "notReached",
        numbers: { ratio: "0.1", notional: "1000", equity: "10000", maximum: "0.2" },
      },
      {
        rule: "max-token-concentration-ratio",
        outcome: "notReached",
        numbers: { ratio: "0.1", notional: "1000", equity: "10000", maximum: "0.5" },
      },
    ]);
  });

  test("a sell passes every limit however deep the loss is", () => {
    const given = { equity: "1000", dayStartEquity: "10000", peakEquity: "20000", openOrders: 99, ordersLastMinute: 99 };
    expect(new Set(Object.values(outcomes(sellOf("900"), given)))).toEqual(new Set(["passed"]));
  });

  test("the first denial is the verdict and nothing behind it is reached", () => {
    expect(outcomes(buyOf("50000"), { openOrders: 20 })).toMatchObject({
      "trading-state": "passed",
      "max-open-orders": "denied",
      "max-order-notional": "notReached",
    });
  });
});
