import {
  type Check,
  type Clock,
  CodedError,
  Dependency,
  type FailPoints,
  type Logger,
  hasCode,
  messageOf,
  noFailPoints,
} from "@bellwether/service-kit";
import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient, type QueryConfig, type QueryResultRow } from "pg";
import type { PostgresErrorCode } from "./errors.ts";
import type { JournalDatabase, Transaction, TransactionStep } from "./journal-database.ts";

export interface DatabaseOptions {
  /** Read for each new connection: a rotated secret is taken without a restart, and connections that stand go on. */
  readonly dsn: string | (() => string);
  readonly clock: Clock;
  readonly log: Logger;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /**
   * `queued`: one commit at a time, in the order asked for, so that numbers drawn from a sequence never become visible out of order. Work that comes while
   * a commit is under way shares the next one: each piece rolls back by itself (savepoints), and all of them are told after the one sync of the disk.
   * `parallel` (default): as many at once as there are connections.
   */
  readonly transactions?: "queued" | "parallel";
  /**
   * `kept` (default): statements are planned once, as Postgres sees fit. `anew`: each time, for who looks up single rows by more than a key. A plan that is kept
   * is made while tables are empty: any index that begins with the account looks as good as the primary key then, and each look-up of one order read all of
   * the account's orders until statistics said otherwise. Planning anew costs a tenth of that, and half of what an insert does.
   */
  readonly plans?: "kept" | "anew";
  readonly failPoints?: FailPoints<TransactionStep>;
}

const maxConnections = 4;
const connectTimeoutMs = 1_500;
const statementTimeoutMs = 3_000;
const probeEveryMs = 1_000;
const slowestProbeMs = 5_000;
const longestQueue = 1_000;
/** Kept by each connection in the server's memory; statements beyond are parsed each time. */
const mostPrepared = 200;
/** Pieces of work that share a commit: a bound on how long the first of them waits. */
const mostTogether = 32;

/**
 * Classes of SQLSTATE that say "not now" rather than "wrong": connection, rollback by the server, resources, intervention, system, internal; and a refused
 * password, which while it is changed reaches the server and the mounted file at different times.
 */
const unavailableClasses = new Set(["08", "25", "28", "40", "53", "55", "57", "58", "XX"]);

/**
 * insufficient_privilege, undefined_table, undefined_column, invalid_schema_name: at a first start, or after an upgrade, a service may look before the other
 * one has made its tables and opened them. Postgres answers, so that this is no outage; there is nothing to do but to wait all the same.
 */
const notOpenYet = new Set(["42501", "42P01", "42703", "3F000"]);

