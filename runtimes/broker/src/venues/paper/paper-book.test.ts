import { canonicalOrder, rulesFromSymbol } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { finalOrderOf } from "../../testing/approver.ts";
import { PaperBook, type StoredCommand } from "./paper-book.ts";

const settings = { feeBps: "10", slippageBps: "0", volumeShare: "1", volumeUnit: "Base" as const };
const account = { accountUid: "policy/paper", account: "paper" };
const rules = rulesFromSymbol("BTC/USDT")!;
const limitOrder = (index: number) =>
  finalOrderOf(index, { decisionTime: 1_700_000_000_000 + index, type: "limit", limit: "90" });

function opened(): PaperBook {
  const book = new PaperBook({ ...account, settings });
  book.apply([
    { type: "market", rules },
    { type: "deposit", asset: "USDT", amount: "1000" },
  ]);
  return book;
}
const placed = (index: number): StoredCommand => ({
  type: "place",
  order: canonicalOrder(limitOrder(index)),
  at: 1,
  sentAt: 5_000 + index,
});
const cancelled = (index: number): StoredCommand => ({ type: "cancel", clientOrderId: limitOrder(index).clientOrderId, at: 1 });

describe("the book of a paper account", () => {
  test("forgets the oldest ended orders beyond 2,000, never a resting one, and says up to when it has forgotten", () => {
    const book = opened();
    book.apply([placed(0)]);
    for (let index = 1; index <= 2_000; index += 1) {
      book.apply([placed(index)]);
      book.apply([cancelled(index)]);
    }
    expect(book.forgottenUntil).toBe(5_001);
    expect(book.order(limitOrder(0).clientOrderId)).toMatchObject({ state: "Working" });
    expect(book.order(limitOrder(1).clientOrderId)).toBeUndefined();
    expect(book.order(limitOrder(2).clientOrderId)).toMatchObject({ state: "Cancelled" });
    expect(PaperBook.restore(book.snapshot(), account).forgottenUntil).toBe(5_001);
  });

  test("a snapshot is the book", () => {
    const book = opened();
    book.apply([placed(1)]);
    book.apply([
      { type: "bar", market: "BTC/USDT", bar: { time: 1_700_000_100_000, open: 89, high: 91, low: 88, close: 90, volume: 10 } },
    ]);
    expect(book.tradesOf(limitOrder(1).clientOrderId)).toHaveLength(1);
    expect(PaperBook.restore(book.snapshot(), account).snapshot()).toBe(book.snapshot());
  });

  test("trying commands leaves the book alone", () => {
    const book = opened();
    const before = book.snapshot();
    book.tried([placed(1)]);
    expect(book.snapshot()).toBe(before);
  });
});
