import { add, multiply, parseDecimal, ZERO } from "@bellwether/trading";
import { assert, bigInt, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { exactTrades, fromMinorUnits, toMinorUnits, toMinorUnitsDown } from "./amounts.ts";

const u64 = (1n << 64n) - 1n;

describe("minor units", () => {
  test("become decimals and come back, whatever the decimals of the token", () => {
    assert(
      property(bigInt(0n, u64), integer({ min: 0, max: 18 }), (amount, decimals) => {
        expect(toMinorUnits(fromMinorUnits(amount, decimals), decimals)).toBe(amount);
      }),
    );
  });

  test("are undefined for an amount that is finer than the token, and cut where that is asked for", () => {
    expect(toMinorUnits(parseDecimal("0.0000000015"), 9)).toBeUndefined();
    expect(toMinorUnitsDown(parseDecimal("0.0000000015"), 9)).toBe(1n);
  });
});

describe("the trades of a swap", () => {
  test.each([
    {
      swap: { base: 3n, baseDecimals: 0, quote: 10n, quoteDecimals: 0 },
      trades: [
        { quantity: "2", price: "3.333333333333333333" },
        { quantity: "1", price: "3.333333333333333334" },
      ],
    },
    {
      swap: { base: 1_000_000_000n, baseDecimals: 9, quote: 99_651_594n, quoteDecimals: 6 },
      trades: [{ quantity: "1", price: "99.651594" }],
    },
    {
      swap: { base: 3_000_000_000n, baseDecimals: 9, quote: 10_000_000n, quoteDecimals: 6 },
      trades: [
        { quantity: "2", price: "3.333333333" },
        { quantity: "1", price: "3.333333334" },
      ],
    },
  ])("$swap.base for $swap.quote", ({ swap, trades }) => {
    const sum = (rows: readonly { quantity: string; price: string }[]) =>
      rows.reduce(
        (total, { quantity, price }) => add(total, multiply(parseDecimal(quantity), parseDecimal(price), "down")),
        ZERO,
      );
    expect(sum(exactTrades(swap))).toBe(sum(trades));
    expect(
      exactTrades(swap)
        .map(({ price }) => price)
        .toSorted(),
    ).toEqual(trades.map(({ price }) => price).toSorted());
  });

  test("sum up to base and quote to the last digit, at prices one unit apart", () => {
    const swap = record({
      base: bigInt(1n, u64),
      // A price has 24 digits before its point.
      quote: bigInt(1n, 10n ** 14n),
      baseDecimals: integer({ min: 0, max: 9 }),
      quoteDecimals: integer({ min: 0, max: 9 }),
    });
    assert(
      property(swap, ({ base, quote, baseDecimals, quoteDecimals }) => {
        const trades = exactTrades({ base, baseDecimals, quote, quoteDecimals });
        let quantity = ZERO;
        let cost = ZERO;
        for (const trade of trades) {
          quantity = add(quantity, parseDecimal(trade.quantity));
          // Exact: rounding either way gives the same.
          const down = multiply(parseDecimal(trade.quantity), parseDecimal(trade.price), "down");
          expect(multiply(parseDecimal(trade.quantity), parseDecimal(trade.price), "up")).toBe(down);
          cost = add(cost, down);
        }
        expect(trades.length).toBeLessThanOrEqual(2);
        expect(quantity).toBe(fromMinorUnits(base, baseDecimals));
        expect(cost).toBe(fromMinorUnits(quote, quoteDecimals));
      }),
    );
  });
});
