import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { add, formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import { toWireVerdict } from "../rules/verdict.ts";
import { marketTerms, rulesFromSymbol } from "../venue/market-terms.ts";
import { affordableQuantity } from "./affordable.ts";
import { buyCost, feeOn, slippedPrice, tradingCosts } from "./cost.ts";
import {
  intentSizeFrom,
  remainingReservation,
  sizeOrder,
  type OrderSize,
  type SizingAccount,
  type SizingIntent,
} from "./size-order.ts";
import { sizeReplace } from "./size-replace.ts";

const d = parseDecimal;
const terms = marketTerms({
  ...rulesFromSymbol("BTC/USDT")!,
  quantityStep: "0.001",
  priceStep: "0.01",
  minQuantity: "0.002",
  minNotional: "10",
});
const costs = tradingCosts({ feeBps: "10", slippageBps: "5" });
const market = { terms, costs };

const intent = (size: Parameters<typeof intentSizeFrom>[0], given: Partial<SizingIntent> = {}): SizingIntent => ({
  market: "BTC/USDT",
  side: "buy",
  size: intentSizeFrom(size),
  limit: undefined,
  stopLoss: undefined,
  takeProfit: undefined,
  timeInForce: "GTC",
  signalPrice: d("40000"),
  ...given,
});
const account = (given: Partial<Record<keyof SizingAccount, string>> = {}): SizingAccount => ({
  equity: d(given.equity ?? "10000"),
  freeCash: d(given.freeCash ?? "10000"),
  held: d(given.held ?? "0"),
  workingSells: d(given.workingSells ?? "0"),
});
const shown = (size: OrderSize) => ({
  quantity: formatDecimal(size.quantity),
  notional: formatDecimal(size.notional),
  reservation: formatDecimal(size.reservation),
});

describe("sizeOrder", () => {
  test.each([
    {
      when: "a part of the equity",
      size: { equityRatio: "0.2" },
      then: { quantity: "0.05", notional: "2000", reservation: "2003.001" },
    },
    { when: "an amount of money", size: { notional: "250" }, then: { quantity: "0.006", notional: "240" } },
    { when: "a quantity off the step", size: { quantity: "0.0219" }, then: { quantity: "0.021" } },
    { when: "more than the cash pays", size: { equityRatio: "1" }, then: { quantity: "0.249" } },
  ])("buys $when in whole steps", ({ size, then }) => {
    const sized = sizeOrder(intent(size), account(), market);
    expect(sized.allowed && shown(sized)).toMatchObject(then);
    expect(sized.allowed && sized.maxCost).toBe(d("10000"));
  });

  test("reserves a limit order at its limit, without slippage, and shows the rules the dearer price", () => {
    const cheap = sizeOrder(intent({ quantity: "0.1" }, { limit: d("30000") }), account(), market);
    expect(cheap.allowed && shown(cheap)).toEqual({ quantity: "0.1", notional: "4000", reservation: "3003" });
    const dear = sizeOrder(intent({ quantity: "0.1" }, { limit: d("50000") }), account(), market);
    expect(dear.allowed && shown(dear)).toEqual({ quantity: "0.1", notional: "5000", reservation: "5005" });
  });

  test.each([
    { when: "all", size: { all: true }, given: { held: "0.5" }, quantity: "0.5" },
    { when: "all but what is being sold", size: { all: true }, given: { held: "0.5", workingSells: "0.2" }, quantity: "0.3" },
    { when: "no more than is held", size: { quantity: "2" }, given: { held: "0.5004" }, quantity: "0.5" },
    { when: "a part of the equity", size: { equityRatio: "0.1" }, given: { held: "0.5" }, quantity: "0.025" },
  ])("sells $when", ({ size, given, quantity }) => {
    const sized = sizeOrder(intent(size as never, { side: "sell" }), account(given), market);
    expect(sized).toMatchObject({ allowed: true, quantity: d(quantity), reservation: 0n, maxCost: undefined });
  });

  const sell = { side: "sell" } as const;
  test.each([
    { reason: "NOTHING_TO_SELL", size: { all: true }, given: sell, of: {} },
    { reason: "NOTHING_TO_SELL", size: { all: true }, given: sell, of: { held: "0.5", workingSells: "0.5" } },
    { reason: "NOTHING_TO_SELL", size: { quantity: "1" }, given: sell, of: { held: "0.0009" } },
    { reason: "BELOW_MINIMUM", size: { quantity: "0.0009" }, given: sell, of: { held: "1" } },
    { reason: "BELOW_MINIMUM", size: { quantity: "0.0009" }, given: {}, of: {} },
    { reason: "BELOW_MINIMUM", size: { quantity: "0.001" }, given: {}, of: {} },
    { reason: "BELOW_MINIMUM", size: { quantity: "0.002" }, given: { signalPrice: d("4000") }, of: {} },
    { reason: "BELOW_MINIMUM", size: { equityRatio: "0.5" }, given: {}, of: { equity: "-3" } },
    { reason: "INSUFFICIENT_CASH", size: { quantity: "1" }, given: {}, of: { freeCash: "39" } },
    { reason: "INSUFFICIENT_CASH", size: { quantity: "1" }, given: {}, of: { freeCash: "0" } },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { limit: d("40000.001") }, of: {} },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { timeInForce: "PostOnly" as const }, of: {} },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { stopLoss: d("40000") }, of: {} },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { takeProfit: d("40000") }, of: {} },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { limit: d("39000"), stopLoss: d("39500") }, of: {} },
    { reason: "ORDER_INVALID", size: { quantity: "1" }, given: { ...sell, stopLoss: d("39000") }, of: { held: "1" } },
    { reason: "ORDER_INVALID", size: { all: true }, given: {}, of: {} },
  ])("denies with $reason: $size of $of", ({ reason, size, given, of }) => {
    const outcome = sizeOrder(intent(size as never, given), account(of), market);
    expect(outcome).toMatchObject({ allowed: false, reason });
    if (!outcome.allowed) expect(toWireVerdict(outcome).message).not.toBe("");
  });

  test("never reserves more than the free cash, and never sells more than is held", () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 24n }) as unknown as fc.Arbitrary<Decimal>;
    const ratio = fc.integer({ min: 1, max: 20_000 }).map((n) => (n / 10_000).toFixed(4));
    fc.assert(
      fc.property(
        amount,
        amount,
        ratio,
        fc.constantFrom("buy" as const, "sell" as const),
        (...[cash, held, equityRatio, side]) => {
          const of = { equity: add(cash, held), freeCash: cash, held, workingSells: d("0") };
          const sized = sizeOrder(intent({ equityRatio }, { side }), of, market);
          if (!sized.allowed) return;
          expect(sized.reservation <= cash && sized.quantity % terms.quantityStep === 0n && sized.quantity > 0n).toBe(true);
          if (side === "sell") expect(sized.quantity <= held).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("costs", () => {
  test("are rounded against the trader", () => {
    expect(formatDecimal(slippedPrice(d("0.1234567891"), "buy", costs))).toBe("0.1235185175");
    expect(formatDecimal(slippedPrice(d("0.1234567891"), "sell", costs))).toBe("0.1233950607");
    expect(formatDecimal(feeOn(d("0.00001"), costs))).toBe("0.00000001");
  });

  test.each(["-1", "5001", "a lot"])("a fee of %s basis points is refused", (feeBps) => {
    expect(() => tradingCosts({ feeBps, slippageBps: "0" })).toThrow();
  });

  test("the affordable quantity is affordable, and hardly more is", () => {
    const positive = fc.bigInt({ min: 1n, max: 10n ** 24n }) as unknown as fc.Arbitrary<Decimal>;
    const price = fc.bigInt({ min: 1n, max: 10n ** 16n }).map((units) => (units * 10n ** 8n) as Decimal);
    const step = d("0.00000001");
    fc.assert(
      fc.property(positive, price, fc.constantFrom("0", "7.5", "10"), (budget, at, feeBps) => {
        const priced = tradingCosts({ feeBps, slippageBps: "0" });
        const quantity = affordableQuantity(budget, at, { costs: priced, step });
        expect(buyCost(quantity, at, priced) <= budget).toBe(true);
        // One step more, and the room of 10^-8 for the fee's rounding, is too much.
        const more = (quantity + step + (d("0.00000002") * 10n ** 18n) / at + step) as Decimal;
        expect(buyCost(more, at, priced) > budget).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("a reservation shrinks with what has filled, and is gone with the last of it", () => {
    expect(formatDecimal(remainingReservation(d("100"), d("0"), d("3")))).toBe("100");
    expect(formatDecimal(remainingReservation(d("100"), d("1"), d("3")))).toBe("66.666666666666666667");
    expect(formatDecimal(remainingReservation(d("100"), d("3"), d("3")))).toBe("0");
  });
});

describe("sizeReplace", () => {
  const order = {
    market: "BTC/USDT",
    side: "buy" as const,
    quantity: d("0.2"),
    filled: d("0.05"),
    spent: d("2000"),
    limit: d("40000"),
    working: true,
  };
  const replace = (change: object, given: Partial<typeof order> = {}, of = account()) =>
    sizeReplace({ order: { ...order, ...given }, change, signalPrice: d("40000") }, of, market);

  test("reserves what is still to be bought, at the new limit", () => {
    const sized = replace({ quantity: d("0.1"), limit: d("41000") });
    expect(sized).toMatchObject({ allowed: true, remaining: d("0.05"), reservation: d("2052.05"), maxCost: d("12000") });
  });

  test("lets protective legs change once the entry has ended, at no cost", () => {
    expect(replace({ stopLoss: d("39000") }, { working: false })).toMatchObject({ allowed: true, reservation: 0n });
  });

  test.each([
    { reason: "INSUFFICIENT_CASH", change: { quantity: d("5") }, given: {} },
    { reason: "ORDER_INVALID", change: { quantity: d("0.04") }, given: {} },
    { reason: "ORDER_INVALID", change: { limit: d("40000.001") }, given: {} },
    { reason: "ORDER_INVALID", change: { limit: d("41000") }, given: { working: false } },
    { reason: "ORDER_INVALID", change: { limit: d("41000") }, given: { limit: undefined as never } },
    { reason: "NOTHING_TO_SELL", change: { quantity: d("1") }, given: { side: "sell" as never } },
  ])("denies with $reason", ({ reason, change, given }) => {
    expect(replace(change, given)).toMatchObject({ allowed: false, reason });
  });
});
