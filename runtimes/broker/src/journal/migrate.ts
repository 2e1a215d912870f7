import { createHash } from "node:crypto";
import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";
import type { Database, Transaction } from "./database.ts";
import { type Migration, migrations } from "./migrations/index.ts";

/** Any number, the same for every broker: they share the schema, and one migrates at a time. */
const migrationLock = 7_240_311_002n;

/**
 * Brings schema `broker` up to date, all or nothing, under an advisory lock. Runs at every start; does nothing when there is nothing to do.
 *
 * @throws CodedError MIGRATION_CHANGED when an applied migration is not the one in this image; JOURNAL_UNAVAILABLE
 */
export async function migrate(database: Database, list: readonly Migration[] = migrations): Promise<readonly string[]> {
  return database.transaction(async (transaction) => {
    await transaction.query("select pg_advisory_xact_lock($1)", [migrationLock]);
    await createSchema(transaction);
    const rows = await transaction.query<{ version: number; sha256: string }>("select version, sha256 from broker.migrations");
    const applied = new Map(rows.map((row) => [row.version, row.sha256]));
    const names: string[] = [];
    for (const migration of list) {
      const sha256 = createHash("sha256").update(migration.sql).digest("hex");
      const known = applied.get(migration.version);
      if (known !== undefined && known !== sha256) throw changed(migration);
      if (known !== undefined) continue;
      await transaction.query(migration.sql);
      await transaction.query("insert into broker.migrations (version, name, sha256) values ($1, $2, $3)", [
        migration.version,
        migration.name,
        sha256,
      ]);
      names.push(migration.name);
    }
    return names;
  });
}

async function createSchema(transaction: Transaction): Promise<void> {
  // `create schema if not exists` wants the right to create schemas even where the owner has been given this one.
  const schemas = await transaction.query("select 1 from pg_namespace where nspname = 'broker'");
  if (schemas.length === 0) await transaction.query("create schema broker");
  await transaction.query(
    "create table if not exists broker.migrations (version int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())",
  );
}

function changed(migration: Migration): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>(
    "MIGRATION_CHANGED",
    `migration ${migration.version} (${migration.name}) was applied with other content`,
    { context: { version: migration.version } },
  );
}