/** Work that waits for a commit to share. */
interface Waiting {
  readonly run: (transaction: Transaction) => Promise<void>;
  /** After the commit. */
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Postgres with fast failure: every call ends within seconds, as its result or as JOURNAL_UNAVAILABLE; the pool reconnects by itself.
 * Commits are synchronous whatever the server's default is.
 */
export class Database implements JournalDatabase {
  readonly #options: DatabaseOptions;
  readonly #pool: Pool;
  readonly #dependency: Dependency;
  readonly #recoveryListeners: (() => void)[] = [];
  /** Of statements that are prepared, by their text. */
  readonly #names = new Map<string, string>();
  #waiting: Waiting[] = [];
  #tail: Promise<void> = Promise.resolve();
  #draining = false;
  #stopProbe: () => void = () => undefined;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#dependency = new Dependency("postgres", () => options.clock.nowMs());
    this.#pool = new Pool({
      Client: clientOf(options.dsn),
      max: maxConnections,
      connectionTimeoutMillis: connectTimeoutMs,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      application_name: options.applicationName,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + 1_000,
      // Statements given together travel together: a decision is a dozen of them, and each way there and back would be waited for.
      pipeline: true,
      idle_in_transaction_session_timeout: 10_000,
      // A server or role set to `off` would acknowledge verdicts and orders that a crash of Postgres forgets.
      options: `-c synchronous_commit=on${options.plans === "anew" ? " -c plan_cache_mode=force_custom_plan" : ""}`,
    });
    this.#pool.on("error", (error) => this.#dependency.down(messageOf(error)));
  }

  get available(): boolean {
    return this.#dependency.ok;
  }

  check(): Check {
    return this.#dependency.check();
  }

  /** Called each time Postgres answers again after it had not. */
  onRecovery(listener: () => void): void {
    this.#recoveryListeners.push(listener);
  }

  /** Asks for a sign of life while nobody else calls, so that health is true and recovery is noticed. */
  startProbe(): void {
    let delayMs = probeEveryMs;
    const schedule = (): void => {
      if (this.#closed) return;
      this.#stopProbe = this.#options.clock.setTimeout(() => {
        void this.query("select 1")
          .then(() => (delayMs = probeEveryMs))
          .catch(() => (delayMs = Math.min(delayMs * 1.5, slowestProbeMs)))
          .finally(schedule);
      }, delayMs);
    };
    schedule();
  }

  async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const startedMs = this.#options.clock.nowMs();
    try {
      const result = await this.#pool.query<Row>(this.#prepared(sql, values));
      this.#answered(this.#options.clock.nowMs() - startedMs);
      return result.rows;
    } catch (error) {
      throw this.#classified(error);
    }
  }

  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.#options.transactions !== "queued") return this.#transact(work);
    if (this.#waiting.length >= longestQueue) return Promise.reject(unavailable("too many writes are waiting for it"));
    return new Promise<T>((resolve, reject) => {
      let result: T;
      this.#waiting.push({
        run: async (transaction) => void (result = await work(transaction)),
        done: () => resolve(result),
        failed: reject,
      });
      if (!this.#draining) this.#tail = this.#drain();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopProbe();
    await this.#tail;
    await this.#pool.end();
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#waiting.length > 0) await this.#commitTogether(this.#waiting.splice(0, mostTogether));
    this.#draining = false;
  }

  /** Never rejects: each piece of work is told by itself. */
  async #commitTogether(group: readonly Waiting[]): Promise<void> {
    const [first, ...others] = group;
    if (!first) return;
    try {
      const kept = await this.#transact(async (transaction) => {
        if (others.length > 0) return runEach(transaction, group);
        await first.run(transaction);
        return group;
      });
      for (const { done } of kept) done();
    } catch (error) {
      // Those that failed by themselves have been told; telling them again changes nothing.
      for (const { failed } of group) failed(error);
    }
  }

  async #transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const failPoints = this.#options.failPoints ?? noFailPoints;
    failPoints.pass("transaction-begins");
    const client = await this.#connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => void (broken = error);
    client.on("error", onError);
    const query = <Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
      this.#statement<Row>(client, sql, values);
    try {
      await query("begin");
      const result = await work({ query });
      failPoints.pass("transaction-commits");
      await query("commit");
      this.#answered();
      failPoints.pass("transaction-committed");
      return result;
    } catch (error) {
      await client.query("rollback").catch((rollbackError: unknown) => void (broken = asError(rollbackError)));
      throw error;
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }

  async #statement<Row extends QueryResultRow>(client: PoolClient, sql: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await client.query<Row>(this.#prepared(sql, values))).rows;
    } catch (error) {
      throw this.#classified(error);
    }
  }

  /** Statements come again and again: by a name each connection has them parsed once. */
  #prepared(sql: string, values: readonly unknown[]): QueryConfig {
    // Without values it may be a script, which cannot be prepared.
    if (values.length === 0) return { text: sql };
    let name = this.#names.get(sql);
    if (name === undefined && this.#names.size < mostPrepared) this.#names.set(sql, (name = `s${this.#names.size}`));
    return { text: sql, values: [...values], ...(name !== undefined && { name }) };
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw this.#classified(error);
    }
  }

  #answered(latencyMs?: number): void {
    const recovered = !this.#dependency.ok;
    this.#dependency.up("answers", latencyMs);
    if (!recovered) return;
    this.#options.log.info("Postgres answers");
    for (const listener of this.#recoveryListeners) listener();
  }

  #classified(error: unknown): Error {
    if (hasCode(error)) return error;
    if (error instanceof DatabaseError) {
      const state = error.code ?? "XX000";
      if (notOpenYet.has(state)) return unavailable(`it is not open to this service yet (${messageOf(error)})`, error);
      if (!unavailableClasses.has(state.slice(0, 2))) return error;
    }
    if (this.#dependency.ok) this.#options.log.warn({ err: error }, "Postgres does not answer");
    this.#dependency.down(messageOf(error));
    return unavailable(messageOf(error), error);
  }
}

/** @returns those to be committed: the others are rolled back, and told why. @throws when nothing can be rolled back any more: then none is committed */
async function runEach(transaction: Transaction, group: readonly Waiting[]): Promise<Waiting[]> {
  const kept: Waiting[] = [];
  for (const each of group) {
    await transaction.query("savepoint one");
    try {
      await each.run(transaction);
      kept.push(each);
    } catch (error) {
      await transaction.query("rollback to savepoint one");
      each.failed(error);
    }
    await transaction.query("release savepoint one");
  }
  return kept;
}

/** Connections to wherever the DSN says at the moment. */
function clientOf(dsn: DatabaseOptions["dsn"]): new () => Client {
  return class extends Client {
    constructor(config?: ClientConfig) {
      super({ ...config, connectionString: typeof dsn === "string" ? dsn : dsn() });
    }
  };
}

function unavailable(why: string, cause?: unknown): CodedError<PostgresErrorCode> {
  return new CodedError<PostgresErrorCode>("JOURNAL_UNAVAILABLE", `the journal does not answer: ${why}`, { cause });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
