import type { Catalog } from "./catalog.ts";
import { compileAggregates } from "./sql-aggregates.ts";
import { type Compiled, type Evaluate, type Frame, type Scope, type Slots, as, compileExpression } from "./sql-expressions.ts";
import type { Expression, Select, SelectItem, Source } from "./sql-syntax.ts";
import { type SqlType, type Value, compare, conversion, sqlType } from "./sql-values.ts";
import { type Column, type Row, compositeKey } from "./tables.ts";

export interface Output {
  readonly name: string;
  readonly type: SqlType;
  readonly evaluate: Evaluate;
}

/** One source of a query, and how its rows are found when those before it stand. */
interface Step {
  readonly slot: number;
  readonly candidates: (frame: Frame) => Iterable<Row>;
  /** Of a left join: the row stays when none matches. */
  readonly optional: boolean;
  /** Decide whether a row matches. */
  readonly matches: Evaluate[];
  /** Looked at once the row, or its absence, is settled. */
  readonly filters: Evaluate[];
}

export interface CompiledSelect {
  readonly outputs: readonly Output[];
  rows(frame: Frame): Value[][];
}

/** Compiles a query once; it runs on any server of the catalog. */
export function compileSelect(
  select: Select,
  { catalog, outer, slots }: { catalog: Catalog; outer: Scope | undefined; slots: Slots },
): CompiledSelect {
  const scope = scopeOf(select.from, { catalog, outer, slots });
  const steps = joinSteps(select, { catalog, scope });
  const grouped = compileAggregates(select, scope, slots);
  const { select: shown, scope: inner } = grouped ?? { select, scope };
  const outputs = shown.items.flatMap((item) => outputsOf(item, inner));
  const order = shown.orderBy.map(({ by, descending }) => ({
    evaluate: orderKey(by, { outputs, scope: inner }),
    sign: descending ? -1 : 1,
  }));
  const [limit, offset] = [countOf(select.limit, inner), countOf(select.offset, inner)];
  const { distinct } = select;
  return {
    outputs,
    rows(frame) {
      const found: { keys: Value[]; values: Value[] }[] = [];
      const take = (): void => {
        const values = outputs.map(({ evaluate }) => evaluate(frame));
        found.push({ keys: order.map(({ evaluate }) => evaluate(frame)), values });
      };
      if (grouped) grouped.run(frame, (each) => walk(steps, frame, each), take);
      else walk(steps, frame, take);
      if (order.length > 0) found.sort((left, right) => byKeys(left.keys, right.keys, order));
      const rows = distinct ? distinctRows(found) : found.map(({ values }) => values);
      const start = offset?.(frame) ?? 0;
      return limit ? rows.slice(start, start + limit(frame)) : start > 0 ? rows.slice(start) : rows;
    },
  };
}

function byKeys(left: readonly Value[], right: readonly Value[], order: readonly { sign: number }[]): number {
  for (const [index, { sign }] of order.entries()) {
    const result = compare(left[index] ?? null, right[index] ?? null) * sign;
    if (result !== 0) return result;
  }
  return 0;
}

function distinctRows(found: readonly { values: Value[] }[]): Value[][] {
  return [...new Map(found.map(({ values }) => [compositeKey(values), values])).values()];
}

function countOf(expression: Expression | undefined, scope: Scope): ((frame: Frame) => number) | undefined {
  if (!expression) return undefined;
  const { evaluate } = as(compileExpression(expression, scope), "int");
  return (frame) => Number(evaluate(frame));
}

/** The row's place in the order: a result's name or number, or an expression. */
function orderKey(by: Expression, { outputs, scope }: { outputs: readonly Output[]; scope: Scope }): Evaluate {
  if (by.type === "literal" && by.literal === "number") return outputs[Number(by.value) - 1]?.evaluate ?? (() => null);
  const named = by.type === "column" && by.path.length === 1 ? outputs.find(({ name }) => name === by.path[0]) : undefined;
  return named?.evaluate ?? compileExpression(by, scope).evaluate;
}

export function outputsOf({ expression, name }: SelectItem, scope: Scope): Output[] {
  if (expression) {
    const { type, evaluate } = compileExpression(expression, scope);
    return [{ name, type: type === "unknown" ? "text" : type, evaluate }];
  }
  return scope.sources.flatMap(({ slot, columns }) =>
    columns.map((column, index) => ({
      name: column.name,
      type: column.type,
      evaluate: ({ rows }: Frame) => rows[slot]?.[index] ?? null,
    })),
  );
}

export function scopeOf(
  sources: readonly Source[],
  { catalog, outer, slots }: { catalog: Catalog; outer: Scope | undefined; slots: Slots },
): Scope {
  const places = sources.map((source) => {
    const slot = slots.next;
    slots.next += 1;
    return { alias: source.alias, slot, columns: columnsOf(source, catalog) };
  });
  const highest = places.at(-1)?.slot ?? -1;
  const scope: Scope = {
    sources: places,
    outer,
    select(inner, at) {
      const query = compileSelect(inner, { catalog, outer: at, slots });
      return { rows: (frame) => query.rows(frame), types: query.outputs.map(({ type }) => type), slot: highest };
    },
  };
  return scope;
}

function columnsOf({ table, records }: Source, catalog: Catalog): readonly Column[] {
  if (records) return records.columns.map(({ name, type }) => ({ name, type: sqlType(type), notNull: false }));
  return catalog.shape(catalog.number(table ?? "")).columns;
}

function holds(conditions: readonly Evaluate[], frame: Frame): boolean {
  for (const condition of conditions) if (condition(frame) !== true) return false;
  return true;
}

