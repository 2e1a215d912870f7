import type { JournalDatabase } from "@bellwether/postgres";
import { EMPTY_LEDGER, type LeaseReply, type LeaseUpdate, applyLeaseUpdate, readLedger, storeLedger } from "../budget/ledger.ts";
import type { SpendLimits } from "../budget/spend.ts";

/** Which month's ledger: `period` such as `2026-11`. */
export interface LedgerKey {
  readonly routeUid: string;
  readonly period: string;
}

/** Ledgers in Postgres: one row for a route's month, locked from reading it to having stored what becomes of it. */
export class BudgetJournal {
  readonly #database: Pick<JournalDatabase, "transaction">;

  constructor(database: Pick<JournalDatabase, "transaction">) {
    this.#database = database;
  }

  /**
   * Takes a replica's update of its lease. The time is Postgres', so that replicas whose clocks differ agree on what has expired.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE: the update may or may not have been taken, and the next one says all of it again
   */
  async update({ routeUid, period }: LedgerKey, update: LeaseUpdate, limits: SpendLimits): Promise<LeaseReply> {
    return this.#database.transaction(async (transaction) => {
      const lock = (): Promise<{ ledger: unknown; now_ms: string }[]> =>
        transaction.query(
          `select ledger, floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
             from gateway.ledgers where route_uid = $1 and period = $2 for update`,
          [routeUid, period],
        );
      let [row] = await lock();
      if (!row) {
        await transaction.query(
          `insert into gateway.ledgers (route_uid, period, ledger) values ($1, $2, $3) on conflict (route_uid, period) do nothing`,
          [routeUid, period, JSON.stringify(storeLedger(EMPTY_LEDGER))],
        );
        [row] = await lock();
      }
      if (!row) throw new Error(`the ledger of ${routeUid} in ${period} is gone`);
      const { ledger, reply } = applyLeaseUpdate(readLedger(row.ledger), update, { limits, nowMs: Number(row.now_ms) });
      await transaction.query(`update gateway.ledgers set ledger = $3, updated_at = now() where route_uid = $1 and period = $2`, [
        routeUid,
        period,
        JSON.stringify(storeLedger(ledger)),
      ]);
      return reply;
    });
  }
}
