import { describe, expect, test } from "vitest";
import { amount, fill, openedBook, withOrders } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { planLeaving } from "./plan-leaving.ts";

const bought = () => {
  const book = openedBook();
  book.applyFill(fill({ quantity: "2", price: "100" }));
  return book;
};
const sold = () => {
  const book = bought();
  book.applyFill(fill({ side: "sell", quantity: "2", price: "110" }));
  return book;
};
const working = (deleted: "Working" | "Filled") =>
  withOrders(bought(), bookOrder({ known: true, state: deleted, protectiveLegs: deleted === "Filled" ? ["stopLoss"] : [] }));
const cash = (text: string) => ({ asset: "USDT", amount: amount(text), cost: undefined });
const bitcoin = { asset: "BTC", amount: amount("2"), cost: amount("200") };

describe("planLeaving", () => {
  test.each([
    { when: "flat from the start", book: openedBook(), isDeleted: false, leaving: { leaves: true, balances: [cash("5000")] } },
    { when: "flat again", book: sold(), isDeleted: false, leaving: { leaves: true, balances: [cash("5020")] } },
    {
      when: "holding a position",
      book: bought(),
      isDeleted: false,
      leaving: { leaves: false, workingOrders: 0, because: "it holds 2 BTC" },
    },
    {
      when: "deleted with a position",
      book: bought(),
      isDeleted: true,
      leaving: { leaves: true, balances: [cash("4800"), bitcoin] },
    },
    {
      when: "deleted with an open order",
      book: working("Working"),
      isDeleted: true,
      leaving: { leaves: false, workingOrders: 1, because: "1 of its orders are open" },
    },
    {
      when: "with a leg at the venue",
      book: working("Filled"),
      isDeleted: false,
      leaving: { leaves: false, workingOrders: 1, because: "1 of its orders are open" },
    },
  ])("a strategy $when", ({ book, isDeleted, leaving }) => {
    expect(planLeaving(book, "s-1", isDeleted)).toEqual(leaving);
  });
});
