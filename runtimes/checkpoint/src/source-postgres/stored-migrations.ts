import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { z } from "zod";
import { type TableShape, journalSchemas, schemasOf, tableName } from "./catalogue.ts";
import { databaseError } from "./errors.ts";

export const storedMigration = z.object({
  schema: z.enum(journalSchemas),
  version: z.number().int().positive(),
  name: z.string().max(200),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sql: z.string().max(1_000_000),
});
export type StoredMigration = z.infer<typeof storedMigration>;

/**
 * The statements that made the schemas, as the services store them beside the record of what they have applied: they are what a restore makes tables from.
 *
 * @throws CodedError SCHEMA_SQL_MISSING when one is not stored, or not the one that was applied
 */
export async function readMigrations(client: ClientBase, tables: readonly TableShape[]): Promise<StoredMigration[]> {
  const present = new Set(tables.map(tableName));
  const migrations: StoredMigration[] = [];
  for (const schema of schemasOf(tables)) {
    if (!present.has(`${schema}.migrations`) || !present.has(`${schema}.migration_texts`))
      throw missing(schema, "its tables are missing");
    const { rows } = await client.query<Omit<StoredMigration, "sql" | "schema"> & { sql: string | null }>(
      `select m.version, m.name, m.sha256, t.sql from ${schema}.migrations m left join ${schema}.migration_texts t using (version) order by m.version`,
    );
    for (const { sql, ...migration } of rows) {
      if (sql === null) throw missing(schema, `the text of migration ${migration.version} is missing`);
      if (createHash("sha256").update(sql).digest("hex") !== migration.sha256)
        throw missing(schema, `the text of migration ${migration.version} is not the one that was applied`);
      migrations.push(storedMigration.parse({ schema, sql, ...migration }));
    }
  }
  return migrations;
}

function missing(schema: string, why: string): Error {
  return databaseError("SCHEMA_SQL_MISSING", `schema ${schema}: ${why}`, { context: { schema } });
}
