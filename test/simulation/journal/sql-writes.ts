import type { Catalog } from "./catalog.ts";
import { type Evaluate, type Frame, type Scope, type Slots, as, compileExpression } from "./sql-expressions.ts";
import { type Output, compileSelect, joinSteps, outputsOf, scopeOf, walk } from "./sql-queries.ts";
import type { Assignment, Delete, Insert, SelectItem, Source, Update } from "./sql-syntax.ts";
import { ConstraintError, type Value, conversion } from "./sql-values.ts";
import type { Row, Table, TableShape, Undo } from "./tables.ts";

export interface CompiledWrite {
  readonly outputs: readonly Output[];
  /** Rows of RETURNING; what was done is pushed to `undo`. */
  run(frame: Frame, undo: Undo[]): Value[][];
}

const plain = { records: undefined, join: "first", on: undefined, using: [] } as const;

function targetOf(table: string, alias: string): Source {
  return { ...plain, table, alias };
}

function tableIn(frame: Frame, number: number): Table {
  const table = frame.tables[number];
  if (!table) throw new Error(`there is no table ${number}`);
  return table;
}

export function compileInsert(insert: Insert, catalog: Catalog): CompiledWrite {
  const number = catalog.number(insert.table);
  const shape = catalog.shape(number);
  const slots: Slots = { next: 0 };
  const scope = conflictScope(insert, { catalog, slots });
  const outputs = insert.returning.flatMap((item) => outputsOf(item, targetOnly(scope)));
  const rowsToInsert = insertedRows(insert, { catalog, shape, slots });
  const resolve = compileConflict(insert, { catalog, shape, scope });
  return {
    outputs,
    run(frame, undo) {
      const table = tableIn(frame, number);
      const results: Value[][] = [];
      for (const row of rowsToInsert(frame)) {
        const stored = resolve(table, row, { frame, undo });
        if (!stored) continue;
        requireReferences(stored, { shape, frame });
        frame.rows[0] = stored;
        if (outputs.length > 0) results.push(outputs.map(({ evaluate }) => evaluate(frame)));
      }
      return results;
    },
  };
}

/** Slot 0: the row that is there; slot 1: the one that was to be inserted (`excluded`). */
function conflictScope(insert: Insert, { catalog, slots }: { catalog: Catalog; slots: Slots }): Scope {
  return scopeOf([targetOf(insert.table, insert.alias), targetOf(insert.table, "excluded")], {
    catalog,
    outer: undefined,
    slots,
  });
}

function targetOnly(scope: Scope): Scope {
  return { ...scope, sources: scope.sources.slice(0, 1) };
}

function insertedRows(
  insert: Insert,
  { catalog, shape, slots }: { catalog: Catalog; shape: TableShape; slots: Slots },
): (frame: Frame) => Row[] {
  const names = insert.columns.length > 0 ? insert.columns : shape.columns.map(({ name }) => name);
  const targets = names.map((name) => catalog.column(shape, name));
  const complete = completion(shape, { catalog, targets });
  if (insert.select) {
    const query = compileSelect(insert.select, { catalog, outer: undefined, slots });
    const converts = query.outputs.map(({ type }, index) => conversion(type, shape.columns[targets[index] ?? 0]?.type ?? type));
    return (frame) =>
      query.rows(frame).map((values) =>
        complete(
          frame,
          values.map((value, index) => converts[index]?.(value) ?? value),
        ),
      );
  }
  const scope = scopeOf([], { catalog, outer: undefined, slots });
  const rows = (insert.rows ?? []).map((row) =>
    row.map((value, index) => as(compileExpression(value, scope), shape.columns[targets[index] ?? 0]?.type ?? "text").evaluate),
  );
  return (frame) =>
    rows.map((row) =>
      complete(
        frame,
        row.map((evaluate) => evaluate(frame)),
      ),
    );
}

/** Fills what was not named with its default. */
function completion(
  shape: TableShape,
  { catalog, targets }: { catalog: Catalog; targets: readonly number[] },
): (frame: Frame, values: readonly Value[]) => Row {
  return (frame, values) =>
    shape.columns.map((_column, index) => {
      const position = targets.indexOf(index);
      const given = position === -1 ? undefined : values[position];
      return given === undefined ? (catalog.defaultOf(shape, index)?.(frame) ?? null) : given;
    });
}

type Resolve = (table: Table, row: Row, context: { frame: Frame; undo: Undo[] }) => Row | undefined;

