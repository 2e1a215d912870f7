import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxDrawdownRatio } from "./max-drawdown-ratio.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxDrawdownRatio(parseDecimal("0.20"));
const denied = (ratio: string) => ({ allowed: false, reason: "DRAWDOWN", numbers: { ratio, maximum: "0.2" } });

describe("maxDrawdownRatio 0.20 below a peak of 12,500", () => {
  test.each([
    { when: "the equity is at its peak", equity: "12500", order: buyOf("1"), then: { allowed: true } },
    { when: "it is a little less below", equity: "10000.000000000000000001", order: buyOf("1"), then: { allowed: true } },
    { when: "it is exactly that far below", equity: "10000", order: buyOf("1"), then: denied("0.2") },
    { when: "it is further below", equity: "5000", order: buyOf("1"), then: denied("0.6") },
    {
      when: "it is further below, but the order shrinks a position",
      equity: "5000",
      order: sellOf("1"),
      then: { allowed: true },
    },
  ])("$when → $then.allowed", ({ equity, order, then }) => {
    expect(toWireVerdict(rule(order, riskView({ equity, peakEquity: "12500" })))).toMatchObject(then);
  });
});
