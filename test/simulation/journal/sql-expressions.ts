import { parseDecimal } from "@bellwether/trading";
import type { Expression, Select } from "./sql-syntax.ts";
import { type SqlType, type Value, compare, conversion, same, sqlType } from "./sql-values.ts";
import type { Column, Row, Table } from "./tables.ts";

/** One execution of a statement. `rows`: the row that each source stands at, by its slot. */
export interface Frame {
  readonly rows: (Row | undefined)[];
  readonly params: readonly Value[];
  readonly tables: readonly Table[];
  nowMs(): number;
  nextval(sequence: string): number;
  randomUuid(): string;
}

export type Evaluate = (frame: Frame) => Value;

export interface Compiled {
  readonly type: SqlType;
  readonly evaluate: Evaluate;
  /** The highest slot it reads; -1 for none: when it can be looked at. */
  readonly slot: number;
}

/** Gives every source of a statement a place of its own, queries within queries included. */
export interface Slots {
  next: number;
}

/** What names mean at one place of a statement. */
export interface Scope {
  readonly sources: readonly { readonly alias: string; readonly slot: number; readonly columns: readonly Column[] }[];
  readonly outer: Scope | undefined;
  /** Compiles a query within an expression. */
  select(
    select: Select,
    scope: Scope,
  ): { rows(frame: Frame): Value[][]; readonly types: readonly SqlType[]; readonly slot: number };
}

const constant = (type: SqlType, value: Value): Compiled => ({ type, slot: -1, evaluate: () => value });

export function compileExpression(expression: Expression, scope: Scope): Compiled {
  const inner = (part: Expression): Compiled => compileExpression(part, scope);
  switch (expression.type) {
    case "column":
      return compileColumn(expression.path, scope);
    case "parameter": {
      const { index } = expression;
      return { type: "unknown", slot: -1, evaluate: ({ params }) => params[index] ?? null };
    }
    case "literal":
      return compileLiteral(expression);
    case "cast":
      return as(inner(expression.of), sqlType(expression.to));
    case "binary":
      return compileBinary(expression, scope);
    case "not": {
      const of = inner(expression.of);
      return derived("boolean", [of], (frame) => negated(of.evaluate(frame)));
    }
    case "negate": {
      const of = inner(expression.of);
      return derived(of.type, [of], (frame) => negative(of.evaluate(frame)));
    }
    case "isNull": {
      const of = inner(expression.of);
      const wanted = !expression.negated;
      return derived("boolean", [of], (frame) => (of.evaluate(frame) === null) === wanted);
    }
    case "in":
    case "inSelect":
    case "exists":
    case "subquery":
      return compileMembership(expression, scope);
    case "case":
      return compileCase(expression, scope);
    case "extract": {
      const of = inner(expression.from);
      // Exact: epoch seconds as an amount of eighteen decimals.
      return derived("numeric", [of], (frame) => seconds(of.evaluate(frame)));
    }
    case "call":
      return compileCall(expression, scope);
    case "any":
      throw new Error("any(...) belongs to the right of a comparison");
  }
}

/** Brings an expression to a type. */
export function as(compiled: Compiled, type: SqlType): Compiled {
  const convert = conversion(compiled.type, type);
  if (!convert) return compiled.type === type ? compiled : { ...compiled, type };
  const { evaluate } = compiled;
  return { type, slot: compiled.slot, evaluate: (frame) => convert(evaluate(frame)) };
}

function derived(type: SqlType, parts: readonly Compiled[], evaluate: Evaluate): Compiled {
  return { type, slot: parts.reduce((highest, { slot }) => Math.max(highest, slot), -1), evaluate };
}

function compileColumn(path: readonly string[], scope: Scope): Compiled {
  const name = path.at(-1) ?? "";
  const qualifier = path.slice(0, -1).join(".");
  for (let place: Scope | undefined = scope; place; place = place.outer) {
    for (const { alias, slot, columns } of place.sources) {
      if (qualifier !== "" && qualifier !== alias && alias.split(".").at(-1) !== qualifier) continue;
      const index = columns.findIndex((column) => column.name === name);
      const type = columns[index]?.type;
      if (type !== undefined) return { type, slot, evaluate: ({ rows }) => rows[slot]?.[index] ?? null };
    }
  }
  throw new Error(`column ${path.join(".")} does not exist`);
}

function compileLiteral({ literal, value }: Extract<Expression, { type: "literal" }>): Compiled {
  if (literal === "boolean") return constant("boolean", value);
  if (literal === "null") return constant("unknown", null);
  if (literal === "text") return constant("unknown", value);
  const text = String(value);
  return text.includes(".") ? constant("numeric", parseDecimal(text)) : constant("int", Number(text));
}

const numberTypes: readonly SqlType[] = ["int", "bigint", "numeric"];

/** The type in which two sides meet. */
function meeting(left: SqlType, right: SqlType): SqlType {
  if (left === "unknown") return right === "unknown" ? "text" : right;
  if (right === "unknown" || left === right) return left;
  const widest = Math.max(numberTypes.indexOf(left), numberTypes.indexOf(right));
  return numberTypes[widest] ?? left;
}

