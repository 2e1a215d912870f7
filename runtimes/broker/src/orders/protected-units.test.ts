import { type Decimal, ZERO, add, parseDecimal } from "@bellwether/trading";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ScopeFill, foldProtected } from "./protected-units.ts";

/** `a buys 1`, `exit sells 0.5`, `a's stop sells 0.5`. */
const fill = (text: string, change: Partial<ScopeFill> = {}): ScopeFill => {
  const [, clientOrderId = "", stop, verb, quantity = ""] = /^(\w+)('s stop)? (buys|sells) ([\d.]+)$/.exec(text) ?? [];
  return {
    clientOrderId,
    side: verb === "buys" ? "buy" : "sell",
    leg: stop === undefined ? "entry" : "stopLoss",
    quantity: parseDecimal(quantity),
    baseFee: ZERO,
    ...change,
  };
};
const units = (
  orders: string[],
  fills: ScopeFill[],
  holdingBefore = "0",
): { holding: Decimal; byOrder: Record<string, Decimal> } => {
  const folded = foldProtected({ holdingBefore: parseDecimal(holdingBefore), fills, orders });
  return { holding: folded.holding, byOrder: Object.fromEntries(folded.byOrder) };
};

describe("the units that legs stand for", () => {
  test.each<{
    when: string;
    orders?: string[];
    fills: ScopeFill[];
    before?: string;
    holds: string;
    protects: Record<string, string>;
  }>([
    { when: "nothing was bought", fills: [], holds: "0", protects: { a: "0" } },
    {
      when: "an entry has filled in parts",
      fills: [fill("a buys 1"), fill("a buys 0.5")],
      holds: "1.5",
      protects: { a: "1.5" },
    },
    {
      when: "the fee was taken from what was bought",
      fills: [fill("a buys 1", { baseFee: parseDecimal("0.001") })],
      holds: "0.999",
      protects: { a: "0.999" },
    },
    {
      when: "a leg has sold a part",
      fills: [fill("a buys 1"), fill("a's stop sells 0.4")],
      holds: "0.6",
      protects: { a: "0.6" },
    },
    {
      when: "another order has sold: the oldest gives way",
      orders: ["a", "b"],
      fills: [fill("a buys 1"), fill("b buys 1"), fill("exit sells 1.5")],
      holds: "0.5",
      protects: { a: "0", b: "0.5" },
    },
    {
      when: "what others have bought is sold first",
      fills: [fill("plain buys 1"), fill("a buys 1"), fill("exit sells 1")],
      holds: "1",
      protects: { a: "1" },
    },
    {
      when: "more is bought after a sale: what was given up stays so",
      fills: [fill("a buys 1"), fill("exit sells 0.4"), fill("plain buys 0.4")],
      holds: "1",
      protects: { a: "0.6" },
    },
    {
      when: "something was held before",
      before: "2",
      fills: [fill("a buys 1"), fill("exit sells 2")],
      holds: "1",
      protects: { a: "1" },
    },
    {
      when: "more was sold than all fills have bought",
      fills: [fill("a buys 1"), fill("exit sells 3")],
      holds: "-2",
      protects: { a: "0" },
    },
  ])("when $when", ({ orders = ["a"], fills, before, holds, protects }) => {
    const expected = Object.fromEntries(Object.entries(protects).map(([id, amount]) => [id, parseDecimal(amount)]));
    expect(units(orders, fills, before)).toEqual({ holding: parseDecimal(holds), byOrder: expected });
  });

  test("are never more than what is held, and never less than nothing, whatever was traded", () => {
    const trade = fc.record({
      order: fc.constantFrom("a", "b", "c", "plain"),
      quantity: fc.bigInt({ min: 1n, max: 1_000n }),
      fee: fc.bigInt({ min: 0n, max: 1n }),
      kind: fc.constantFrom("buy", "sell", "leg"),
    });
    fc.assert(
      fc.property(fc.array(trade, { maxLength: 40 }), fc.bigInt({ min: -500n, max: 500n }), (trades, before) => {
        const fills = trades.map(({ order, quantity, fee, kind }): ScopeFill => ({
          clientOrderId: kind === "sell" ? "plain" : order,
          side: kind === "buy" ? "buy" : "sell",
          leg: kind === "leg" ? "stopLoss" : "entry",
          quantity: quantity as Decimal,
          baseFee: fee as Decimal,
        }));
        const { holding, byOrder } = foldProtected({ holdingBefore: before as Decimal, fills, orders: ["a", "b", "c"] });
        const sum = [...byOrder.values()].reduce((total, amount) => add(total, amount), ZERO);
        expect(sum <= (holding > 0n ? holding : 0n)).toBe(true);
        expect([...byOrder.values()].every((amount) => amount >= 0n)).toBe(true);
      }),
    );
  });
});
