import { type Decimal, parseDecimal } from "@bellwether/trading";
import { AccountBook, type BookFill, type BookOrder, unassigned } from "../portfolio/book.ts";

export const minuteMs = 60_000;

/** An account `paper` with 10,000 USDT, of which strategy `s-1` has been given 5,000; BTC/USDT closed at 100. */
export function openedBook(): AccountBook {
  const book = new AccountBook("policy-1/paper", "paper");
  book.applyTransfer({ from: undefined, to: unassigned, asset: "USDT", amount: parseDecimal("10000") });
  book.applyTransfer({ from: unassigned, to: "s-1", asset: "USDT", amount: parseDecimal("5000") });
  book.setMark("BTC/USDT", { price: parseDecimal("100"), timeMs: minuteMs });
  return book;
}

let trades = 0;

/** A fill of an order of `s-1`, without a fee unless given. */
export function fill(
  change: Partial<Omit<BookFill, "quantity" | "price" | "fee">> & { quantity: string; price: string; fee?: string },
): BookFill {
  const { quantity, price, fee = "0", ...rest } = change;
  trades += 1;
  return {
    kind: "fill",
    clientOrderId: "order-1",
    tradeId: `t-${trades}`,
    market: "BTC/USDT",
    base: "BTC",
    quote: "USDT",
    side: "buy",
    feeAsset: "USDT",
    leg: "entry",
    time: minuteMs,
    subAccount: "s-1",
    ...rest,
    quantity: parseDecimal(quantity),
    price: parseDecimal(price),
    fee: parseDecimal(fee),
  };
}

/** The book with these orders in it. */
export function withOrders(book: AccountBook, ...orders: readonly BookOrder[]): AccountBook {
  for (const order of orders) book.addOrder(order);
  return book;
}

export const amount = (text: string): Decimal => parseDecimal(text);
