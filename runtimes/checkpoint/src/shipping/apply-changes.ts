import { type MigrationPlan, migrationTables } from "@bellwether/postgres";
import type { Client } from "pg";
import { applyMigrations } from "../restore-postgres/load.ts";
import { journalSchemas, quotedTable, readCatalogue, tableName } from "../source-postgres/catalogue.ts";
import { databaseError } from "../source-postgres/errors.ts";
import { quoted } from "../source-postgres/session.ts";
import { DeferredReferences } from "./deferred-references.ts";
import type { Change, Row, ShippedTransaction } from "./segment.ts";

/** Applies shipped transactions to a database, in the caller's transaction. */
export class ChangeApplier {
  readonly #client: Client;
  readonly references: DeferredReferences;
  /** Columns by table that no update may set: they never change. */
  #identity: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  /** A migration came with the changes. */
  migrated = false;

  constructor(client: Client) {
    this.#client = client;
    this.references = new DeferredReferences(client);
  }

  /** @throws CodedError REPLAY_DIVERGED when a change does not meet its row */
  async apply({ changes, xid }: ShippedTransaction): Promise<void> {
    const migrating = await this.#migrate(changes);
    for (const change of changes) {
      const count = await this.#run(change, migrating);
      if (count === 1 || migrating) continue;
      const key = JSON.stringify(change.key);
      const message = `${change.op} of ${change.table} ${key} in transaction ${xid} met ${count} rows`;
      throw databaseError("REPLAY_DIVERGED", message, { context: { table: change.table, key, xid } });
    }
  }

  /** A migration is shipped as the rows that record it: its statements run first, and whatever it changed is then set to what it came to be there. */
  async #migrate(changes: readonly Change[]): Promise<boolean> {
    let migrating = false;
    for (const schema of journalSchemas) {
      const texts = insertedBy(changes, `${schema}.migration_texts`, "sql");
      for (const version of insertedBy(changes, `${schema}.migrations`, "name").keys()) {
        const sql = texts.get(version);
        if (sql === undefined) throw databaseError("REPLAY_DIVERGED", `migration ${version} of ${schema} came without its text`);
        await this.#runMigration(schema, sql);
        migrating = true;
      }
    }
    if (migrating) {
      this.#identity = undefined;
      await this.references.defer();
    }
    this.migrated ||= migrating;
    return migrating;
  }

  async #runMigration(schema: MigrationPlan["schema"], sql: string): Promise<void> {
    // A table with checks still to come cannot be altered.
    await this.#client.query("set constraints all immediate");
    await this.#client.query("set constraints all deferred");
    await applyMigrations(this.#client, schema, [...migrationTables(schema), sql]);
  }

  async #run(change: Change, migrating: boolean): Promise<number> {
    const table = this.#table(change.table);
    if (change.op === "delete") {
      const { text, values } = whereKey(change.key, 0);
      return (await this.#client.query(`delete from ${table} where ${text}`, values)).rowCount ?? 0;
    }
    if (change.op === "insert") return this.#insert(table, change, migrating);
    const never = (await this.#identities()).get(change.table);
    const set = Object.entries(change.row).filter(([column]) => never?.has(column) !== true);
    const assignments = set.map(([column], index) => `${quoted(column)} = $${index + 1}`).join(", ");
    const { text, values } = whereKey(change.key, set.length);
    const sql = `update ${table} set ${assignments} where ${text}`;
    return (await this.#client.query(sql, [...set.map(([, value]) => value), ...values])).rowCount ?? 0;
  }

  async #insert(table: string, { row, key }: Change & { readonly row: Row }, migrating: boolean): Promise<number> {
    const columns = Object.keys(row);
    const places = columns.map((_, index) => `$${index + 1}`).join(", ");
    // What a migration puts into its own tables is there already.
    const conflict = migrating
      ? ` on conflict (${Object.keys(key).map(quoted).join(", ")}) ${await this.#takeOver(table, row, key)}`
      : "";
    const sql = `insert into ${table} (${columns.map(quoted).join(", ")}) overriding system value values (${places})${conflict}`;
    return (await this.#client.query(sql, Object.values(row))).rowCount ?? 0;
  }

  async #takeOver(table: string, row: Row, key: Row): Promise<string> {
    const never = (await this.#identities()).get(table.replaceAll('"', ""));
    const others = Object.keys(row).filter((column) => !(column in key) && never?.has(column) !== true);
    if (others.length === 0) return "do nothing";
    return `do update set ${others.map((column) => `${quoted(column)} = excluded.${quoted(column)}`).join(", ")}`;
  }

  #table(name: string): string {
    const at = name.indexOf(".");
    const [schema, table] = [name.slice(0, at), name.slice(at + 1)];
    const known = journalSchemas.find((each) => each === schema);
    if (known === undefined) throw databaseError("SEGMENT_INVALID", `a change of ${name}, which is no table of the journal`);
    return quotedTable({ schema: known, name: table });
  }

  async #identities(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    if (!this.#identity) {
      const { tables } = await readCatalogue(this.#client);
      this.#identity = new Map(tables.map((table) => [tableName(table), new Set(table.identity)]));
    }
    return this.#identity;
  }
}

function insertedBy(changes: readonly Change[], table: string, column: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const change of changes) {
    if (change.op !== "insert" || change.table !== table) continue;
    const [version, value] = [change.row["version"], change.row[column]];
    if (typeof version === "string" && typeof value === "string") found.set(version, value);
  }
  return found;
}

function whereKey(key: Row, before: number): { text: string; values: (string | null)[] } {
  const columns = Object.keys(key);
  const text = columns.map((column, index) => `${quoted(column)} = $${before + index + 1}`).join(" and ");
  return { text, values: Object.values(key) };
}
