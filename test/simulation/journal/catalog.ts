import { compileExpression } from "./sql-expressions.ts";
import type { Evaluate, Frame, Scope } from "./sql-expressions.ts";
import type { Definition, Expression, TableParts } from "./sql-syntax.ts";
import { conversion, sqlType } from "./sql-values.ts";
import type { Column, Row, Table, TableShape } from "./tables.ts";

/** The shapes of all tables, and what stands in a column that an INSERT does not name. Rows live in the servers that share it. */
export class Catalog {
  readonly shapes: TableShape[] = [];
  readonly schemas = new Set<string>();
  readonly #numbers = new Map<string, number>();
  readonly #places: Map<string, number>[] = [];
  readonly #defaults = new Map<TableShape, Map<number, Evaluate>>();

  /** The table's number in every server. */
  number(table: string): number {
    const number = this.#numbers.get(table);
    if (number === undefined) throw new Error(`relation "${table}" does not exist`);
    return number;
  }

  has(table: string): boolean {
    return this.#numbers.has(table);
  }

  shape(number: number): TableShape {
    const shape = this.shapes[number];
    if (!shape) throw new Error(`there is no table ${number}`);
    return shape;
  }

  column(shape: TableShape, name: string): number {
    const index = shape.columns.findIndex((column) => column.name === name);
    if (index === -1) throw new Error(`column "${name}" of relation "${shape.name}" does not exist`);
    return index;
  }

  /** The same, by the table's number and remembered: for those who look often. */
  place(number: number, name: string): number {
    const known = (this.#places[number] ??= new Map<string, number>());
    let place = known.get(name);
    if (place === undefined) known.set(name, (place = this.column(this.shape(number), name)));
    return place;
  }

  defaultOf(shape: TableShape, column: number): Evaluate | undefined {
    return this.#defaults.get(shape)?.get(column);
  }

  /** @returns true when there is a new table */
  define(definition: Definition): boolean {
    switch (definition.kind) {
      case "createSchema":
        this.schemas.add(definition.name);
        return false;
      case "createTable":
        return this.#createTable(definition);
      case "alterTable":
        return this.#alterTable(this.shape(this.number(definition.table)), definition);
      case "createIndex": {
        const shape = this.shape(this.number(definition.table));
        if (definition.unique) this.#unique(shape, definition.definition);
        return false;
      }
      case "createSequence":
      case "nothing":
        return false;
    }
  }

  #createTable(definition: Extract<Definition, { kind: "createTable" }>): boolean {
    if (this.has(definition.table)) {
      if (definition.ifNotExists) return false;
      throw new Error(`relation "${definition.table}" already exists`);
    }
    const shape: TableShape = { name: definition.table, columns: [], uniques: [], checks: [], references: [] };
    this.#numbers.set(definition.table, this.shapes.length);
    this.shapes.push(shape);
    this.#extend(shape, definition);
    return true;
  }

  #alterTable(shape: TableShape, definition: Extract<Definition, { kind: "alterTable" }>): boolean {
    for (const name of definition.dropped) {
      const index = shape.checks.findIndex((check) => check.name === name);
      if (index === -1) throw new Error(`${shape.name} has no check "${name}"; nothing else can be dropped here`);
      shape.checks.splice(index, 1);
    }
    this.#extend(shape, definition);
    return false;
  }

  #extend(shape: TableShape, { columns, uniques, checks, foreignKeys }: TableParts): void {
    for (const { name, type, notNull, byDefault, identity } of columns) {
      const column: Column = { name, type: sqlType(type), notNull };
      shape.columns.push(column);
      this.#setDefault(shape, { column, byDefault, identity });
    }
    for (const unique of uniques) this.#unique(shape, unique);
    for (const { name, condition } of checks) shape.checks.push({ name, holds: onRow(condition, shape) });
    for (const { columns: names, table, references } of foreignKeys) {
      const target = this.shape(this.number(table));
      const wanted = references.map((name) => this.column(target, name)).join();
      const unique = references.length === 0 ? 0 : target.uniques.findIndex((key) => key.columns.join() === wanted);
      shape.references.push({ columns: names.map((name) => this.column(shape, name)), table: this.number(table), unique });
    }
  }

  #setDefault(
    shape: TableShape,
    { column, byDefault, identity }: { column: Column; byDefault: Expression | undefined; identity: boolean },
  ): void {
    const index = shape.columns.indexOf(column);
    const defaults = this.#defaults.get(shape) ?? new Map<number, Evaluate>();
    this.#defaults.set(shape, defaults);
    const sequence = `${shape.name}.${column.name}`;
    if (identity) defaults.set(index, (frame) => frame.nextval(sequence));
    if (!byDefault) return;
    const { type, evaluate } = compileExpression(byDefault, emptyScope);
    const convert = conversion(type, column.type);
    defaults.set(index, convert ? (frame) => convert(evaluate(frame)) : evaluate);
  }

  #unique(
    shape: TableShape,
    { name, columns, where }: { name: string; columns: readonly string[]; where: Expression | undefined },
  ): void {
    const covers = where && onRow(where, shape);
    shape.uniques.push({
      name,
      columns: columns.map((column) => this.column(shape, column)),
      covers: covers && ((row) => covers(row) === true),
    });
  }
}

/** A place without any names: defaults see no rows. */
export const emptyScope: Scope = {
  sources: [],
  outer: undefined,
  select: () => {
    throw new Error("a query cannot stand here");
  },
};

/** An expression over the columns of one row: of a check or a partial index. */
function onRow(expression: Expression, shape: TableShape): (row: Row) => ReturnType<Evaluate> {
  const scope: Scope = { ...emptyScope, sources: [{ alias: shape.name, slot: 0, columns: shape.columns }] };
  const { evaluate } = compileExpression(expression, scope);
  const frame: Frame & { rows: (Row | undefined)[] } = {
    rows: [],
    params: [],
    tables: [] as Table[],
    nowMs: () => 0,
    nextval: () => 0,
    randomUuid: () => "",
  };
  return (row) => {
    frame.rows[0] = row;
    return evaluate(frame);
  };
}
