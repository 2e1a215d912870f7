import type { ClientBase } from "pg";
import { z } from "zod";
import { type Catalogue, schemasOf, tableName } from "./catalogue.ts";
import { venueBalancesSql } from "./folds.ts";

const text = (longest: number) => z.string().max(longest);

/** Where the shipping of the journal stood before the snapshot: all that it had shipped by then is in the snapshot. */
export const shippedShape = z.object({
  series: text(63),
  /** Of the last segment; 0: none yet. */
  sequence: z.number().int().nonnegative(),
  /** Of that segment's bytes; empty: none yet. */
  sha256: text(64),
});
export type Shipped = z.infer<typeof shippedShape>;

/** The facts of the point in time at which a journal was captured; all of them stand in the manifest. */
export const journalPosition = z.object({
  format: z.literal(1),
  takenAt: text(40),
  serverVersion: text(40),
  /** Of the server's data directory: told apart from every other server. */
  systemIdentifier: text(20),
  database: text(63),
  databaseOid: text(10),
  /** `risk.journal.database_id`; null: risk has never run on it. */
  journalId: text(36).nullable(),
  lsn: text(20),
  /** `pg_current_snapshot()`: which transactions are in it. */
  snapshot: text(100_000),
  encoding: text(40),
  collate: text(63),
  ctype: text(63),
  extensions: z.array(text(63)).max(200),
  /** The highest migration of each schema. */
  schemaVersions: z.record(text(63), z.number().int()),
  /** The highest value of each sequence's column, as text; of tables without one nothing is said here: their rows are counted. */
  highWaterMarks: z.record(text(200), text(40)),
  writerEpochs: z.record(text(200), text(20)),
  /** What each account's venue must hold by the journal, decimal text by `account/asset`. */
  venueBalances: z.record(text(300), text(80)),
  shipped: z.array(shippedShape).max(20),
});
export type JournalPosition = z.infer<typeof journalPosition>;

const serverSql = /* sql */ `
select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "takenAt", current_setting('server_version') as "serverVersion",
  (select system_identifier::text from pg_control_system()) as "systemIdentifier", d.datname::text as database, d.oid::text as "databaseOid",
  pg_current_wal_lsn()::text as lsn, pg_current_snapshot()::text as snapshot,
  pg_encoding_to_char(d.encoding)::text as encoding, d.datcollate::text as collate, d.datctype::text as ctype,
  array(select extname::text from pg_extension where extname <> 'plpgsql' order by 1) as extensions
from pg_database d where d.datname = current_database()`;

/** Read in the transaction whose snapshot is captured. */
export async function readPosition(
  client: ClientBase,
  catalogue: Catalogue,
  shipped: readonly Shipped[],
): Promise<JournalPosition> {
  const [server] = (await client.query<Record<string, unknown>>(serverSql)).rows;
  const present = new Set(catalogue.tables.map(tableName));
  return journalPosition.parse({
    ...server,
    format: 1,
    journalId: present.has("risk.journal") ? await readJournalId(client) : null,
    schemaVersions: await readSchemaVersions(client, catalogue),
    highWaterMarks: await readHighWaterMarks(client, catalogue),
    writerEpochs: await readWriterEpochs(client, present),
    venueBalances: present.has("risk.transfers") && present.has("risk.orders") ? await readVenueBalances(client, catalogue) : {},
    shipped: [...shipped],
  });
}

/** The identity of the journal in this database; null: risk has not made it yet. */
async function readJournalId(client: ClientBase): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>("select database_id::text as id from risk.journal");
  return rows[0]?.id ?? null;
}

async function readSchemaVersions(client: ClientBase, { tables }: Catalogue): Promise<Record<string, number>> {
  const versions: Record<string, number> = {};
  for (const schema of schemasOf(tables)) {
    const { rows } = await client.query<{ version: number }>(
      `select coalesce(max(version), 0) as version from ${schema}.migrations`,
    );
    versions[schema] = rows[0]?.version ?? 0;
  }
  return versions;
}

/** The highest value of every column that draws from a sequence, by `schema.table.column`. */
export async function readHighWaterMarks(client: ClientBase, { sequences }: Catalogue): Promise<Record<string, string>> {
  const marks: Record<string, string> = {};
  for (const { table, column } of sequences) {
    const { rows } = await client.query<{ mark: string }>(`select coalesce(max(${column}), 0)::text as mark from ${table}`);
    marks[`${table}.${column}`] = rows[0]?.mark ?? "0";
  }
  return marks;
}

async function readWriterEpochs(client: ClientBase, present: ReadonlySet<string>): Promise<Record<string, string>> {
  const epochs: Record<string, string> = {};
  for (const schema of ["risk", "broker"] as const) {
    if (!present.has(`${schema}.writer_epochs`)) continue;
    const { rows } = await client.query<{ scope: string; epoch: string }>(
      `select scope, epoch::text as epoch from ${schema}.writer_epochs order by scope`,
    );
    for (const { scope, epoch } of rows) epochs[`${schema}:${scope}`] = epoch;
  }
  return epochs;
}

async function readVenueBalances(client: ClientBase, { tables }: Catalogue): Promise<Record<string, string>> {
  const { rows } = await client.query<{ account_uid: string; asset: string; balance: string }>(venueBalancesSql(tables));
  return Object.fromEntries(rows.map(({ account_uid, asset, balance }) => [`${account_uid}/${asset}`, balance]));
}
