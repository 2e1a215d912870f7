import { isDeepStrictEqual } from "node:util";
import { Database, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { Client, DatabaseError } from "pg";
import { brokerSchema } from "../../../runtimes/broker/src/journal/migrations/index.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { History } from "../../simulation/history.ts";
import type { Recorded } from "../../simulation/journal/memory-postgres.ts";
import type { Template } from "../../simulation/world/world.ts";
import type { TestPostgres } from "../order-path/postgres.ts";

/** Instants of the server's own clock, and what it draws by lot. */
const ownOfServer = new Set([
  "created_ms",
  "updated_ms",
  "updated_at_ms",
  "database_id",
  "taken_at",
  "created_at",
  "set_at",
  "since_ms",
  "at_ms",
  "seen_at_ms",
  "now_ms",
]);

/** Locks that one connection needs not, and what the server in memory notes in its own catalogue. */
const ofServer = /^(select pg_advisory|insert into pg_)/;

interface Answer {
  /** Of Postgres, where the statement broke a rule of the schema. */
  readonly error: string | undefined;
  readonly rows: readonly unknown[];
}

/**
 * Runs one history, and then each of its statements, in their order, on a Postgres that is empty before.
 *
 * @returns how many statements there were
 * @throws Error with the statement, should a row or a violated key differ
 */
export async function replayHistory(postgres: TestPostgres, seed: number, template: Template): Promise<number> {
  const events: Recorded[] = [];
  const history = new History(seed, template);
  history.record((event) => events.push(event));
  await history.run();
  await migrated(postgres);
  const client = new Client({ connectionString: postgres.superuserDsn });
  await client.connect();
  try {
    // Nothing here is to survive a power cut.
    await client.query("set synchronous_commit = off");
    return await replay(client, events);
  } finally {
    await client.end();
  }
}

async function migrated(postgres: TestPostgres): Promise<void> {
  await postgres.reset();
  for (const [dsn, schema] of [
    [postgres.riskDsn, riskSchema],
    [postgres.brokerDsn, brokerSchema],
  ] as const) {
    const database = new Database({ dsn, clock: systemClock, log: silentLogger, applicationName: "agreement" });
    await migrate(database, schema);
    await database.close();
  }
}

async function replay(client: Client, events: readonly Recorded[]): Promise<number> {
  let statements = 0;
  for (const event of events) {
    if (event.kind !== "statement") await client.query(event.kind);
    else if (!ofServer.test(event.sql)) {
      const inMemory = { error: event.error, rows: inOrder(event.sql, event.rows.map(comparable)) };
      const there = await ran(client, event);
      if (!isDeepStrictEqual(inMemory, there))
        throw new Error(`${event.sql}\n  in memory: ${JSON.stringify(inMemory)}\n  Postgres:  ${JSON.stringify(there)}`);
      statements += 1;
    }
  }
  return statements;
}

async function ran(client: Client, { sql, values }: Extract<Recorded, { kind: "statement" }>): Promise<Answer> {
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...values]);
    return { error: undefined, rows: inOrder(sql, rows.map(comparable)) };
  } catch (error) {
    if (error instanceof DatabaseError) return { error: error.code, rows: [] };
    throw error;
  }
}

/** Rows that nobody has asked for in an order come in any; and those of one virtual instant were written at several real ones. */
function inOrder(sql: string, rows: readonly object[]): unknown[] {
  const [, order = ""] = /order by (.*)/is.exec(sql) ?? [];
  return order !== "" && !/\bat\b|_at\b/.test(order)
    ? [...rows]
    : rows.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));
}

/** A row without the server's own time, amounts in their shortest form. */
function comparable(row: object): Record<string, unknown> {
  const entries = Object.entries(row as Record<string, unknown>).filter(([name]) => !ownOfServer.has(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, shortest(value)]));
}

function shortest(value: unknown): unknown {
  if (value instanceof Date) return "an instant";
  if (typeof value === "string" && /^-?\d+\.\d+$/.test(value)) return value.replace(/\.?0+$/, "");
  return value;
}
