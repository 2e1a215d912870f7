import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxOrderNotional } from "./max-order-notional.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxOrderNotional(parseDecimal("5000"));

describe("maxOrderNotional 5,000", () => {
  test.each([
    { when: "the order is smaller", order: buyOf("4999.99"), then: { allowed: true } },
    { when: "it is exactly as large", order: buyOf("5000"), then: { allowed: true } },
    {
      when: "it is larger by the last digit",
      order: buyOf("5000.000000000000000001"),
      then: { allowed: false, reason: "ORDER_NOTIONAL", numbers: { notional: "5000.000000000000000001", maximum: "5000" } },
    },
    { when: "a larger order leaves a position", order: sellOf("9000"), then: { allowed: true } },
  ])("$when → $then.allowed", ({ order, then }) => {
    expect(toWireVerdict(rule(order, riskView()))).toMatchObject(then);
  });
});
