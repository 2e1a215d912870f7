import type { Check } from "@bellwether/service-kit";
import type { QueryResultRow } from "pg";

/** Statements of one transaction. numeric and bigint arrive as text: no amount passes through a float. */
export interface Transaction {
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

/**
 * A journal as risk and broker use it: Postgres ({@link Database}), or whatever runs the same statements with the same semantics, as the simulation's does.
 *
 * JOURNAL_UNAVAILABLE from a transaction means that its outcome is unknown (the COMMIT may have arrived): whatever was derived from the
 * journal must be read again.
 */
export interface JournalDatabase extends Transaction {
  /** False while the last call found no Postgres. */
  readonly available: boolean;
  check(): Check;
  /**
   * Runs `work` in one transaction (READ COMMITTED) and commits; anything thrown rolls back.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE (outcome unknown), or what `work` threw
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** Unnamed steps, for generated histories: every transaction passes all of them. */
export const transactionSteps = ["transaction-begins", "transaction-commits", "transaction-committed"] as const;
export type TransactionStep = (typeof transactionSteps)[number];
