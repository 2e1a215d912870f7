import { type FinalOrder, type MarketRules, canonicalOrder, formatDecimal, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { finalOrderOf } from "../testing/approver.ts";
import { checkOrder, orderFromText } from "./order-checks.ts";

const rules: MarketRules = { symbol: "BTC/USDT", base: "BTC", quote: "USDT", quantityStep: "0.001", priceStep: "0.01" };
const context = { account: "paper", rules, hardCaps: { maxOrderNotional: "100" }, lastPrice: parseDecimal("1000") };

describe("the broker's own look at an order", () => {
  test.each<{ when: string; order: Partial<FinalOrder>; notional: string }>([
    { when: "a market buy counts at the last close", order: { quantity: "0.1" }, notional: "100" },
    { when: "a limit buy at its limit", order: { quantity: "0.1", type: "limit", limit: "900.01" }, notional: "90.001" },
    {
      when: "a sell counts nothing, whatever its size: a cap must not lock a position in",
      order: { side: "sell", quantity: "9" },
      notional: "0",
    },
  ])("$when", ({ order, notional }) => {
    expect(formatDecimal(checkOrder(finalOrderOf(1, order), context))).toBe(notional);
  });

  test.each<{ code: string; order?: Partial<FinalOrder>; change?: Partial<Parameters<typeof checkOrder>[1]> }>([
    { code: "ACCOUNT_MISMATCH", order: { account: "other" } },
    { code: "MARKET_UNKNOWN", change: { rules: undefined } },
    { code: "MARKET_TYPE_NOT_SUPPORTED", order: { market: "BTC/USDT:USDT" }, change: { rules: undefined } },
    { code: "QUANTITY_NOT_ON_STEP", order: { quantity: "0.0005" } },
    { code: "QUANTITY_NOT_ON_STEP", order: { quantity: "0.1", type: "limit", limit: "900.001" } },
    { code: "PRICE_UNKNOWN", change: { lastPrice: undefined } },
    { code: "HARD_CAP_ORDER_NOTIONAL", order: { quantity: "0.101" } },
    { code: "QUANTITY_NOT_ON_STEP", order: { stopLoss: "900.001" }, change: { restingLegs: true } },
    { code: "QUANTITY_NOT_ON_STEP", order: { takeProfit: "900.001" }, change: { restingLegs: true } },
    { code: "ORDER_NOT_SUPPORTED", order: { side: "sell", stopLoss: "900" }, change: { restingLegs: true } },
    {
      code: "ORDER_NOT_SUPPORTED",
      order: { quantity: "0.01", stopLoss: "400", takeProfit: "2000" },
      change: { restingLegs: true, rules: { ...context.rules, minNotional: "5" } },
    },
  ])("$code", ({ code, order, change }) => {
    expect(() => checkOrder(finalOrderOf(1, order), { ...context, ...change })).toThrow(expect.objectContaining({ code }));
  });
});

describe("the order of an approval", () => {
  test("is read from its canonical text", () => {
    expect(orderFromText(canonicalOrder(finalOrderOf(1)))).toEqual(finalOrderOf(1));
  });

  test.each([
    { when: "other text", text: "{}" },
    {
      when: "a second spelling of the same order",
      text: canonicalOrder(finalOrderOf(1)).replace("quantity=0.1\n", "quantity=0.10\n"),
    },
    { when: "an id of another intent", text: canonicalOrder({ ...finalOrderOf(1), intentId: finalOrderOf(2).intentId }) },
  ])("$when is ORDER_MALFORMED", ({ text }) => {
    expect(() => orderFromText(text)).toThrow(expect.objectContaining({ code: "ORDER_MALFORMED" }));
  });
});
