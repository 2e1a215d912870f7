import { ConstraintError, type SqlType, type Value } from "./sql-values.ts";

export type Row = Value[];

export interface Column {
  readonly name: string;
  readonly type: SqlType;
  readonly notNull: boolean;
}

export interface Unique {
  readonly name: string;
  readonly columns: readonly number[];
  /** Of a partial index: the rows it speaks of. */
  readonly covers: ((row: Row) => boolean) | undefined;
}

/** The shape of a table; every history's tables share it. */
export interface TableShape {
  readonly name: string;
  readonly columns: Column[];
  readonly uniques: Unique[];
  /** True or null: the row may be. */
  readonly checks: { readonly name: string; readonly holds: (row: Row) => Value }[];
  readonly references: { readonly columns: readonly number[]; readonly table: number; readonly unique: number }[];
}

/** What was done, to be taken back by a rollback: last first. */
export type Undo = () => void;

/** Rows of one table, with its keys kept as indexes. Rows are changed in place; whoever hands them out copies. */
export class Table {
  readonly shape: TableShape;
  readonly rows = new Set<Row>();
  readonly #indexes: Map<Value, Row>[] = [];

  constructor(shape: TableShape, rows: Iterable<Row> = []) {
    this.shape = shape;
    for (const row of rows) this.#enter([...row]);
  }

  /** The row with this key; composite keys by {@link keyOf}. */
  find(unique: number, key: Value): Row | undefined {
    return this.#index(unique).get(key);
  }

  keyOf(unique: number, row: Row): Value {
    const columns = this.shape.uniques[unique]?.columns ?? [];
    const [only] = columns;
    if (columns.length === 1 && only !== undefined) return row[only] ?? null;
    return compositeKey(columns.map((column) => row[column] ?? null));
  }

  /** The row that stands in the way of `row`, by one unique index. */
  conflicting(unique: number, row: Row): Row | undefined {
    const rule = this.shape.uniques[unique];
    if (!rule || rule.columns.some((column) => (row[column] ?? null) === null)) return undefined;
    if (rule.covers && !rule.covers(row)) return undefined;
    const other = this.#index(unique).get(this.keyOf(unique, row));
    return other === row ? undefined : other;
  }

  insert(row: Row): Undo {
    this.#validate(row);
    this.#requireUnique(row);
    this.#enter(row);
    return () => this.#leave(row);
  }

  update(row: Row, next: Row): Undo {
    this.#validate(next);
    const before = [...row];
    this.#leaveIndexes(row);
    row.splice(0, row.length, ...next);
    try {
      this.#requireUnique(row);
    } catch (error) {
      row.splice(0, row.length, ...before);
      this.#enterIndexes(row);
      throw error;
    }
    this.#enterIndexes(row);
    return () => {
      this.#leaveIndexes(row);
      row.splice(0, row.length, ...before);
      this.#enterIndexes(row);
    };
  }

  delete(row: Row): Undo {
    this.#leave(row);
    return () => this.#enter(row);
  }

  #index(unique: number): Map<Value, Row> {
    let index = this.#indexes[unique];
    if (!index) {
      index = new Map();
      this.#indexes[unique] = index;
      const rule = this.shape.uniques[unique];
      for (const row of this.rows) if (rule && (!rule.covers || rule.covers(row))) index.set(this.keyOf(unique, row), row);
    }
    return index;
  }

  #validate(row: Row): void {
    let index = 0;
    for (const { name, notNull } of this.shape.columns) {
      if (notNull && (row[index] ?? null) === null)
        throw new ConstraintError("23502", `null value in column "${name}" of relation "${this.shape.name}"`);
      index += 1;
    }
    for (const { name, holds } of this.shape.checks)
      if (holds(row) === false)
        throw new ConstraintError("23514", `new row for relation "${this.shape.name}" violates check constraint "${name}"`);
  }

  #requireUnique(row: Row): void {
    for (let unique = 0; unique < this.shape.uniques.length; unique += 1) {
      if (!this.conflicting(unique, row)) continue;
      const name = this.shape.uniques[unique]?.name;
      throw new ConstraintError("23505", `duplicate key value violates unique constraint "${name}" of ${this.shape.name}`);
    }
  }

  #enter(row: Row): void {
    this.rows.add(row);
    this.#enterIndexes(row);
  }

  #leave(row: Row): void {
    this.rows.delete(row);
    this.#leaveIndexes(row);
  }

  #enterIndexes(row: Row): void {
    for (let unique = 0; unique < this.shape.uniques.length; unique += 1) {
      const rule = this.shape.uniques[unique];
      const index = this.#indexes[unique];
      if (index && rule && (!rule.covers || rule.covers(row))) index.set(this.keyOf(unique, row), row);
    }
  }

  #leaveIndexes(row: Row): void {
    for (let unique = 0; unique < this.shape.uniques.length; unique += 1) {
      const index = this.#indexes[unique];
      if (index && index.get(this.keyOf(unique, row)) === row) index.delete(this.keyOf(unique, row));
    }
  }
}

export function compositeKey(values: readonly Value[]): string {
  return values.map(String).join("\u0000");
}
