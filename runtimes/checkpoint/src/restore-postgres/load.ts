import { pipeline } from "node:stream/promises";
import { type MigrationPlan, migrationTables } from "@bellwether/postgres";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { type ZodType, z } from "zod";
import type { OpenedSnapshot, SourceFile } from "../source.ts";
import { foldPath, tablePath } from "../source-postgres/capture.ts";
import {
  type Catalogue,
  type TableShape,
  catalogueShape,
  journalSchemas,
  quotedTable,
  schemasOf,
  tableName,
} from "../source-postgres/catalogue.ts";
import { databaseError } from "../source-postgres/errors.ts";
import { foldsOf } from "../source-postgres/folds.ts";
import { inTransaction, quoted } from "../source-postgres/session.ts";
import { type StoredMigration, storedMigration } from "../source-postgres/stored-migrations.ts";
import { type Copied, copiedShape, measure, tableSql } from "../source-postgres/table-copy.ts";

const contentsShape = z.record(z.string().max(500), copiedShape);
/** What is read whole: everything but rows. */
const largestJsonBytes = 64 * 1024 * 1024;

/** What a snapshot says that a restored database must hold. */
export interface Loaded {
  readonly catalogue: Catalogue;
  readonly contents: Readonly<Record<string, Copied>>;
}

/**
 * Makes the schemas in an empty database and loads every row. References between tables are made last: Postgres checks them all at once then, and the order of
 * loading is of no account.
 *
 * @throws CodedError ROLES_MISSING, CAPTURE_INCOMPLETE, CONTENT_DIFFERS, and what the snapshot's reader throws
 */
export async function loadJournal(client: Client, snapshot: OpenedSnapshot, extensions: readonly string[]): Promise<Loaded> {
  const files = snapshot.files("Journal")[Symbol.asyncIterator]();
  const catalogue = await readJson(files, "journal/catalogue.json", catalogueShape);
  const migrations = await readJson(files, "journal/migrations.json", storedMigration.array());
  await requireRoles(client, catalogue);
  await makeSchemas(client, { catalogue, migrations, extensions });
  const references = await dropReferences(client);
  let contents: Record<string, Copied> | undefined;
  const loaded = new Set<string>();
  for (let file = await files.next(); file.done !== true; file = await files.next()) {
    const { path } = file.value;
    if (path === "journal/contents.json") contents = await jsonOf(file.value, contentsShape);
    else await loadFile(client, file.value, { catalogue, loaded });
  }
  if (!contents) throw incomplete("journal/contents.json");
  Object.assign(contents, await loadCache(client, snapshot, { catalogue, loaded }));
  for (const path of Object.keys(contents)) if (!loaded.has(path)) throw incomplete(path);
  await compareContents(client, { catalogue, contents });
  for (const sql of references) await client.query(sql);
  return { catalogue, contents };
}

async function loadCache(
  client: Client,
  snapshot: OpenedSnapshot,
  into: { catalogue: Catalogue; loaded: Set<string> },
): Promise<Record<string, Copied>> {
  let contents: Record<string, Copied> = {};
  for await (const file of snapshot.files("LlmCache")) {
    if (file.path === "llm-cache/contents.json") contents = await jsonOf(file, contentsShape);
    else await loadFile(client, file, into);
  }
  return contents;
}

async function loadFile(
  client: Client,
  file: SourceFile,
  { catalogue, loaded }: { catalogue: Catalogue; loaded: Set<string> },
): Promise<void> {
  const table = catalogue.tables.find((each) => pathsOf(each).includes(file.path));
  loaded.add(file.path);
  if (table) await copyIn(client, table, file.content);
  else if (foldsOf(catalogue.tables).some((fold) => foldPath("journal", fold) === file.path)) await drain(file);
  else
    throw databaseError("CAPTURE_INCOMPLETE", `the snapshot holds ${file.path}, which belongs to no table`, {
      context: { path: file.path },
    });
}

function pathsOf(table: TableShape): string[] {
  return [tablePath("journal", table), tablePath("llm-cache", table)];
}

async function copyIn(client: Client, table: TableShape, content: AsyncIterable<Buffer>): Promise<void> {
  await inTransaction(client, async () => {
    // A migration may have put rows there.
    await client.query(`delete from ${quotedTable(table)}`);
    const into = client.query(copyFrom(`copy ${quotedTable(table)} (${table.columns.map(quoted).join(", ")}) from stdin`));
    try {
      await pipeline(content, into);
    } catch (cause) {
      throw databaseError("CONTENT_DIFFERS", `${tableName(table)} cannot be loaded: ${String(cause)}`, { cause });
    }
  });
}

