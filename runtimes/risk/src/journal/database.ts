import { type Check, type Clock, CodedError, Dependency, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import { DatabaseError, Pool, type PoolClient, type QueryResultRow } from "pg";
import type { RiskErrorCode } from "../errors.ts";
import { type FailPoints, noFailPoints } from "../fail-points.ts";

export interface DatabaseOptions {
  readonly dsn: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly applicationName: string;
  readonly failPoints?: FailPoints;
}

/** Statements of one transaction. numeric and bigint arrive as text: no amount passes through a float. */
export interface Transaction {
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

const maxConnections = 4;
const connectTimeoutMs = 1_500;
const statementTimeoutMs = 3_000;
const probeEveryMs = 1_000;
const slowestProbeMs = 5_000;

/** Classes of SQLSTATE that say "not now" rather than "wrong": connection, rollback by the server, resources, intervention, system, internal. */
const unavailableClasses = new Set(["08", "25", "40", "53", "55", "57", "58", "XX"]);

/**
 * Postgres with fast failure: every call ends within seconds, as its result or as JOURNAL_UNAVAILABLE; the pool reconnects by itself.
 *
 * JOURNAL_UNAVAILABLE from a transaction means that its outcome is unknown (the COMMIT may have arrived): whatever was derived from the
 * journal must be read again.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #pool: Pool;
  readonly #dependency: Dependency;
  readonly #recoveryListeners: (() => void)[] = [];
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
      // A server or role set to `off` would acknowledge verdicts that a crash of Postgres forgets.
      options: "-c synchronous_commit=on",
    });
    this.#pool.on("error", (error) => this.#dependency.down(messageOf(error)));
  }

  /** False while the last call found no Postgres. */
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
      const result = await this.#pool.query<Row>(sql, [...values]);
      this.#answered(this.#options.clock.nowMs() - startedMs);
      return result.rows;
    } catch (error) {
      throw this.#classified(error);
    }
  }

  /**
   * Runs `work` in one transaction (READ COMMITTED) and commits; anything thrown rolls back.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE (outcome unknown), or what `work` threw
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const failPoints = this.#options.failPoints ?? noFailPoints;
    failPoints.pass("transaction-begins");
    const client = await this.#connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => void (broken = error);
    client.on("error", onError);
    try {
      const transaction: Transaction = {
        query: async (sql, values = []) => (await client.query(sql, [...values])).rows as never,
      };
      await client.query("begin");
      const result = await work(transaction);
      failPoints.pass("transaction-commits");
      await client.query("commit");
      failPoints.pass("transaction-committed");
      this.#answered();
      return result;
    } catch (error) {
      await client.query("rollback").catch((rollbackError: unknown) => void (broken = asError(rollbackError)));
      throw this.#classified(error);
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    this.#stopProbe();
    await this.#pool.end();
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
    if (error instanceof DatabaseError && !unavailableClasses.has((error.code ?? "XX").slice(0, 2))) return error;
    if (this.#dependency.ok) this.#options.log.warn({ err: error }, "Postgres does not answer");
    this.#dependency.down(messageOf(error));
    return new CodedError<RiskErrorCode>("JOURNAL_UNAVAILABLE", `the journal does not answer: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
