import type { JournalDatabase, Transaction } from "@bellwether/postgres";
import type { Signer } from "../../runtimes/risk/src/orders/signer.ts";
import type { BookOrder } from "../../runtimes/risk/src/portfolio/book.ts";
import type { RiskService } from "../../runtimes/risk/src/service.ts";

/**
 * Faults of order-path.md, put in on purpose: one guard each is taken out, at a seam that production has for other reasons (its journal, its signer, its
 * venue). The histories must notice every one of them.
 */
export const mutants = [
  /** A verdict leaves although its transaction was rolled back. */
  "skip-journal-commit",
  /** No answer: sent again. */
  "blind-retry",
  /** Open orders count against no limit. */
  "ignore-pending",
  /** One nonce for all approvals. */
  "reuse-approval",
  /** A superseded process goes on writing. */
  "ignore-epoch",
  /** On a chain: signed anew while the first signature may still land. */
  "early-resign",
  /** Taking the writer epoch takes nothing from its holder. */
  "two-writers",
  /** A decided bar is judged again. */
  "redecide-bar",
  /** A reservation ends with its approval's second. */
  "release-on-expiry",
  /** Postgres came back from an older copy, and the broker does not read its send log. */
  "restore-reuse-ids",
] as const;

/** More of the kind, for what breakers, people and reconciliation hold. */
export const controlMutants = [
  /** A breaker sells before its trip is written down. */
  "forget-trip",
  /** Nobody is named for a breaker that was armed again. */
  "forget-reset",
  /** The event of a reset is written, the breaker's state later. */
  "reset-apart",
  /** A person's halt lives in memory only. */
  "forget-halt",
  /** A strategy that was to be sold is kept. */
  "keep-deleted",
  /** A difference to the venue holds nothing up. */
  "ignore-drift",
  /** What a person has adopted is not written down. */
  "forget-adoption",
  /** Legs are not taken off before their strategy sells; they are only said to be. */
  "forget-legs",
] as const;
export type Mutant = (typeof mutants)[number] | (typeof controlMutants)[number];

class RolledBack extends Error {
  readonly result: unknown;
  constructor(result: unknown) {
    super("rolled back by a mutant");
    this.result = result;
  }
}

/** A journal with a guard taken out; the journal itself for mutants that live elsewhere. */
export function mutantJournal(journal: JournalDatabase, mutant: Mutant | undefined): JournalDatabase {
  const rewrite = mutant && rewriteOf(mutant);
  if (!rewrite && mutant !== "skip-journal-commit") return journal;
  return {
    get available() {
      return journal.available;
    },
    check: () => journal.check(),
    query: (sql, values) => journal.query(sql, values),
    transaction: (work) => transactOn(journal, work, { rewrite, skipsCommit: mutant === "skip-journal-commit" }),
  };
}

async function transactOn<T>(
  journal: JournalDatabase,
  work: (transaction: Transaction) => Promise<T>,
  { rewrite, skipsCommit }: { rewrite: Rewrite | undefined; skipsCommit: boolean },
): Promise<T> {
  const asked: string[] = [];
  try {
    return await journal.transaction(async (transaction) => {
      const result = await work({
        query: async (sql, values) => {
          const known = await rewrite?.({ sql, values, asked }, transaction);
          asked.push(sql);
          return (known ?? (await transaction.query(sql, values))) as never;
        },
      });
      if (skipsCommit && asked.some((sql) => sql.includes("insert into risk.orders"))) throw new RolledBack(result);
      return result;
    });
  } catch (error) {
    for (let at = error; at instanceof Error; at = at.cause) if (at instanceof RolledBack) return at.result as T;
    throw error;
  }
}

interface Asked {
  readonly sql: string;
  readonly values: readonly unknown[] | undefined;
  /** Statements of the same transaction, before this one. */
  readonly asked: readonly string[];
}

/** The rows that a statement seems to give; undefined: it is run. */
type Rewrite = (asked: Asked, ask: Transaction) => Promise<unknown[] | undefined>;

/** The statement is not run, and says that it was. */
const dropped =
  (pattern: RegExp, rows: readonly unknown[] = []): Rewrite =>
  async ({ sql }) =>
    pattern.test(sql) ? [...rows] : undefined;

function rewriteOf(mutant: Mutant): Rewrite | undefined {
  switch (mutant) {
    case "ignore-epoch":
      return async ({ sql }) => (sql.includes("writer_epochs") && sql.includes("for share") ? [{}] : undefined);
    case "two-writers":
      return async ({ sql, values }, ask) => {
        const [, schema] = /insert into (risk|broker)\.writer_epochs/.exec(sql) ?? [];
        if (schema === undefined) return undefined;
        const held = await ask.query(`select epoch from ${schema}.writer_epochs where scope = $1`, [values?.[0]]);
        return held.length > 0 ? held : undefined;
      };
    case "redecide-bar":
      return dropped(/select (body_sha256|decision_time_ms)/);
    case "reuse-approval":
      // Both records that hold a nonce to one use.
      return dropped(/risk\.approvals|broker\.nonces/);
    case "forget-trip":
      return dropped(/insert into risk\.breakers/);
    case "forget-reset":
      return dropped(/insert into risk\.control_events/, [{ id: "there" }]);
    case "forget-halt":
      return dropped(/insert into risk\.halts/);
    case "forget-adoption":
      return dropped(/insert into risk\.adjustments/);
    case "reset-apart":
      return async ({ sql, asked }) => (isReset(sql, asked) ? [] : undefined);
    case "keep-deleted":
      return async ({ sql, values }, ask) =>
        sql.includes("set deletion =") && values?.includes("Flatten")
          ? ask.query(
              sql,
              values.map((value) => (value === "Flatten" ? "Keep" : value)),
            )
          : undefined;
    default:
      return undefined;
  }
}

function isReset(sql: string, before: readonly string[]): boolean {
  return sql.includes("insert into risk.breakers") && before.some((each) => each.includes("insert into risk.control_events"));
}

/** A signer that gives every approval the same nonce, for the mutant that does; any other signer as it is. */
export function mutantSigner(signer: Signer, mutant: Mutant | undefined): Signer {
  return mutant === "reuse-approval" ? { ...signer, newNonce: () => "always-the-same-nonce" } : signer;
}

/** Takes reservations, or what holds an account, out of a running risk. Books are dropped and folded again: call it again after every step. */
export function mutateBooks(service: RiskService, mutant: Mutant | undefined, nowMs: () => number): void {
  if (mutant === "ignore-drift") for (const account of service.accounts) account.heldMessage = undefined;
  if (mutant !== "ignore-pending" && mutant !== "release-on-expiry") return;
  const approvalLifeMs = 1_000;
  const forgotten = (order: BookOrder): boolean => mutant === "ignore-pending" || nowMs() - order.createdAtMs > approvalLifeMs;
  for (const { book } of service.accounts) {
    if (Object.hasOwn(book, "openOrders")) continue;
    const open = book.openOrders.bind(book);
    book.openOrders = (uid) => open(uid).filter((order) => !forgotten(order));
  }
}