/** What was loaded is read again: rows and bytes must be those that were captured, and what is folded from them as well. @throws CodedError CONTENT_DIFFERS */
async function compareContents(client: Client, { catalogue, contents }: Loaded): Promise<void> {
  const differing: string[] = [];
  for (const [path, captured] of Object.entries(contents)) {
    const table = catalogue.tables.find((each) => pathsOf(each).includes(path));
    const fold = foldsOf(catalogue.tables).find((each) => foldPath("journal", each) === path);
    const sql = table ? tableSql(table) : fold?.sql;
    if (sql === undefined) throw incomplete(path);
    const restored = await measure(client, sql);
    if (restored.sha256 !== captured.sha256)
      differing.push(
        `${path}: ${restored.rows} rows, ${restored.bytes} bytes instead of ${captured.rows} rows, ${captured.bytes} bytes`,
      );
  }
  if (differing.length > 0) throw databaseError("CONTENT_DIFFERS", differing.join("; "), { context: { differing } });
}

async function requireRoles(client: Client, { tables }: Catalogue): Promise<void> {
  // A migration grants to the other services' roles only where they are: all have to be there before the first runs.
  const wanted = schemasOf(tables).map(roleOf);
  const { rows } = await client.query<{ name: string }>("select rolname::text as name from pg_roles where rolname = any($1)", [
    wanted,
  ]);
  const present = new Set(rows.map(({ name }) => name));
  const missing = wanted.filter((role) => !present.has(role));
  if (missing.length > 0)
    throw databaseError("ROLES_MISSING", `the server has no ${missing.join(", ")}`, { context: { missing } });
}

function roleOf(schema: MigrationPlan["schema"]): string {
  return `bellwether_${schema}`;
}

/** As the chart's script and the services make them, each schema by its own role; those that no service has used yet stay empty. */
async function makeSchemas(
  client: Client,
  {
    catalogue,
    migrations,
    extensions,
  }: { catalogue: Catalogue; migrations: readonly StoredMigration[]; extensions: readonly string[] },
): Promise<void> {
  await client.query("revoke all on schema public from public");
  for (const extension of extensions)
    await client.query(`create extension if not exists ${quoted(extension)} with schema public`);
  const { rows } = await client.query<{ name: string }>("select rolname::text as name from pg_roles where rolname = any($1)", [
    journalSchemas.map(roleOf),
  ]);
  const roles = new Set(rows.map(({ name }) => name));
  for (const schema of journalSchemas) {
    if (roles.has(roleOf(schema))) await client.query(`create schema ${schema} authorization ${roleOf(schema)}`);
  }
  for (const schema of schemasOf(catalogue.tables)) {
    const own = migrations.filter((migration) => migration.schema === schema);
    await applyMigrations(client, schema, [...migrationTables(schema), ...own.map(({ sql }) => sql)]);
  }
}

/**
 * As the owner of the schema, so that what is made is its own, with the rights that it gives. In the caller's transaction, or all of it comes to nothing with
 * the scratch database.
 */
export async function applyMigrations(
  client: Client,
  schema: MigrationPlan["schema"],
  statements: readonly string[],
): Promise<void> {
  await client.query(`set role ${roleOf(schema)}`);
  // Migrations are written for the services' own connections.
  await client.query(`set search_path to "$user", public`);
  for (const sql of statements) await client.query(sql);
  await client.query("reset search_path");
  await client.query("reset role");
}

/** @returns statements that make them again */
async function dropReferences(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ drop: string; add: string }>(
    `select format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname) as drop,
       format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) as add
     from pg_constraint k join pg_namespace n on n.oid = k.connamespace where k.contype = 'f' and n.nspname = any($1) order by k.oid`,
    [[...journalSchemas]],
  );
  for (const { drop } of rows) await client.query(drop);
  return rows.map(({ add }) => add);
}

async function readJson<T>(files: AsyncIterator<SourceFile>, path: string, shape: ZodType<T>): Promise<T> {
  const file = await files.next();
  if (file.done === true || file.value.path !== path) throw incomplete(path);
  return jsonOf(file.value, shape);
}

async function jsonOf<T>({ path, content }: SourceFile, shape: ZodType<T>): Promise<T> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of content) {
    bytes += piece.length;
    if (bytes > largestJsonBytes) throw databaseError("CAPTURE_INCOMPLETE", `${path} is larger than ${largestJsonBytes} bytes`);
    pieces.push(piece);
  }
  try {
    return shape.parse(JSON.parse(Buffer.concat(pieces).toString("utf8")));
  } catch (cause) {
    throw databaseError("CAPTURE_INCOMPLETE", `${path} does not say what it should`, { cause });
  }
}

/** Read to its end all the same: only then has the whole of it been checked. */
async function drain({ content }: SourceFile): Promise<void> {
  const pieces = content[Symbol.asyncIterator]();
  for (let piece = await pieces.next(); piece.done !== true;) piece = await pieces.next();
}

function incomplete(path: string): Error {
  return databaseError("CAPTURE_INCOMPLETE", `the snapshot has no ${path} where it should stand`, { context: { path } });
}
