import type { Database } from "@bellwether/postgres";
import { hasCode } from "@bellwether/service-kit";
import { ledgerFigures, readLedger } from "../../../runtimes/gateway/src/budget/ledger.ts";
import { BudgetJournal } from "../../../runtimes/gateway/src/journal/budget-journal.ts";
import type { ExpiringStore } from "../../../runtimes/gateway/src/store/expiring-store.ts";
import type { AnswerShelf, LedgerDesk } from "../../../runtimes/gateway/src/testing/budget-world.ts";

const period = "2026-11";
const select = "select ledger from gateway.ledgers where route_uid = $1 and period = $2";

/** The ledger in a real Postgres, by the statements of production; the time alone is the history's own. */
export function deskInPostgres(database: Database, routeUid: string): LedgerDesk {
  return {
    apply(update, { limits, nowMs }) {
      const journal = new BudgetJournal({
        transaction: (work) =>
          database.transaction((transaction) =>
            work({
              ...transaction,
              query: async <Row extends object>(...[sql, values]: Parameters<typeof transaction.query>): Promise<Row[]> => {
                const rows = await transaction.query<Row>(sql, values);
                return rows.map((row) => ("now_ms" in row ? { ...row, now_ms: String(nowMs) } : row));
              },
            }),
          ),
      });
      return journal.update({ routeUid, period }, update, limits);
    },
    async figures(nowMs) {
      const [row] = await database.query<{ ledger: unknown }>(select, [routeUid, period]);
      return ledgerFigures(readLedger(row?.ledger), nowMs);
    },
  };
}

const ttlMs = 600_000;

/** Kept answers in a real Redis. One that is away has none, and nobody waits for it. */
export function shelfInRedis(store: ExpiringStore, history: string): AnswerShelf {
  let epoch = 0;
  const key = (question: number): string => `bellwether:bench:${history}:${epoch}:${question}`;
  const quietly = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (hasCode(error, "STORE_UNAVAILABLE")) return undefined;
      throw error;
    }
  };
  return {
    has: async (question) => (await quietly(store.get(key(question)))) !== undefined,
    add: (question) => quietly(store.set(key(question), "1", ttlMs)),
    lose: () => void (epoch += 1),
  };
}