function compileBinary(expression: Extract<Expression, { type: "binary" }>, scope: Scope): Compiled {
  const { operator } = expression;
  if (expression.right.type === "any") return compileAny(expression.left, expression.right.of, scope);
  const [first, second] = [compileExpression(expression.left, scope), compileExpression(expression.right, scope)];
  if (operator === "and" || operator === "or") return logical(operator, as(first, "boolean"), as(second, "boolean"));
  const json = operator === "->>" || operator === "->";
  if (first.type === "instant" && (operator === "-" || operator === "+")) return shifted(operator, first, as(second, "interval"));
  const type = json ? first.type : operator === "||" ? "text" : meeting(first.type, second.type);
  const [left, right] = json ? [first, as(second, "text")] : [as(first, type), as(second, type)];
  const work = operation(operator, type);
  const result = comparisonOperators.has(operator) ? "boolean" : operator === "->>" ? "text" : type;
  if (operator === "is") return derived("boolean", [left, right], (frame) => same(left.evaluate(frame), right.evaluate(frame)));
  return derived(result, [left, right], (frame) => {
    const a = left.evaluate(frame);
    if (a === null) return null;
    const b = right.evaluate(frame);
    return b === null ? null : work(a, b);
  });
}

/** An instant, so much later or earlier. */
function shifted(operator: "+" | "-", instant: Compiled, interval: Compiled): Compiled {
  const sign = operator === "+" ? 1 : -1;
  return derived("instant", [instant, interval], (frame) => {
    const [at, by] = [instant.evaluate(frame), interval.evaluate(frame)];
    return at === null || by === null ? null : Number(at) + sign * Number(by);
  });
}

const comparisonOperators = new Set(["=", "<>", "<", ">", "<=", ">="]);
const scale = 10n ** 18n;

function operation(operator: string, type: SqlType): (left: Value, right: Value) => Value {
  switch (operator) {
    case "=":
      return type === "array" ? same : (left, right) => left === right;
    case "<>":
      return (left, right) => !same(left, right);
    case "<":
      return (left, right) => compare(left, right) < 0;
    case ">":
      return (left, right) => compare(left, right) > 0;
    case "<=":
      return (left, right) => compare(left, right) <= 0;
    case ">=":
      return (left, right) => compare(left, right) >= 0;
    case "||":
      return (left, right) => String(left) + String(right);
    case "->":
    case "->>":
      return (left, right) => member(left, right, operator === "->>");
    default:
      return arithmetic(operator, type === "numeric");
  }
}

function member(document: Value, key: Value, asText: boolean): Value {
  const value = (JSON.parse(String(document)) as Record<string, unknown>)[String(key)];
  if (value === undefined || value === null) return null;
  return asText && typeof value === "string" ? value : JSON.stringify(value);
}

function arithmetic(operator: string, exact: boolean): (left: Value, right: Value) => Value {
  if (exact) return (left, right) => exactly(operator, left as bigint, right as bigint);
  if (operator === "+") return (left, right) => Number(left) + Number(right);
  if (operator === "-") return (left, right) => Number(left) - Number(right);
  if (operator === "*") return (left, right) => Number(left) * Number(right);
  if (operator === "%") return (left, right) => Number(left) % Number(right);
  return (left, right) => Math.trunc(Number(left) / Number(right));
}

function exactly(operator: string, left: bigint, right: bigint): bigint {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  return operator === "*" ? (left * right) / scale : (left * scale) / right;
}

function logical(operator: "and" | "or", left: Compiled, right: Compiled): Compiled {
  const decides = operator === "or";
  return derived("boolean", [left, right], (frame) => {
    const a = left.evaluate(frame);
    if (a === decides) return decides;
    const b = right.evaluate(frame);
    if (b === decides) return decides;
    return a === null || b === null ? null : !decides;
  });
}

function negated(value: Value): Value {
  return value === null ? null : value !== true;
}

function negative(value: Value): Value {
  if (value === null) return null;
  return typeof value === "bigint" ? -value : -Number(value);
}

function seconds(instantMs: Value): Value {
  return instantMs === null ? null : (BigInt(Math.trunc(Number(instantMs))) * scale) / 1000n;
}

function compileAny(left: Expression, of: Expression, scope: Scope): Compiled {
  const value = compileExpression(left, scope);
  const list = compileExpression(of, scope);
  const convert = conversion("unknown", value.type === "unknown" ? "text" : value.type);
  return derived("boolean", [value, list], (frame) => {
    const items = list.evaluate(frame);
    if (!Array.isArray(items)) return null;
    const wanted = value.evaluate(frame);
    return (items as readonly Value[]).some((item) => same(convert ? convert(item) : item, wanted));
  });
}

type Membership = Extract<Expression, { type: "in" | "inSelect" | "exists" | "subquery" }>;

