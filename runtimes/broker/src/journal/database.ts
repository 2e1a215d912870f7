import { type Check, type Clock, CodedError, Dependency, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import { DatabaseError, Pool, type PoolClient, type QueryResultRow } from "pg";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";

export interface DatabaseOptions {
  readonly dsn: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failPoints: FailPoints;
  readonly applicationName: string;
}

/** Statements of one transaction. numeric and bigint arrive as text: no amount passes through a float. */
export interface Transaction {
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

const maxConnections = 4;
const connectTimeoutMs = 1_500;
const statementTimeoutMs = 3_000;
const probeEveryMs = 1_000;
const longestQueue = 1_000;

/** Classes of SQLSTATE that say "not now" rather than "wrong": connection, rollback by the server, resources, intervention, system, internal. */
const unavailableClasses = new Set(["08", "25", "40", "53", "55", "57", "58", "XX"]);

/**
 * Postgres with fast failure: every call ends within seconds, as its result or as JOURNAL_UNAVAILABLE; the pool reconnects by itself.
 * Transactions run one after another, so that revisions and sequences of an account never appear out of order.
 *
 * JOURNAL_UNAVAILABLE from a transaction means that its outcome is unknown (the COMMIT may have arrived): whatever was derived from the
 * journal must be read again.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #pool: Pool;
  readonly #dependency: Dependency;
  #tail: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #stopProbe: () => void = () => undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#dependency = new Dependency("postgres", () => options.clock.nowMs());
    this.#pool = new Pool({
      connectionString: options.dsn,
      max: maxConnections,
      connectionTimeoutMillis: connectTimeoutMs,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      application_name: options.applicationName,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + 1_000,
      idle_in_transaction_session_timeout: 10_000,
      // A server or role set to `off` would acknowledge orders that a crash of Postgres forgets.
      options: "-c synchronous_commit=on",
    });
    this.#pool.on("error", (error) => this.#dependency.down(messageOf(error)));
  }

  check(): Check {
    return this.#dependency.check();
  }

  /** Asks for a sign of life while nobody else calls, so that health is true and recovery is noticed. */
  startProbe(): void {
    this.#stopProbe = this.#options.clock.setTimeout(() => {
      void this.query("select 1")
        .catch(() => undefined)
        .finally(() => this.startProbe());
    }, probeEveryMs);
  }

  async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const startedMs = this.#options.clock.nowMs();
    try {
      const result = await this.#pool.query<Row>(sql, [...values]);
      this.#dependency.up("answers", this.#options.clock.nowMs() - startedMs);
      return result.rows;
    } catch (error) {
      throw this.#classified(error);
    }
  }

  /**
   * Runs `work` in one transaction (READ COMMITTED), after all that were asked for before it, and commits; anything thrown rolls back.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE (outcome unknown), or what `work` threw
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.#queued >= longestQueue) return Promise.reject(unavailable("too many writes are waiting for it"));
    this.#queued += 1;
    const done = this.#tail.then(() => this.#transact(work)).finally(() => (this.#queued -= 1));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#stopProbe();
    await this.#tail;
    await this.#pool.end();
  }

  async #transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { failPoints } = this.#options;
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
      this.#dependency.up();
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
      return (await client.query<Row>(sql, [...values])).rows;
    } catch (error) {
      throw this.#classified(error);
    }
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw this.#classified(error);
    }
  }

  #classified(error: unknown): Error {
    if (hasCode(error)) return error;
    if (error instanceof DatabaseError && !unavailableClasses.has((error.code ?? "XX").slice(0, 2))) return error;
    if (this.#dependency.check().ok) this.#options.log.warn({ err: error }, "Postgres does not answer");
    this.#dependency.down(messageOf(error));
    return unavailable(messageOf(error), error);
  }
}

function unavailable(why: string, cause?: unknown): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("JOURNAL_UNAVAILABLE", `the journal does not answer: ${why}`, { cause });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
