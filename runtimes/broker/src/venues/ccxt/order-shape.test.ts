import { type MarketRules, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { finalOrderOf } from "../../testing/approver.ts";
import { orderShape } from "./order-shape.ts";

const rules: MarketRules = { symbol: "BTC/USDT", base: "BTC", quote: "USDT", quantityStep: "0.00001", priceStep: "0.01" };
const last = parseDecimal("40000");

describe("the shape an order has at an exchange", () => {
  test.each([
    {
      when: "a market buy is a limit order for now, five percent above the last price",
      change: {},
      shape: { type: "limit", price: "42000", timeInForce: "IOC", postOnly: false },
    },
    {
      when: "a market buy never reaches further than its most cost",
      change: { maxCost: "4100.001" },
      shape: { type: "limit", price: "41000.01", timeInForce: "IOC" },
    },
    { when: "a market sell is one: an exit is not bounded", change: { side: "sell" as const }, shape: { type: "market" } },
    {
      when: "a limit order keeps its limit and its time in force",
      change: { type: "limit" as const, limit: "39000.5", timeInForce: "FOK" as const },
      shape: { type: "limit", price: "39000.5", timeInForce: "FOK", postOnly: false },
    },
    {
      when: "post-only is a flag of its own",
      change: { type: "limit" as const, limit: "39000", timeInForce: "PostOnly" as const },
      shape: { timeInForce: "GTC", postOnly: true },
    },
  ])("$when", ({ change, shape }) => {
    expect(orderShape(finalOrderOf(1, change), rules, last)).toMatchObject({ quantity: "0.1", ...shape });
  });

  test.each([
    { when: "off its step", change: { quantity: "0.000001" }, code: "QUANTITY_NOT_ON_STEP" },
    { when: "limited off its step", change: { type: "limit" as const, limit: "1.001" }, code: "QUANTITY_NOT_ON_STEP" },
    { when: "of more digits than a number carries", change: { quantity: "123456789012345.12345" }, code: "ORDER_NOT_SUPPORTED" },
    { when: "a PostOnly market order", change: { timeInForce: "PostOnly" as const }, code: "ORDER_NOT_SUPPORTED" },
  ])("an order $when is refused", ({ change, code }) => {
    expect(() => orderShape(finalOrderOf(1, change), rules, last)).toThrow(expect.objectContaining({ code }));
  });

  test("a market buy without a price to bound it by is refused", () => {
    expect(() => orderShape(finalOrderOf(1), rules, undefined)).toThrow(expect.objectContaining({ code: "PRICE_UNKNOWN" }));
  });

  test.each(["0.1", "0.3", "0.7", "1.1", "2.3", "0.00029", "8.70001"])(
    "%s passes the number it may become unchanged",
    (quantity) => {
      expect(orderShape(finalOrderOf(1, { quantity, side: "sell" }), rules, last).quantity).toBe(quantity);
    },
  );
});
