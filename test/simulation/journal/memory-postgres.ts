import { type JournalDatabase, type Transaction, type TransactionStep } from "@bellwether/postgres";
import { type Check, type Clock, CodedError, type FailPoints } from "@bellwether/service-kit";
import { Catalog } from "./catalog.ts";
import type { Frame } from "./sql-expressions.ts";
import { type Output, compileSelect } from "./sql-queries.ts";
import { parseScript } from "./sql-statements.ts";
import type { Definition, Statement } from "./sql-syntax.ts";
import { ConstraintError, type Value, fromDriver, toDriver } from "./sql-values.ts";
import { type CompiledWrite, compileDelete, compileInsert, compileUpdate } from "./sql-writes.ts";
import { type Row, Table, type Undo } from "./tables.ts";

type Prepared =
  | { readonly kind: "read"; readonly outputs: readonly Output[]; rows(frame: Frame): Value[][] }
  | ({ readonly kind: "write" } & CompiledWrite)
  | { readonly kind: "definition"; readonly definition: Definition };

/** All rows and counters at one moment: what a backup holds. */
export interface Backup {
  readonly tables: readonly (readonly Row[])[];
  readonly sequences: ReadonlyMap<string, number>;
}

/** Statements and shapes, compiled once for all histories. */
export class Blueprint {
  readonly catalog = new Catalog();
  readonly #prepared = new Map<string, readonly Prepared[]>();

  prepare(sql: string): readonly Prepared[] {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statements = parseScript(sql);
    // What a script defines must be there before its next statement can be compiled: scripts are run as they are read.
    if (statements.length > 1) return statements.map((statement) => this.#deferred(statement));
    const prepared = statements.map((statement) => this.#compile(statement));
    if (!prepared.some(({ kind }) => kind === "definition")) this.#prepared.set(sql, prepared);
    return prepared;
  }

  #deferred(statement: Statement): Prepared {
    if (isDefinition(statement)) return { kind: "definition", definition: statement };
    return { kind: "write", outputs: [], run: (frame, undo) => this.#runNow(statement, frame, undo) };
  }

  #runNow(statement: Statement, frame: Frame, undo: Undo[]): Value[][] {
    const prepared = this.#compile(statement);
    if (prepared.kind === "read") return prepared.rows(frame);
    return prepared.kind === "write" ? prepared.run(frame, undo) : [];
  }

  #compile(statement: Statement): Prepared {
    const { catalog } = this;
    switch (statement.kind) {
      case "select": {
        const query = compileSelect(statement, { catalog, outer: undefined, slots: { next: 0 } });
        return { kind: "read", outputs: query.outputs, rows: (frame) => query.rows(frame) };
      }
      case "insert":
        return { kind: "write", ...compileInsert(statement, catalog) };
      case "update":
        return { kind: "write", ...compileUpdate(statement, catalog) };
      case "delete":
        return { kind: "write", ...compileDelete(statement, catalog) };
      default:
        return { kind: "definition", definition: statement };
    }
  }
}

function isDefinition(statement: Statement): statement is Definition {
  return !["select", "insert", "update", "delete"].includes(statement.kind);
}

/** What happened on the server, in order: transactions run one at a time. */
export type Recorded =
  | { readonly kind: "begin" | "commit" | "rollback" }
  | {
      readonly kind: "statement";
      readonly sql: string;
      readonly values: readonly unknown[];
      readonly rows: readonly object[];
      readonly error: string | undefined;
    };

/** Told after each commit: the only moments at which the journal changes for others. */
export type CommitListener = () => void;

/**
 * A Postgres for the journals, in memory: it runs the statements of production, migrations included, with their keys, checks and sequences. Transactions run one
 * after another, so that what Postgres isolates by locks is isolated here by turns. Statements it does not know are refused, never skipped.
 */
export class MemoryPostgres {
  readonly blueprint: Blueprint;
  readonly #clock: Pick<Clock, "nowMs">;
  #tables: Table[];
  #sequences: Map<string, number>;
  #turn: Promise<unknown> | undefined;
  #uuids = 0;
  readonly #listeners: CommitListener[] = [];
  /** No connection comes through: an outage of Postgres. */
  down = false;
  /** Told of everything, when somebody wants to run it again elsewhere. */
  recorder: ((event: Recorded) => void) | undefined;

