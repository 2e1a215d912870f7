import type { Client } from "pg";
import type { Absent, Captured, Source, SourceFile, SourceName } from "../source.ts";
import { type Catalogue, type TableShape, readCatalogue, tableName } from "./catalogue.ts";
import { type Fold, foldsOf } from "./folds.ts";
import { type JournalPosition, readPosition } from "./position.ts";
import { codedFault, connect } from "./session.ts";
import { readShipped } from "./shipped-state.ts";
import { type StoredMigration, readMigrations } from "./stored-migrations.ts";
import { type Copied, copyOut, tableSql } from "./table-copy.ts";

/** Answers that can be asked for again are a cache: a snapshot may do without. */
const cacheTables = new Set(["gateway.answers"]);

export interface CaptureOptions {
  /** A URL; asked anew at each snapshot. The role must be able to read every schema of the journal. */
  readonly dsn: () => string;
}

/**
 * The parts of the state that stand in Postgres: the journal (with budgets), what is folded from it, remembered answers of models. All of one point in
 * time, as long as every one is opened before the first is closed: they share one exported snapshot.
 */
export function postgresSources(options: CaptureOptions): readonly Source[] {
  const moment = new Moment(options);
  return [
    moment.source("Journal", journalFiles),
    moment.source("Positions", positionFiles),
    moment.source("LlmCache", cacheFiles),
  ];
}

/** What files are made from. */
interface Reading {
  readonly client: Client;
  readonly catalogue: Catalogue;
  readonly migrations: readonly StoredMigration[];
}

interface Held extends Omit<Reading, "client"> {
  readonly client: Client;
  readonly snapshotId: string;
  readonly position: JournalPosition;
}

/** One exported snapshot, held while any source is open. */
class Moment {
  readonly #options: CaptureOptions;
  #held: Promise<Held> | undefined;
  #open = 0;

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  source(name: SourceName, files: (reading: Reading) => AsyncIterable<SourceFile>): Source {
    return { name, open: (signal) => this.#openSource(files, signal) };
  }

  async #openSource(files: (reading: Reading) => AsyncIterable<SourceFile>, signal: AbortSignal): Promise<Captured | Absent> {
    signal.throwIfAborted();
    this.#open += 1;
    try {
      this.#held ??= hold(this.#options.dsn());
      const { catalogue, migrations, position, snapshotId } = await this.#held;
      if (catalogue.tables.length === 0) {
        await this.#release();
        return { because: "no service has made its tables in this database yet" };
      }
      const client = await join(this.#options.dsn(), snapshotId);
      const stop = (): void => void client.end();
      signal.addEventListener("abort", stop, { once: true });
      return {
        position,
        files: () => files({ client, catalogue, migrations }),
        close: async () => {
          signal.removeEventListener("abort", stop);
          await client.end();
          await this.#release();
        },
      };
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async #release(): Promise<void> {
    this.#open -= 1;
    if (this.#open > 0) return;
    const held = this.#held;
    this.#held = undefined;
    await held?.then(
      ({ client }) => client.end(),
      () => undefined,
    );
  }
}

async function hold(dsn: string): Promise<Held> {
  const client = await connect(dsn, "bellwether-checkpoint");
  try {
    // Before the snapshot: what is shipped by now is in it.
    const shipped = await readShipped(client);
    await client.query("begin isolation level repeatable read read only");
    const { rows } = await client.query<{ id: string }>("select pg_export_snapshot() as id");
    const catalogue = await readCatalogue(client);
    const migrations = await readMigrations(client, catalogue.tables);
    const position = await readPosition(client, catalogue, shipped);
    return { client, snapshotId: rows[0]?.id ?? "", catalogue, migrations, position };
  } catch (error) {
    await client.end();
    throw codedFault(error, client);
  }
}

async function join(dsn: string, snapshotId: string): Promise<Client> {
  const client = await connect(dsn, "bellwether-checkpoint");
  try {
    await client.query("begin isolation level repeatable read read only");
    await client.query(`set transaction snapshot '${snapshotId}'`);
    return client;
  } catch (error) {
    await client.end();
    throw codedFault(error, client);
  }
}

/** The order is the one in which a restore needs them: what tables are made from, rows, what they must add up to. */
async function* journalFiles({ client, catalogue, migrations }: Reading): AsyncIterable<SourceFile> {
  yield jsonFile("journal/catalogue.json", catalogue);
  yield jsonFile("journal/migrations.json", migrations);
  const contents: Record<string, Copied> = {};
  const tables = catalogue.tables.filter((table) => !cacheTables.has(tableName(table)));
  for (const table of tables) yield copied(client, { path: tablePath("journal", table), sql: tableSql(table) }, contents);
  for (const fold of foldsOf(catalogue.tables))
    yield copied(client, { path: foldPath("journal", fold), sql: fold.sql }, contents);
  yield jsonFile("journal/contents.json", contents);
}

async function* positionFiles({ client, catalogue }: Reading): AsyncIterable<SourceFile> {
  const contents: Record<string, Copied> = {};
  for (const fold of foldsOf(catalogue.tables))
    yield copied(client, { path: foldPath("positions", fold), sql: fold.sql }, contents);
}

async function* cacheFiles({ client, catalogue }: Reading): AsyncIterable<SourceFile> {
  const contents: Record<string, Copied> = {};
  const tables = catalogue.tables.filter((table) => cacheTables.has(tableName(table)));
  for (const table of tables) yield copied(client, { path: tablePath("llm-cache", table), sql: tableSql(table) }, contents);
  yield jsonFile("llm-cache/contents.json", contents);
}

export function tablePath(folder: "journal" | "llm-cache", table: Pick<TableShape, "schema" | "name">): string {
  return `${folder}/${tableName(table)}.copy`;
}

export function foldPath(folder: "journal" | "positions", fold: Pick<Fold, "name">): string {
  return `${folder}/folds/${fold.name}.copy`;
}

function copied(client: Client, { path, sql }: { path: string; sql: string }, contents: Record<string, Copied>): SourceFile {
  return { path, content: copyOut(client, sql, (figures) => (contents[path] = figures)) };
}

/** Written when it is read: contents are known only once the files before have gone by. */
function jsonFile(path: string, value: unknown): SourceFile {
  return { path, content: jsonOf(value) };
}

async function* jsonOf(value: unknown): AsyncIterable<Buffer> {
  yield Buffer.from(`${JSON.stringify(value)}\n`);
}
