import { marketTerms, rulesFromSymbol } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { AccountBook } from "../portfolio/book.ts";
import { amount, fill, openedBook, withOrders } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { type DeletionWorld, planDeletion } from "./plan-deletion.ts";

const markets = [{ market: "BTC/USDT", timeframe: "1m" }];
const holding = (): AccountBook => {
  const book = openedBook();
  book.applyFill(fill({ quantity: "2", price: "100" }));
  return book;
};
const world = (book: AccountBook, deletion: "Keep" | "Flatten", ended = false): DeletionWorld => ({
  strategy: { uid: "s-1", deletion, markets },
  book,
  terms: (market) => {
    const rules = rulesFromSymbol(market);
    return rules && marketTerms(rules);
  },
  venueKnown: true,
  ended,
});

describe("planDeletion", () => {
  const resting = (book: AccountBook): AccountBook =>
    withOrders(book, bookOrder({ known: true, state: "Filled", protectiveLegs: ["stopLoss"] }));

  test("waits while an order is open", () => {
    const working = withOrders(holding(), bookOrder({ known: true, state: "Working" }));
    expect(planDeletion(world(working, "Flatten"))).toEqual({ step: "wait", workingOrders: 1 });
  });

  test("sells what legs protect, and waits for legs of what is kept or cannot be sold", () => {
    expect(planDeletion(world(resting(holding()), "Flatten"))).toMatchObject({ step: "sell" });
    expect(planDeletion(world(resting(openedBook()), "Flatten"))).toEqual({ step: "wait", workingOrders: 1 });
    expect(planDeletion(world(resting(holding()), "Flatten", true))).toEqual({ step: "wait", workingOrders: 1 });
    expect(planDeletion(world(resting(holding()), "Keep"))).toEqual({ step: "wait", workingOrders: 1 });
  });

  test("Keep hands over cash and position, with what the position had cost", () => {
    expect(planDeletion(world(holding(), "Keep"))).toEqual({
      step: "handOver",
      balances: [
        { asset: "USDT", amount: amount("4800"), cost: undefined },
        { asset: "BTC", amount: amount("2"), cost: amount("200") },
      ],
    });
  });

  test("Flatten sells first", () => {
    expect(planDeletion(world(holding(), "Flatten"))).toEqual({
      step: "sell",
      sales: [{ market: "BTC/USDT", quantity: "2", price: "100" }],
    });
  });

  test("Flatten waits for the venue after a restart, and Keep does not", () => {
    expect(planDeletion({ ...world(holding(), "Flatten"), venueKnown: false })).toEqual({ step: "wait", workingOrders: 0 });
    expect(planDeletion({ ...world(holding(), "Keep"), venueKnown: false })).toMatchObject({ step: "handOver" });
  });

  test("Flatten hands over what can never be sold: the market data has ended", () => {
    expect(planDeletion(world(holding(), "Flatten", true))).toMatchObject({ step: "handOver" });
  });
});