  constructor(
    clock: Pick<Clock, "nowMs">,
    from: { blueprint: Blueprint; backup: Backup } = { blueprint: new Blueprint(), backup: emptyBackup },
  ) {
    this.blueprint = from.blueprint;
    this.#clock = clock;
    this.#tables = this.#tablesOf(from.backup);
    this.#sequences = new Map(from.backup.sequences);
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  backup(): Backup {
    return { tables: this.#tables.map(({ rows }) => [...rows].map((row) => [...row])), sequences: new Map(this.#sequences) };
  }

  /** Everything since the backup is forgotten; sequences, too. */
  restore(backup: Backup): void {
    this.#tables = this.#tablesOf(backup);
    this.#sequences = new Map(backup.sequences);
  }

  /** Rows as they stand, by column name: for checks, which must not take a turn. */
  peek(table: string): Iterable<Row> {
    return this.#tables[this.blueprint.catalog.number(table)]?.rows ?? [];
  }

  size(table: string): number {
    return this.#tables[this.blueprint.catalog.number(table)]?.rows.size ?? 0;
  }

  /** Rows that came after the first `known` ones. Of tables from which nothing is deleted. */
  since(table: string, known: number): Row[] {
    return this.size(table) === known ? [] : [...this.peek(table)].slice(known);
  }

  /** The row whose column holds `value`; by an index where the column is a key of its own. */
  find(table: string, column: string, value: string): Row | undefined {
    const { catalog } = this.blueprint;
    const number = catalog.number(table);
    const { columns, uniques } = catalog.shape(number);
    const index = columns.findIndex(({ name }) => name === column);
    const unique = uniques.findIndex((key) => !key.covers && key.columns.length === 1 && key.columns[0] === index);
    if (unique !== -1) return this.#tables[number]?.find(unique, value);
    for (const row of this.peek(table)) if (row[index] === value) return row;
    return undefined;
  }

  cell(table: string, row: Row, column: string): Value {
    const { catalog } = this.blueprint;
    return row[catalog.place(catalog.number(table), column)] ?? null;
  }

  /** One statement or script. Within a transaction when `undo` is given, else committed by itself. */
  execute(sql: string, values: readonly unknown[], undo?: Undo[]): Record<string, unknown>[] {
    const done = undo ?? [];
    let rows: Record<string, unknown>[] = [];
    try {
      for (const prepared of this.blueprint.prepare(sql)) rows = this.#run(prepared, values, done);
    } catch (error) {
      if (!undo) rollBack(done);
      this.recorder?.({
        kind: "statement",
        sql,
        values,
        rows: [],
        error: error instanceof ConstraintError ? error.code : String(error),
      });
      throw error;
    }
    this.recorder?.({ kind: "statement", sql, values, rows, error: undefined });
    if (!undo && done.length > 0) this.committed();
    return rows;
  }

  committed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Waits until no transaction runs; then nobody else's does until the returned function is called. */
  async takeTurn(): Promise<() => void> {
    while (this.#turn) await this.#turn;
    let release = (): void => undefined;
    this.#turn = new Promise<void>((resolve) => {
      release = () => {
        this.#turn = undefined;
        resolve();
      };
    });
    return release;
  }

  async waitForTurn(): Promise<void> {
    while (this.#turn) await this.#turn;
  }

  #run(prepared: Prepared, values: readonly unknown[], undo: Undo[]): Record<string, unknown>[] {
    if (prepared.kind === "definition") {
      this.#define(prepared.definition);
      return [];
    }
    const frame = this.#frame(values);
    const { outputs } = prepared;
    const rows = prepared.kind === "read" ? prepared.rows(frame) : prepared.run(frame, undo);
    return rows.map((row) => {
      const shown: Record<string, unknown> = {};
      let index = 0;
      for (const { name, type } of outputs) {
        shown[name] = toDriver(row[index] ?? null, type);
        index += 1;
      }
      return shown;
    });
  }

  #frame(values: readonly unknown[]): Frame {
    return {
      rows: [],
      params: values.map(fromDriver),
      tables: this.#tables,
      nowMs: () => this.#clock.nowMs(),
      nextval: (sequence) => {
        const next = (this.#sequences.get(sequence) ?? 0) + 1;
        this.#sequences.set(sequence, next);
        return next;
      },
      randomUuid: () => `00000000-0000-4000-8000-${String((this.#uuids += 1)).padStart(12, "0")}`,
    };
  }

  #define(definition: Definition): void {
    const { catalog } = this.blueprint;
    const before = catalog.shapes.length;
    catalog.define(definition);
    for (const shape of catalog.shapes.slice(before)) this.#tables.push(new Table(shape));
    if (definition.kind === "createSchema") this.execute("insert into pg_namespace (nspname) values ($1)", [definition.name], []);
    const [schema, name] = definition.kind === "createTable" ? definition.table.split(".") : [];
    if (name !== undefined) {
      this.execute(
        "insert into pg_class (relname, relnamespace) select $1, n.oid from pg_namespace n where n.nspname = $2 on conflict (relname, relnamespace) do nothing",
        [name, schema],
        [],
      );
    }
  }