/** Runs through all combinations of rows, each condition as early as it can be decided. */
export function walk(steps: readonly Step[], frame: Frame, each: () => void): void {
  const enter = (index: number): void => {
    const step = steps[index];
    if (!step) {
      each();
      return;
    }
    let matched = false;
    for (const row of step.candidates(frame)) {
      frame.rows[step.slot] = row;
      if (!holds(step.matches, frame)) continue;
      matched = true;
      if (holds(step.filters, frame)) enter(index + 1);
    }
    if (matched || !step.optional) return;
    frame.rows[step.slot] = undefined;
    if (step.filters.every((condition) => condition(frame) === true)) enter(index + 1);
  };
  enter(0);
}

export function joinSteps(
  { from, where }: Pick<Select, "from" | "where">,
  { catalog, scope }: { catalog: Catalog; scope: Scope },
): Step[] {
  const filters = conjuncts(where).map((condition) => ({ condition, compiled: compileExpression(condition, scope) }));
  return from.map((source, index) => {
    const place = scope.sources[index];
    if (!place) throw new Error("a source without a place");
    const last = index === from.length - 1;
    const first = index === 0;
    const own = filters.filter(({ compiled: { slot } }) => (first || slot >= place.slot) && (last || slot <= place.slot));
    const joining = joinConditions(source, index, scope).map((condition) => ({
      condition,
      compiled: compileExpression(condition, scope),
    }));
    const optional = source.join === "left";
    const usable = optional ? joining : [...joining, ...own];
    return {
      slot: place.slot,
      candidates: candidatesOf(source, { catalog, scope, place, conditions: usable.map(({ condition }) => condition) }),
      optional,
      matches: joining.map(({ compiled }) => compiled.evaluate),
      filters: own.map(({ compiled }) => compiled.evaluate),
    };
  });
}

function joinConditions(source: Source, index: number, scope: Scope): Expression[] {
  const before = scope.sources.slice(0, index);
  const using = source.using.map((name): Expression => {
    const left = before.find(({ columns }) => columns.some((column) => column.name === name));
    const column = (alias: string): Expression => ({ type: "column", path: [alias, name] });
    return { type: "binary", operator: "=", left: column(left?.alias ?? ""), right: column(source.alias) };
  });
  return [...conjuncts(source.on), ...using];
}

export function conjuncts(expression: Expression | undefined): Expression[] {
  if (!expression) return [];
  if (expression.type === "binary" && expression.operator === "and")
    return [...conjuncts(expression.left), ...conjuncts(expression.right)];
  return [expression];
}

interface Place {
  readonly alias: string;
  readonly slot: number;
  readonly columns: readonly Column[];
}

/** All rows of the source, or the one that a key names. */
function candidatesOf(
  source: Source,
  { catalog, scope, place, conditions }: { catalog: Catalog; scope: Scope; place: Place; conditions: readonly Expression[] },
): (frame: Frame) => Iterable<Row> {
  if (source.records) return recordsOf(source.records, scope);
  const number = catalog.number(source.table ?? "");
  const equal = new Map<number, Compiled>();
  for (const condition of conditions) {
    for (const [column, value] of equalities(condition, { scope, place })) if (!equal.has(column)) equal.set(column, value);
  }
  const { uniques } = catalog.shape(number);
  const unique = uniques.findIndex(({ columns, covers }) => !covers && columns.every((column) => equal.has(column)));
  if (unique === -1) return ({ tables }) => tables[number]?.rows ?? [];
  const parts = (uniques[unique]?.columns ?? []).flatMap((column) => equal.get(column)?.evaluate ?? []);
  const [only] = parts;
  return (frame) => {
    const key = parts.length === 1 && only ? only(frame) : compositeKey(parts.map((part) => part(frame)));
    const row = tableRow(frame, { number, unique, key });
    return row ? [row] : [];
  };
}

function tableRow({ tables }: Frame, { number, unique, key }: { number: number; unique: number; key: Value }): Row | undefined {
  return tables[number]?.find(unique, key);
}

/** `column = value` of this source, where the value is known before the source is looked at. */
function equalities(condition: Expression, { scope, place }: { scope: Scope; place: Place }): [number, Compiled][] {
  if (condition.type !== "binary" || condition.operator !== "=" || condition.right.type === "any") return [];
  const sides: [Expression, Expression][] = [
    [condition.left, condition.right],
    [condition.right, condition.left],
  ];
  return sides.flatMap(([side, other]): [number, Compiled][] => {
    const column = columnOf(side, place, scope);
    if (column === undefined) return [];
    const value = compileExpression(other, scope);
    const type = place.columns[column]?.type;
    return value.slot < place.slot && type ? [[column, as(value, type)]] : [];
  });
}

function columnOf(expression: Expression, place: Place, scope: Scope): number | undefined {
  if (expression.type !== "column") return undefined;
  const name = expression.path.at(-1);
  const qualifier = expression.path.slice(0, -1).join(".");
  const index = place.columns.findIndex((column) => column.name === name);
  if (index === -1) return undefined;
  if (qualifier !== "") return qualifier === place.alias ? index : undefined;
  const owner = scope.sources.find(({ columns }) => columns.some((column) => column.name === name));
  return owner?.slot === place.slot ? index : undefined;
}

function recordsOf({ from, columns }: NonNullable<Source["records"]>, scope: Scope): (frame: Frame) => Iterable<Row> {
  const { evaluate } = compileExpression(from, scope);
  const shapes = columns.map(({ name, type }) => ({ name, convert: conversion("unknown", sqlType(type)) }));
  return (frame) => {
    const items = JSON.parse(String(evaluate(frame))) as readonly Record<string, unknown>[];
    return items.map((item) =>
      shapes.map(({ name, convert }) => {
        const value = item[name] as Value | undefined;
        return value === undefined || value === null ? null : convert ? convert(value) : value;
      }),
    );
  };
}
