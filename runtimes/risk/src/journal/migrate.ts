import { createHash } from "node:crypto";
import { CodedError } from "@bellwether/service-kit";
import type { RiskErrorCode } from "../errors.ts";
import type { Database } from "./database.ts";
import { type Migration, migrations } from "./migrations/index.ts";

/** Any number, the same for every risk: they share the schema, and one migrates at a time. */
const migrationLock = 7_240_311_001n;

/**
 * Brings schema `risk` up to date, all or nothing, under an advisory lock. Runs at every start; does nothing when there is nothing to do.
 *
 * @throws CodedError MIGRATION_CHANGED when an applied migration is not the one in this image; JOURNAL_UNAVAILABLE
 */
export async function migrate(database: Database, list: readonly Migration[] = migrations): Promise<readonly string[]> {
  return database.transaction(async (transaction) => {
    await transaction.query("select pg_advisory_xact_lock($1)", [migrationLock]);
    // "if not exists" asks for the right to create schemas even when there is nothing to create; the chart makes it for us.
    const [schema] = await transaction.query("select 1 from pg_namespace where nspname = 'risk'");
    if (!schema) await transaction.query("create schema risk");
    await transaction.query(
      "create table if not exists risk.migrations (version int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())",
    );
    const rows = await transaction.query<{ version: number; sha256: string }>("select version, sha256 from risk.migrations");
    const applied = new Map(rows.map((row) => [row.version, row.sha256]));
    const names: string[] = [];
    for (const migration of list) {
      const sha256 = createHash("sha256").update(migration.sql).digest("hex");
      const known = applied.get(migration.version);
      if (known !== undefined && known !== sha256) throw changed(migration);
      if (known !== undefined) continue;
      await transaction.query(migration.sql);
      await transaction.query("insert into risk.migrations (version, name, sha256) values ($1, $2, $3)", [
        migration.version,
        migration.name,
        sha256,
      ]);
      names.push(migration.name);
    }
    return names;
  });
}

function changed(migration: Migration): CodedError<RiskErrorCode> {
  return new CodedError<RiskErrorCode>(
    "MIGRATION_CHANGED",
    `migration ${migration.version} (${migration.name}) was applied with other content`,
    {
      context: { version: migration.version },
    },
  );
}