function compileMembership(expression: Membership, scope: Scope): Compiled {
  if (expression.type === "in") {
    const of = compileExpression(expression.of, scope);
    const list = expression.list.map((item) => as(compileExpression(item, scope), of.type));
    const { negated: not } = expression;
    return derived("boolean", [of, ...list], (frame) => {
      const value = of.evaluate(frame);
      return value === null ? null : list.some((item) => same(item.evaluate(frame), value)) !== not;
    });
  }
  const query = scope.select(expression.select, scope);
  const part = { type: "unknown" as const, slot: query.slot, evaluate: () => null };
  if (expression.type === "exists") return derived("boolean", [part], (frame) => query.rows(frame).length > 0);
  if (expression.type === "subquery")
    return derived(query.types[0] ?? "unknown", [part], (frame) => query.rows(frame)[0]?.[0] ?? null);
  const of = compileExpression(expression.of, scope);
  const { negated: not } = expression;
  return derived("boolean", [of, part], (frame) => {
    const value = of.evaluate(frame);
    return value === null ? null : query.rows(frame).some(([item]) => same(item ?? null, value)) !== not;
  });
}

function compileCase({ of, branches, otherwise }: Extract<Expression, { type: "case" }>, scope: Scope): Compiled {
  const tests = branches.map(({ when }) =>
    compileExpression(of ? { type: "binary", operator: "=", left: of, right: when } : when, scope),
  );
  const results = [...branches.map(({ result }) => result), ...(otherwise ? [otherwise] : [])].map((part) =>
    compileExpression(part, scope),
  );
  const type = results.reduce<SqlType>((found, part) => meeting(found, part.type), "unknown");
  const values = results.map((part) => as(part, type));
  return derived(type, [...tests, ...values], (frame) => {
    const chosen = tests.findIndex((test) => test.evaluate(frame) === true);
    return values[chosen === -1 ? tests.length : chosen]?.evaluate(frame) ?? null;
  });
}

function compileCall({ name, args }: Extract<Expression, { type: "call" }>, scope: Scope): Compiled {
  const values = args.map((argument) => compileExpression(argument, scope));
  const [first] = values;
  switch (name) {
    case "coalesce":
    case "greatest":
    case "least": {
      const type = values.reduce<SqlType>((found, part) => meeting(found, part.type), "unknown");
      return compileChoice(
        name,
        values.map((value) => as(value, type)),
        type,
      );
    }
    case "now":
    case "clock_timestamp":
      return { type: "instant", slot: -1, evaluate: (frame) => frame.nowMs() };
    case "nextval": {
      return derived("bigint", values, (frame) => frame.nextval(String(first?.evaluate(frame))));
    }
    case "gen_random_uuid":
      return { type: "text", slot: -1, evaluate: (frame) => frame.randomUuid() };
    case "floor":
    case "trunc":
    case "trim_scale":
    case "abs":
    case "length":
      return compileFunction(name, first ?? constant("unknown", null));
    case "split_part":
      return derived("text", values, (frame) => partOf(values.map(({ evaluate }) => evaluate(frame))));
    case "make_interval":
      return derived("interval", values, (frame) => Number(first?.evaluate(frame)) * 1_000);
    case "pg_advisory_xact_lock":
      // One transaction at a time: the lock is held already.
      return constant("unknown", null);
    case "has_schema_privilege":
    case "has_table_privilege":
      return constant("boolean", true);
    default:
      throw new Error(`the journal in memory has no function ${name}`);
  }
}

function compileChoice(name: string, values: readonly Compiled[], type: SqlType): Compiled {
  if (name === "coalesce")
    return derived(type, values, (frame) => {
      for (const { evaluate } of values) {
        const value = evaluate(frame);
        if (value !== null) return value;
      }
      return null;
    });
  const sign = name === "greatest" ? 1 : -1;
  return derived(type, values, (frame) => {
    let best: Value = null;
    for (const { evaluate } of values) {
      const value = evaluate(frame);
      if (value !== null && (best === null || compare(value, best) * sign > 0)) best = value;
    }
    return best;
  });
}

function compileFunction(name: "floor" | "trunc" | "trim_scale" | "abs" | "length", of: Compiled): Compiled {
  if (name === "trim_scale") return as(of, "numeric");
  if (name === "length") return derived("int", [of], (frame) => lengthOf(of.evaluate(frame)));
  const work = { floor: floorOf, trunc: truncated, abs: absolute }[name];
  return derived(of.type, [of], (frame) => {
    const value = of.evaluate(frame);
    return value === null ? null : work(value);
  });
}

function partOf([text = null, separator = null, position = null]: readonly Value[]): Value {
  if (text === null || separator === null || position === null) return null;
  return String(text).split(String(separator))[Number(position) - 1] ?? "";
}

function lengthOf(value: Value): Value {
  return value === null ? null : String(value).length;
}

function floorOf(value: Value): Value {
  if (typeof value !== "bigint") return Math.floor(Number(value));
  const rest = value % scale;
  return value - (rest < 0n ? rest + scale : rest);
}

function truncated(value: Value): Value {
  return typeof value === "bigint" ? value - (value % scale) : Math.trunc(Number(value));
}

function absolute(value: Value): Value {
  if (typeof value === "bigint") return value < 0n ? -value : value;
  return Math.abs(Number(value));
}
