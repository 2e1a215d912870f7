import { type Decimal, type MarkPrices, ZERO, add, multiply } from "@bellwether/trading";
import type { AccountBook } from "./book.ts";

/** Close prices of a book, for marking. */
export function marksOf(book: AccountBook): MarkPrices {
  return (market) => book.mark(market)?.price;
}

/** Everything the account holds, by asset: the sum over its sub-accounts, which is what the venue must show. */
export function assetBalances(book: AccountBook): Map<string, Decimal> {
  const sums = new Map<string, Decimal>();
  for (const [, subAccount] of book.subAccounts()) {
    for (const [asset, amount] of Object.entries(subAccount.balances)) sums.set(asset, add(sums.get(asset) ?? ZERO, amount));
  }
  return sums;
}

/**
 * What one asset is worth in `currency` at its last close; without a close at the average cost of what strategies hold of it, and
 * zero where nobody bought it (an opening balance of a market without a price).
 */
export function assetNotional(
  book: AccountBook,
  { asset, amount, currency }: { asset: string; amount: Decimal; currency: string },
): Decimal {
  if (asset === currency) return amount;
  const mark = book.markOf(asset, currency);
  if (mark) return multiply(amount, mark.price, "down");
  let cost = ZERO;
  for (const [, { positions }] of book.subAccounts()) {
    for (const position of Object.values(positions)) if (position.base === asset) cost = add(cost, position.cost);
  }
  return cost;
}

/** The account marked to market in `currency`: every balance at its last close. */
export function accountEquity(book: AccountBook, currency: string): Decimal {
  let equity = ZERO;
  for (const [asset, amount] of assetBalances(book)) equity = add(equity, assetNotional(book, { asset, amount, currency }));
  return equity;
}

/**
 * What was deposited less what was withdrawn, in `currency`. Assets other than the currency are worth what they are worth now: nobody trades them, so that their
 * gains and losses are none of the policy's.
 */
export function depositsOf(book: AccountBook, currency: string): Decimal {
  let sum = ZERO;
  for (const [asset, amount] of book.deposits) sum = add(sum, assetNotional(book, { asset, amount, currency }));
  return sum;
}
