import { createHash } from "node:crypto";
import { CodedError } from "@bellwether/service-kit";
import type { PostgresErrorCode } from "./errors.ts";
import type { JournalDatabase, Transaction } from "./journal-database.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export interface MigrationPlan {
  /** The one schema that this service owns: a plain name, written into statements as it is. */
  readonly schema: "risk" | "broker" | "gateway";
  /** Any number, the same for every process that shares the schema: one migrates at a time. */
  readonly lock: bigint;
  /** In order, forward only, never edited once released. */
  readonly migrations: readonly Migration[];
}

/**
 * Brings a schema up to date, all or nothing, under an advisory lock. Runs at every start; does nothing when there is nothing to do.
 *
 * @returns the names of what was applied now
 * @throws CodedError MIGRATION_CHANGED when an applied migration is not the one in this image; JOURNAL_UNAVAILABLE
 */
export async function migrate(database: Pick<JournalDatabase, "transaction">, plan: MigrationPlan): Promise<readonly string[]> {
  const { schema, lock, migrations } = plan;
  return database.transaction(async (transaction) => {
    await transaction.query("select pg_advisory_xact_lock($1)", [lock]);
    await createSchema(transaction, schema);
    const rows = await transaction.query<{ version: number; sha256: string }>(`select version, sha256 from ${schema}.migrations`);
    const applied = new Map(rows.map((row) => [row.version, row.sha256]));
    const names: string[] = [];
    for (const migration of migrations) {
      const sha256 = createHash("sha256").update(migration.sql).digest("hex");
      const known = applied.get(migration.version);
      if (known !== undefined && known !== sha256) throw changed(migration);
      if (known !== undefined) continue;
      await transaction.query(migration.sql);
      await transaction.query(`insert into ${schema}.migrations (version, name, sha256) values ($1, $2, $3)`, [
        migration.version,
        migration.name,
        sha256,
      ]);
      names.push(migration.name);
    }
    await storeTexts(transaction, plan);
    return names;
  });
}

/** Whoever restores a copy of the schema has no image of the service at hand: what made its tables stands beside them. */
async function storeTexts(transaction: Transaction, { schema, migrations }: MigrationPlan): Promise<void> {
  const rows = await transaction.query<{ version: number }>(`select version from ${schema}.migration_texts`);
  const stored = new Set(rows.map(({ version }) => version));
  for (const { version, sql } of migrations) {
    if (stored.has(version)) continue;
    await transaction.query(`insert into ${schema}.migration_texts (version, sql) values ($1, $2)`, [version, sql]);
  }
}

/** What stands in a schema before its first migration: which were applied, and what they said. */
export function migrationTables(schema: MigrationPlan["schema"]): readonly string[] {
  return [
    `create table if not exists ${schema}.migrations (version int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`,
    // A table of its own: to add a column would wait for every snapshot that is being taken.
    `create table if not exists ${schema}.migration_texts (version int primary key, sql text not null)`,
  ];
}

async function createSchema(transaction: Transaction, schema: MigrationPlan["schema"]): Promise<void> {
  // `create schema if not exists` wants the right to create schemas even where the owner has been given this one; the chart makes it for us.
  const schemas = await transaction.query("select 1 from pg_namespace where nspname = $1", [schema]);
  if (schemas.length === 0) await transaction.query(`create schema ${schema}`);
  for (const sql of migrationTables(schema)) await transaction.query(sql);
}

function changed(migration: Migration): CodedError<PostgresErrorCode> {
  return new CodedError<PostgresErrorCode>(
    "MIGRATION_CHANGED",
    `migration ${migration.version} (${migration.name}) was applied with other content`,
    { context: { version: migration.version } },
  );
}
