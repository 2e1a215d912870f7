import type { Transaction } from "@bellwether/postgres";
import { type AlertBook, alertBook } from "@bellwether/trading";

/** The book as it was stored last; undefined for a policy that nobody has watched yet, and for a book that an older version wrote otherwise. */
export async function readAlertBook(reader: Transaction, policyUid: string): Promise<AlertBook | undefined> {
  const [row] = await reader.query<{ book: unknown }>("select book from risk.alert_books where policy_uid = $1", [policyUid]);
  return row && alertBook.safeParse(row.book).data;
}

export async function storeAlertBook(transaction: Transaction, policyUid: string, book: AlertBook): Promise<void> {
  await transaction.query(
    `insert into risk.alert_books (policy_uid, book) values ($1, $2)
     on conflict (policy_uid) do update set book = excluded.book, updated_at = now()`,
    [policyUid, JSON.stringify(book)],
  );
}
