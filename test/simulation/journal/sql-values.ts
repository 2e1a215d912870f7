import { type Decimal, formatDecimal, parseDecimal } from "@bellwether/trading";

/**
 * What a cell holds: text, an int or bigint or instant (epoch ms) as number, an amount as scaled bigint, a boolean, an array; jsonb as its text.
 * The driver's own shapes appear only where a row leaves: see {@link toDriver}.
 */
export type Value = string | number | bigint | boolean | null | readonly string[];

/** `unknown`: a parameter or a literal in quotes, which takes the type of what it meets. */
export type SqlType =
  "text" | "int" | "bigint" | "numeric" | "boolean" | "instant" | "interval" | "jsonb" | "bytea" | "array" | "unknown";

const typeNames: Readonly<Record<string, SqlType>> = {
  text: "text",
  uuid: "text",
  varchar: "text",
  int: "int",
  integer: "int",
  smallint: "int",
  bigint: "bigint",
  numeric: "numeric",
  boolean: "boolean",
  timestamptz: "instant",
  interval: "interval",
  jsonb: "jsonb",
  json: "jsonb",
  bytea: "bytea",
  "text[]": "array",
};

export function sqlType(name: string): SqlType {
  const type = typeNames[name];
  if (!type) throw new Error(`the journal in memory has no type ${name}`);
  return type;
}

/** How values of `from` become values of `to`; undefined when they are the same already. */
export function conversion(from: SqlType, to: SqlType): ((value: Value) => Value) | undefined {
  if (from === to || (from === "int" && to === "bigint")) return undefined;
  switch (to) {
    case "numeric":
      return (value) => (value === null || typeof value === "bigint" ? value : parseDecimal(String(value)));
    case "int":
    case "bigint":
      return toInteger;
    case "text":
      return from === "unknown" ? toText : (value) => castToText(value);
    case "boolean":
      return (value) => (value === null || typeof value === "boolean" ? value : value === "true" || value === "t");
    case "instant":
      return (value) => (typeof value === "string" ? Date.parse(value) : value);
    case "interval":
      return (value) => (typeof value === "string" ? intervalMs(value) : value);
    case "array":
      return (value) => (typeof value === "string" ? arrayOf(value) : value);
    case "jsonb":
      return (value) => (value === null || typeof value === "string" ? value : JSON.stringify(value));
    default:
      return undefined;
  }
}

const scale = 10n ** 18n;

function toInteger(value: Value): Value {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "bigint") return Number((value < 0n ? value - scale / 2n : value + scale / 2n) / scale);
  return Number(value);
}

const unitsMs: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

/** `5 minutes`, `1 day`. */
function intervalMs(text: string): number {
  const [, count, unit] = /^(\d+)\s+([a-z]+?)s?$/.exec(text) ?? [];
  const unitMs = unitsMs[unit ?? ""];
  if (unitMs === undefined) throw new Error(`the journal in memory cannot read the interval ${text}`);
  return Number(count) * unitMs;
}

function toText(value: Value): Value {
  if (value === null || typeof value === "string") return value;
  return String(value);
}

function castToText(value: Value): Value {
  return typeof value === "bigint" ? formatDecimal(value as Decimal) : toText(value);
}

function arrayOf(text: string): readonly string[] {
  const inner = text.slice(1, -1);
  return inner === "" ? [] : inner.split(",");
}

/** A parameter as `pg` would send it. */
export function fromDriver(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.getTime();
  // bytea is kept as base64.
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value as readonly string[];
  return JSON.stringify(value);
}

/** A cell as `pg` would hand it out: bigint and numeric as text, instants as Date, jsonb parsed. */
export function toDriver(value: Value, type: SqlType): unknown {
  if (value === null) return null;
  switch (type) {
    case "bigint":
      return String(value);
    case "numeric":
      return typeof value === "bigint" ? formatDecimal(value as Decimal) : String(value);
    case "instant":
      return new Date(Number(value));
    case "jsonb":
      return JSON.parse(String(value));
    case "bytea":
      return Buffer.from(String(value), "base64");
    case "array":
      return [...(value as readonly string[])];
    default:
      return value;
  }
}

/** Whether two cells of one type are the same. */
export function same(left: Value, right: Value): boolean {
  if (typeof left === "object" && typeof right === "object" && left !== null && right !== null)
    return left.join() === right.join();
  return left === right;
}

export function compare(left: Value, right: Value): number {
  if (left === right) return 0;
  // Postgres puts nulls last.
  if (left === null) return 1;
  if (right === null) return -1;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Class 23 and the like: what Postgres says of a statement that breaks a rule of the schema. */
export class ConstraintError extends Error {
  readonly code: "23502" | "23503" | "23505" | "23514";

  constructor(code: ConstraintError["code"], message: string) {
    super(message);
    this.name = "ConstraintError";
    this.code = code;
  }
}
