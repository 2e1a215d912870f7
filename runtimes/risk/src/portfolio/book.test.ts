import { formatDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { amount, fill, openedBook, withOrders } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { unassigned } from "./book.ts";
import { accountEquity, assetBalances } from "./valuation.ts";

const row = { venueOrderId: "v1", protectiveLegs: [], reason: undefined, updatedAtMs: 1 } as const;

describe("AccountBook", () => {
  test("keeps strategies' cash apart from what nobody has been given", () => {
    const book = openedBook();
    expect(formatDecimal(book.freeCash("s-1", "USDT"))).toBe("5000");
    expect(formatDecimal(book.freeCash(unassigned, "USDT"))).toBe("5000");
    expect(formatDecimal(accountEquity(book, "USDT"))).toBe("10000");
  });

  test.each([
    { when: "it is approved", state: "Approved" as const, free: "4890" },
    { when: "its outcome is unknown", state: "Unknown" as const, free: "4890" },
    { when: "it works", state: "Working" as const, free: "4890" },
    { when: "it was filled", state: "Filled" as const, free: "5000" },
    { when: "it was never sent", state: "NotSent" as const, free: "5000" },
  ])("an order's bound is off the free cash: $when → $free", ({ state, free }) => {
    const book = withOrders(openedBook(), bookOrder({ reservation: "100", maxCost: "110" }));
    book.applyVenueOrder({ ...row, clientOrderId: "order-1", state });
    expect(formatDecimal(book.freeCash("s-1", "USDT"))).toBe(free);
  });

  test("a partial fill moves money from the reservation to the position and frees nothing else", () => {
    const book = withOrders(
      openedBook(),
      bookOrder({ quantity: "1", reservation: "100", maxCost: "110", known: true, state: "Working" }),
    );
    book.applyFill(fill({ quantity: "0.4", price: "101", fee: "0.1" }));
    expect(formatDecimal(book.subAccount("s-1").balances["USDT"] ?? amount("0"))).toBe("4959.5");
    expect(formatDecimal(book.reserved("s-1"))).toBe("69.5");
    expect(formatDecimal(book.freeCash("s-1", "USDT"))).toBe("4890");
    expect(formatDecimal(book.workingBuysNotional("BTC"))).toBe("60");
  });

  test("open sells claim what they may still take of a position", () => {
    const book = withOrders(
      openedBook(),
      bookOrder({ id: "sale", side: "sell", quantity: "0.5", known: true, state: "Working" }),
    );
    book.applyFill(fill({ quantity: "1", price: "100" }));
    book.applyFill(fill({ clientOrderId: "sale", side: "sell", quantity: "0.2", price: "100" }));
    expect(formatDecimal(book.held("s-1", "BTC/USDT"))).toBe("0.8");
    expect(formatDecimal(book.workingSells("s-1", "BTC/USDT"))).toBe("0.3");
  });

  test("a fill of a protective leg changes the position and not the entry", () => {
    const book = withOrders(openedBook(), bookOrder({ known: true, state: "Filled", protectiveLegs: ["stopLoss"] }));
    book.applyFill(fill({ quantity: "1", price: "100" }));
    book.applyFill(fill({ side: "sell", leg: "stopLoss", quantity: "1", price: "90" }));
    expect(formatDecimal(book.order("order-1")?.filled ?? amount("0"))).toBe("1");
    expect(formatDecimal(book.held("s-1", "BTC/USDT"))).toBe("0");
    expect(formatDecimal(accountEquity(book, "USDT"))).toBe("9990");
  });

  test("a fill of an order that this journal does not know belongs to nobody, and to the account all the same", () => {
    const book = openedBook();
    book.applyFill(fill({ clientOrderId: "foreign", subAccount: unassigned, quantity: "1", price: "100" }));
    expect(formatDecimal(book.freeCash("s-1", "USDT"))).toBe("5000");
    expect(formatDecimal(assetBalances(book).get("BTC") ?? amount("0"))).toBe("1");
  });

  test("ended orders are forgotten once their release is stored and no leg rests", () => {
    const book = withOrders(openedBook(), bookOrder({ id: "ended" }), bookOrder({ id: "protected" }), bookOrder({ id: "open" }));
    book.applyVenueOrder({ ...row, clientOrderId: "ended", state: "Cancelled" });
    book.applyVenueOrder({ ...row, clientOrderId: "protected", state: "Filled", protectiveLegs: ["stopLoss"] });
    expect(book.unstoredReleases().map(({ order }) => order.clientOrderId)).toEqual(["ended", "protected"]);
    for (const order of book.unstoredReleases()) order.releaseStored = true;
    book.forgetEnded();
    expect(book.orderIds()).toEqual(["protected", "open"]);
  });

  test("a late or slower bar does not turn the mark back", () => {
    const book = openedBook();
    expect(book.setMark("BTC/USDT", { price: amount("50"), timeMs: 1 })).toBe(false);
    expect(formatDecimal(book.markOf("BTC", "USDT")?.price ?? amount("0"))).toBe("100");
  });

  test("a replayed perpetual marks its base asset", () => {
    const book = openedBook();
    book.setMark("ETH/USDT:USDT", { price: amount("7"), timeMs: 2 });
    book.applyFill(fill({ market: "ETH/USDT:USDT", base: "ETH", quantity: "10", price: "6" }));
    expect(formatDecimal(accountEquity(book, "USDT"))).toBe("10010");
  });
});
