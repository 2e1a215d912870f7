import type { Transaction } from "@bellwether/postgres";
import { parseDecimal } from "@bellwether/trading";
import { readAdjustments } from "../journal/control-records.ts";
import { readProtectedOrders, readRecentDecisionTimes, readUnreleasedOrders } from "../journal/order-records.ts";
import {
  type VenueCursor,
  readCharges,
  readOrderStates,
  readVenueChanges,
  venueRecordsExist,
  venueStart,
} from "../journal/venue-records.ts";
import { AccountBook, type BookTransfer } from "../portfolio/book.ts";

export interface LoadedBook {
  readonly book: AccountBook;
  readonly cursor: VenueCursor;
  /** Opening balances have been taken from the venue. */
  readonly opened: boolean;
  /** The broker has made its tables; without them nothing can have happened. */
  readonly venueKnown: boolean;
}

/**
 * Folds one account from the journal, from nothing: transfers, approved orders, every fill. Fills are read page by page: what is held in memory does not
 * grow with the history.
 */
export async function loadBook(database: Transaction, accountUid: string, name: string): Promise<LoadedBook> {
  const book = new AccountBook(accountUid, name);
  const venueKnown = await venueRecordsExist(database);
  const [account] = await database.query<{ opened: boolean }>(
    "select opened_at is not null as opened from risk.accounts where account_uid = $1",
    [accountUid],
  );
  for (const transfer of await readTransfers(database, accountUid)) book.applyTransfer(transfer);
  for (const { asset, amount } of await readAdjustments(database, accountUid)) book.applyAdjustment(asset, amount);
  for (const time of await readRecentDecisionTimes(database, accountUid)) book.countOrder(time);
  for (const order of await readUnreleasedOrders(database, accountUid)) book.addOrder(order);
  await loadMarks(database, book);
  const opened = account?.opened === true;
  if (!venueKnown) return { book, cursor: venueStart, opened, venueKnown };

  for (const order of await readProtectedOrders(database, accountUid)) book.addOrder(order);
  // The highest revision before the states: whatever changes in between is read again, which does no harm.
  const [top] = await database.query<{ revision: string }>(
    "select coalesce(max(revision), 0) as revision from broker.orders where account_uid = $1",
    [accountUid],
  );
  const states = await readOrderStates(database, book.orderIds());
  let cursor: VenueCursor = { revision: Number(top?.revision ?? 0), sequence: 0 };
  for (let more = true; more;) {
    const changes = await readVenueChanges(database, accountUid, cursor);
    for (const fill of changes.fills) book.applyFill(fill);
    for (const row of changes.orders) book.applyVenueOrder(row);
    ({ cursor, more } = changes);
  }
  for (const row of states) if (!book.order(row.clientOrderId)?.known) book.applyVenueOrder(row);
  return { book, cursor, opened, venueKnown };
}

/** One account, with what it was charged without a fill: for a look at an account that this process does not follow. */
export async function loadWholeBook(transaction: Transaction, accountUid: string, name: string): Promise<AccountBook> {
  const { book, venueKnown } = await loadBook(transaction, accountUid, name);
  for (let read = 0, more = venueKnown; more;) ({ read, more } = await foldCharges(transaction, book, read));
  return book;
}

/** Takes in a page of what the account was charged without a fill. How far it is read now is to be kept before the next page: none is folded twice. */
export async function foldCharges(
  reader: Transaction,
  book: AccountBook,
  after: number,
): Promise<{ readonly read: number; readonly more: boolean }> {
  const { charges, sequence } = await readCharges(reader, book.accountUid, after);
  for (const charge of charges) book.applyFill(charge);
  return { read: sequence, more: charges.length > 0 };
}

async function readTransfers(reader: Transaction, accountUid: string): Promise<BookTransfer[]> {
  const rows = await reader.query<{ from_sub_account: string | null; to_sub_account: string; asset: string; amount: string }>(
    "select from_sub_account, to_sub_account, asset, amount from risk.transfers where account_uid = $1 order by id",
    [accountUid],
  );
  return rows.map((row) => ({
    from: row.from_sub_account ?? undefined,
    to: row.to_sub_account,
    asset: row.asset,
    amount: parseDecimal(row.amount),
  }));
}

async function loadMarks(reader: Transaction, book: AccountBook): Promise<void> {
  const rows = await reader.query<{ market: string; price: string; market_time_ms: string }>(
    "select market, price, market_time_ms from risk.marks where account_uid = $1",
    [book.accountUid],
  );
  for (const row of rows) book.setMark(row.market, { price: parseDecimal(row.price), timeMs: Number(row.market_time_ms) });
}
