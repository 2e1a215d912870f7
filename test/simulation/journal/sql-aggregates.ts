import { type Compiled, type Frame, type Scope, type Slots, compileExpression } from "./sql-expressions.ts";
import type { Expression, Select } from "./sql-syntax.ts";
import { type SqlType, type Value, compare } from "./sql-values.ts";
import { type Row, compositeKey } from "./tables.ts";

const aggregates = new Set(["max", "min", "sum", "count", "bool_or", "bool_and"]);

interface Aggregate {
  readonly name: string;
  readonly of: Compiled | undefined;
  readonly type: SqlType;
}

interface Grouped {
  readonly select: Select;
  readonly scope: Scope;
  run(frame: Frame, walk: (each: () => void) => void, take: () => void): void;
}

const alias = "$aggregates";

/** Splits a query with aggregates in two: what is gathered for each group, and what is made of it. Undefined for a query without. */
export function compileAggregates(select: Select, scope: Scope, slots: Slots): Grouped | undefined {
  const found: Aggregate[] = [];
  const replaced = replaceIn(select, (call) => {
    const of = call.args[0] && compileExpression(call.args[0], scope);
    found.push({ name: call.name, of, type: typeOf(call.name, of) });
    return { type: "column", path: [alias, `n${found.length - 1}`] };
  });
  if (found.length === 0 && select.groupBy.length === 0) return undefined;
  const slot = slots.next;
  slots.next += 1;
  const columns = found.map(({ type }, index) => ({ name: `n${index}`, type, notNull: false }));
  const inner: Scope = { ...scope, sources: [...scope.sources, { alias, slot, columns }] };
  const keys = select.groupBy.map((by) => compileExpression(by, scope));
  const having = replaced.having && compileExpression(replaced.having, inner).evaluate;
  return {
    select: replaced,
    scope: inner,
    run(frame, walk, take) {
      const groups = new Map<string, { sums: Value[]; rows: (Row | undefined)[] }>();
      // Without GROUP BY there is one group, of no rows if need be.
      if (keys.length === 0) groups.set("", { sums: found.map(start), rows: [] });
      walk(() => {
        const key = compositeKey(keys.map(({ evaluate }) => evaluate(frame)));
        const group = groups.get(key) ?? { sums: found.map(start), rows: [...frame.rows] };
        groups.set(key, group);
        for (const [index, aggregate] of found.entries()) group.sums[index] = gather(aggregate, group.sums[index] ?? null, frame);
      });
      for (const { sums, rows } of groups.values()) {
        for (const [index, row] of rows.entries()) frame.rows[index] = row;
        frame.rows[slot] = sums;
        if (!having || having(frame) === true) take();
      }
    },
  };
}

function start({ name }: Aggregate): Value {
  return name === "count" ? 0 : null;
}

function typeOf(name: string, of: Compiled | undefined): SqlType {
  if (name === "count") return "bigint";
  if (name === "sum") return of?.type === "int" ? "bigint" : "numeric";
  return of?.type ?? "unknown";
}

function gather({ name, of, type }: Aggregate, sum: Value, frame: Frame): Value {
  const value = of ? of.evaluate(frame) : 1;
  if (value === null) return sum;
  if (name === "count") return Number(sum) + 1;
  if (name === "sum") return added(sum, value, type === "numeric" && of?.type !== "numeric");
  if (sum === null) return value;
  if (name === "bool_or") return sum === true || value === true;
  if (name === "bool_and") return sum === true && value === true;
  return compare(value, sum) * (name === "max" ? 1 : -1) > 0 ? value : sum;
}

function added(sum: Value, value: Value, widen: boolean): Value {
  const amount = widen ? BigInt(Number(value)) * 10n ** 18n : value;
  if (typeof amount === "bigint") return (typeof sum === "bigint" ? sum : 0n) + amount;
  return Number(sum ?? 0) + Number(amount);
}

type Call = Extract<Expression, { type: "call" }>;

function replaceIn(select: Select, replace: (call: Call) => Expression): Select {
  const visit = (expression: Expression): Expression => replaced(expression, replace);
  return {
    ...select,
    items: select.items.map((item) => (item.expression ? { ...item, expression: visit(item.expression) } : item)),
    having: select.having && visit(select.having),
    orderBy: select.orderBy.map((order) => ({ ...order, by: visit(order.by) })),
  };
}

/** The expression with its own aggregates replaced; those of queries within belong to these. */
function replaced(expression: Expression, replace: (call: Call) => Expression): Expression {
  const visit = (part: Expression): Expression => replaced(part, replace);
  switch (expression.type) {
    case "call":
      return aggregates.has(expression.name) ? replace(expression) : { ...expression, args: expression.args.map(visit) };
    case "binary":
      return { ...expression, left: visit(expression.left), right: visit(expression.right) };
    case "cast":
    case "not":
    case "negate":
    case "isNull":
      return { ...expression, of: visit(expression.of) };
    case "case":
      return {
        ...expression,
        branches: expression.branches.map(({ when, result }) => ({ when: visit(when), result: visit(result) })),
        otherwise: expression.otherwise && visit(expression.otherwise),
      };
    case "column":
    case "parameter":
    case "literal":
    case "extract":
    case "any":
    case "in":
    case "inSelect":
    case "exists":
    case "subquery":
      return expression;
  }
}
