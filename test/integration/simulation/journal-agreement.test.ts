import { Database, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { Client, DatabaseError } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { brokerSchema } from "../../../runtimes/broker/src/journal/migrations/index.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { History } from "../../simulation/history.ts";
import type { Recorded } from "../../simulation/journal/memory-postgres.ts";
import { makeTemplate } from "../../simulation/world/world.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";

const missing = postgresMissing();
/** Histories whose every statement is run again; `BELLWETHER_REPLAYED_HISTORIES=500` takes a quarter of an hour. */
const histories = Number(process.env["BELLWETHER_REPLAYED_HISTORIES"] ?? 3);
const patienceMs = 3_600_000;

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
]);

/** Locks that one connection needs not, and what the server in memory notes in its own catalogue. */
const ofServer = /^(select pg_advisory|insert into pg_)/;

/**
 * The simulation's journal is worth what it has in common with Postgres: every statement of generated histories, in the order in which they ran, gives the same rows
 * and the same violated keys there.
 */
describe.skipIf(missing !== undefined)(`the journal in memory beside Postgres ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  test.each(Array.from({ length: histories }, (_, index) => ({ seed: 501 + index })))(
    "history $seed: the same rows, statement by statement",
    async ({ seed }) => {
      const events: Recorded[] = [];
      const history = new History(seed, await makeTemplate());
      history.record((event) => events.push(event));
      await history.run();
      await migrated(postgres);
      const statements = await replay(postgres.superuserDsn, events);
      expect(statements).toBeGreaterThan(50);
    },
    patienceMs,
  );
});

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

async function replay(dsn: string, events: readonly Recorded[]): Promise<number> {
  const client = new Client({ connectionString: dsn });
  await client.connect();
  let statements = 0;
  try {
    for (const event of events) {
      if (event.kind !== "statement") await client.query(event.kind);
      else if (!ofServer.test(event.sql)) {
        expect(await ran(client, event), event.sql).toEqual({
          error: event.error,
          rows: inOrder(event.sql, event.rows.map(comparable)),
        });
        statements += 1;
      }
    }
  } finally {
    await client.end();
  }
  return statements;
}

async function ran(
  client: Client,
  { sql, values }: Extract<Recorded, { kind: "statement" }>,
): Promise<{ error: string | undefined; rows: unknown[] }> {
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...values]);
    return { error: undefined, rows: inOrder(sql, rows.map(comparable)) };
  } catch (error) {
    if (error instanceof DatabaseError) return { error: error.code, rows: [] };
    throw error;
  }
}

/** Rows that nobody has asked for in an order come in any. */
function inOrder(sql: string, rows: readonly object[]): unknown[] {
  return /order by/i.test(sql)
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