function compileConflict(
  { conflict }: Insert,
  { catalog, shape, scope }: { catalog: Catalog; shape: TableShape; scope: Scope },
): Resolve {
  const insert: Resolve = (table, row, { undo }) => {
    undo.push(table.insert(row));
    return row;
  };
  if (!conflict) return insert;
  const wanted = conflict.columns.map((column) => catalog.column(shape, column)).join();
  const arbiters = shape.uniques.flatMap((unique, index) => (wanted === "" || unique.columns.join() === wanted ? [index] : []));
  if (arbiters.length === 0) throw new Error(`no unique constraint of ${shape.name} matches the ON CONFLICT specification`);
  const assign = conflict.set && compileAssignments(conflict.set, { catalog, shape, scope });
  const where = conflict.where && compileExpression(conflict.where, scope).evaluate;
  return (table, row, context) => {
    const existing = arbiters.map((unique) => table.conflicting(unique, row)).find((other) => other !== undefined);
    if (!existing) return insert(table, row, context);
    if (!assign) return undefined;
    context.frame.rows[0] = existing;
    context.frame.rows[1] = row;
    if (where && where(context.frame) !== true) return undefined;
    context.undo.push(table.update(existing, assign(context.frame, existing)));
    return existing;
  };
}

function compileAssignments(
  set: readonly Assignment[],
  { catalog, shape, scope }: { catalog: Catalog; shape: TableShape; scope: Scope },
): (frame: Frame, row: Row) => Row {
  const assignments = set.map(({ column, value }): [number, Evaluate] => {
    const index = catalog.column(shape, column);
    // `default` would be a name here; nobody writes it.
    return [index, as(compileExpression(value, scope), shape.columns[index]?.type ?? "text").evaluate];
  });
  return (frame, row) => {
    const next = [...row];
    for (const [index, evaluate] of assignments) next[index] = evaluate(frame);
    return next;
  };
}

function requireReferences(row: Row, { shape, frame }: { shape: TableShape; frame: Frame }): void {
  for (const { columns, table, unique } of shape.references) {
    const values = columns.map((column) => row[column] ?? null);
    if (values.includes(null)) continue;
    const [only] = values;
    const key = values.length === 1 && only !== undefined ? only : values.map(String).join("\u0000");
    if (!tableIn(frame, table).find(unique, key))
      throw new ConstraintError(
        "23503",
        `a row of "${shape.name}" refers to a row of ${tableIn(frame, table).shape.name} that is not there`,
      );
  }
}

interface Changed {
  readonly table: string;
  readonly alias: string;
  readonly where: Update["where"];
  readonly returning: readonly SelectItem[];
}

export function compileUpdate(update: Update, catalog: Catalog): CompiledWrite {
  const shape = catalog.shape(catalog.number(update.table));
  return compileChange(update, {
    catalog,
    sources: update.from,
    change(scope) {
      const assign = compileAssignments(update.set, { catalog, shape, scope });
      return (table, row, frame) => {
        const undo = table.update(row, assign(frame, row));
        requireReferences(row, { shape, frame });
        return undo;
      };
    },
  });
}

export function compileDelete(remove: Delete, catalog: Catalog): CompiledWrite {
  return compileChange(remove, { catalog, sources: [], change: () => (table, row) => table.delete(row) });
}

interface ChangeOptions {
  readonly catalog: Catalog;
  readonly sources: readonly Source[];
  readonly change: (scope: Scope) => (table: Table, row: Row, frame: Frame) => Undo;
}

function compileChange({ table, alias, where, returning }: Changed, { catalog, sources, change }: ChangeOptions): CompiledWrite {
  const number = catalog.number(table);
  const from = [targetOf(table, alias), ...sources];
  const scope = scopeOf(from, { catalog, outer: undefined, slots: { next: 0 } });
  const steps = joinSteps({ from, where }, { catalog, scope });
  const outputs = returning.flatMap((item) => outputsOf(item, targetOnly(scope)));
  const apply = change(scope);
  return {
    outputs,
    run(frame, undo) {
      const found = new Map<Row, (Row | undefined)[]>();
      walk(steps, frame, () => {
        const row = frame.rows[0];
        if (row && !found.has(row)) found.set(row, [...frame.rows]);
      });
      const results: Value[][] = [];
      for (const [row, places] of found) {
        for (const [index, place] of places.entries()) frame.rows[index] = place;
        undo.push(apply(tableIn(frame, number), row, frame));
        if (outputs.length > 0) results.push(outputs.map(({ evaluate }) => evaluate(frame)));
      }
      return results;
    },
  };
}
