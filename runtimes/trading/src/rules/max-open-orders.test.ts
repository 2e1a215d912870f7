import { describe, expect, test } from "vitest";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxOpenOrders } from "./max-open-orders.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxOpenOrders(3);

describe("maxOpenOrders 3", () => {
  test.each([
    { when: "none is open", openOrders: 0, order: buyOf("1"), then: { allowed: true } },
    { when: "it becomes the third", openOrders: 2, order: buyOf("1"), then: { allowed: true } },
    {
      when: "it would be the fourth",
      openOrders: 3,
      order: buyOf("1"),
      then: { allowed: false, reason: "OPEN_ORDERS", numbers: { open: "3", maximum: "3" } },
    },
    { when: "the book is full but it shrinks a position", openOrders: 9, order: sellOf("1"), then: { allowed: true } },
  ])("$when → $then.allowed", ({ openOrders, order, then }) => {
    expect(toWireVerdict(rule(order, riskView({ openOrders })))).toMatchObject(then);
  });
});
