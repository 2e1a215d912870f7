import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxDailyLossRatio } from "./max-daily-loss-ratio.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxDailyLossRatio(parseDecimal("0.05"));
const denied = (ratio: string) => ({ allowed: false, reason: "DAILY_LOSS", numbers: { ratio, maximum: "0.05" } });

describe("maxDailyLossRatio 0.05 on a day that began with 10,000", () => {
  test.each([
    { when: "the day is in profit", equity: "10100", order: buyOf("1"), then: { allowed: true } },
    {
      when: "a little less than the limit is lost",
      equity: "9500.000000000000000001",
      order: buyOf("1"),
      then: { allowed: true },
    },
    { when: "exactly the limit is lost", equity: "9500", order: buyOf("1"), then: denied("0.05") },
    { when: "more is lost", equity: "9000", order: buyOf("1"), then: denied("0.1") },
    { when: "more is lost, but the order shrinks a position", equity: "9000", order: sellOf("1"), then: { allowed: true } },
    { when: "everything is lost", equity: "0", order: buyOf("1"), then: denied("1") },
  ])("$when → $then.allowed", ({ equity, order, then }) => {
    expect(toWireVerdict(rule(order, riskView({ equity, dayStartEquity: "10000" })))).toMatchObject(then);
  });
});
