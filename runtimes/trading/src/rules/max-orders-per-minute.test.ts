import { describe, expect, test } from "vitest";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxOrdersPerMinute } from "./max-orders-per-minute.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxOrdersPerMinute(5);

describe("maxOrdersPerMinute 5", () => {
  test.each([
    { when: "the minute was quiet", ordersLastMinute: 0, order: buyOf("1"), then: { allowed: true } },
    { when: "it becomes the fifth", ordersLastMinute: 4, order: buyOf("1"), then: { allowed: true } },
    {
      when: "it would be the sixth",
      ordersLastMinute: 5,
      order: buyOf("1"),
      then: { allowed: false, reason: "ORDER_RATE", numbers: { orders: "5", maximum: "5" } },
    },
    { when: "it would be the sixth and shrinks a position", ordersLastMinute: 5, order: sellOf("1"), then: { allowed: true } },
  ])("$when → $then.allowed", ({ ordersLastMinute, order, then }) => {
    expect(toWireVerdict(rule(order, riskView({ ordersLastMinute })))).toMatchObject(then);
  });
});