  #tablesOf({ tables }: Backup): Table[] {
    return this.blueprint.catalog.shapes.map((shape, index) => new Table(shape, tables[index]));
  }
}

const emptyBackup: Backup = { tables: [], sequences: new Map() };

/** What Postgres has of its own, as far as migrations ask for it. */
const systemCatalog = `
create table pg_namespace (oid bigint generated always as identity, nspname text unique);
create table pg_class (oid bigint generated always as identity, relname text, relnamespace bigint, unique (relname, relnamespace));
`;

/** An empty server: no schema, no tables but the system's own. */
export function emptyPostgres(clock: Pick<Clock, "nowMs">): MemoryPostgres {
  const server = new MemoryPostgres(clock);
  server.execute(systemCatalog, []);
  return server;
}

function rollBack(undo: Undo[]): void {
  for (const takeBack of undo.splice(0).toReversed()) takeBack();
}

/** What becomes of one transaction besides its work. */
export type JournalFault = "none" | "commit-reply-lost" | "unavailable";

export interface MemoryDatabaseOptions {
  readonly server: MemoryPostgres;
  readonly clock: Clock;
  readonly failPoints: FailPoints<TransactionStep>;
  /** Throws when the process that holds this connection is dead: its transaction is rolled back, as the server does when a connection goes. */
  readonly requireAlive: () => void;
  /** Asked once for each transaction. */
  readonly fault?: () => JournalFault;
}

/** One process's connections to a {@link MemoryPostgres}. */
export class MemoryDatabase implements JournalDatabase {
  readonly #options: MemoryDatabaseOptions;

  constructor(options: MemoryDatabaseOptions) {
    this.#options = options;
  }

  get available(): boolean {
    return !this.#options.server.down;
  }

  check(): Check {
    return { name: "postgres", ok: this.available, message: this.available ? "answers" : "down", sinceMs: 0 };
  }

  async query<Rows extends object>(sql: string, values: readonly unknown[] = []): Promise<Rows[]> {
    const { server, requireAlive } = this.#options;
    requireAlive();
    await server.waitForTurn();
    requireAlive();
    if (server.down) throw unavailable("the server is down");
    return server.execute(sql, values) as Rows[];
  }

  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { server, failPoints, requireAlive, fault } = this.#options;
    failPoints.pass("transaction-begins");
    const release = await server.takeTurn();
    const undo: Undo[] = [];
    let done = false;
    try {
      requireAlive();
      const planned = fault?.() ?? "none";
      if (server.down || planned === "unavailable") throw unavailable("the server is down");
      server.recorder?.({ kind: "begin" });
      const query = async (sql: string, values: readonly unknown[] = []): Promise<never> => {
        requireAlive();
        return server.execute(sql, values, undo) as never;
      };
      const result = await work({ query });
      failPoints.pass("transaction-commits");
      requireAlive();
      done = true;
      server.recorder?.({ kind: "commit" });
      if (undo.length > 0) server.committed();
      if (planned === "commit-reply-lost") throw unavailable("the answer to COMMIT was lost");
      failPoints.pass("transaction-committed");
      return result;
    } finally {
      if (!done) {
        rollBack(undo);
        server.recorder?.({ kind: "rollback" });
      }
      release();
    }
  }
}

function unavailable(why: string): CodedError {
  return new CodedError("JOURNAL_UNAVAILABLE", `the journal does not answer: ${why}`);
}
