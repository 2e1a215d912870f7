import { AgentError } from "../errors.ts";

export type ParameterValue = string | number | boolean;

/** A documented parameter with the range it may take. */
export type ParameterSpec<Value extends ParameterValue = ParameterValue> = {
  readonly kind: "integer" | "decimal" | "choice" | "text";
  readonly default: Value;
  /** One sentence for docs/programs.md and for messages. */
  readonly about: string;
  /** Inclusive bounds: a number for integers, a decimal string for decimals. */
  readonly min?: Value;
  readonly max?: Value;
  readonly choices?: readonly Value[];
  /** Most characters of a text. */
  readonly maxLength?: number;
};

/** What `defineStrategy` takes: a bare default (any value of its kind goes) or a spec with a range. */
export type ParameterSpecs = { readonly [name: string]: ParameterValue | ParameterSpec };

/** A bare `20` is any number, not the literal 20. */
type Widened<Value> = Value extends number ? number : Value extends string ? string : Value extends boolean ? boolean : never;

/** The values a program sees as `context.parameters`. */
export type ParametersOf<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { readonly default: infer Value } ? Value : Widened<Specs[Name]>;
};

/** A whole number within bounds. */
export function integer(spec: { default: number; min: number; max: number; about: string }): ParameterSpec<number> {
  return { kind: "integer", ...spec };
}

/** A decimal string (money, ratios, prices) within bounds. */
export function decimal(spec: { default: string; min: string; max: string; about: string }): ParameterSpec<string> {
  return { kind: "decimal", ...spec };
}

/** One of a fixed set of words. */
export function choice<Value extends string>(spec: {
  default: Value;
  choices: readonly Value[];
  about: string;
}): ParameterSpec<Value> {
  return { kind: "choice", ...spec };
}

/** Free words, up to a length. */
export function text(spec: { default: string; maxLength: number; about: string }): ParameterSpec<string> {
  return { kind: "text", ...spec };
}

type Parsed = { readonly value: ParameterValue } | { readonly expected: string };

const decimalPattern = /^-?\d{1,24}(\.\d{1,18})?$/;
/** Text is taken for a number where one is meant: a manifest may hold its parameters as strings. */
const numberPattern = /^-?\d{1,15}(\.\d{1,15})?$/;

/**
 * The parameters a program runs with: its defaults, overridden by the manifest's values.
 *
 * @throws AgentError BAD_PARAMETERS with every fault: name, value and what is expected
 */
export function resolveParameters<Specs extends ParameterSpecs>(
  specs: Specs,
  overrides: Readonly<Record<string, ParameterValue>>,
): ParametersOf<Specs> {
  const faults: string[] = [];
  const values: Record<string, ParameterValue> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const given = Object.hasOwn(overrides, name) ? overrides[name] : undefined;
    const parsed = given === undefined ? { value: defaultOf(spec) } : parse(spec, given);
    if ("value" in parsed) values[name] = parsed.value;
    else faults.push(`parameter ${name} is ${JSON.stringify(given)}: must be ${parsed.expected}`);
  }
  const known = Object.keys(specs).join(", ") || "none";
  for (const name of Object.keys(overrides)) {
    if (!Object.hasOwn(specs, name)) faults.push(`parameter ${name} is unknown (known: ${known})`);
  }
  if (faults.length > 0) throw badParameters(faults);
  return Object.freeze(values) as ParametersOf<Specs>;
}

export function badParameters(faults: readonly string[]): AgentError {
  return new AgentError("BAD_PARAMETERS", faults.join("; "), { context: { faults } });
}

/** `a whole number from 2 to 500`: what a parameter may be, for messages and docs. */
export function expectation(spec: ParameterValue | ParameterSpec): string {
  if (typeof spec !== "object") return `a ${typeof spec}`;
  if (spec.kind === "choice") return `one of ${(spec.choices ?? []).join(", ")}`;
  if (spec.kind === "text") return `text of at most ${spec.maxLength ?? 0} characters`;
  const range = `from ${String(spec.min)} to ${String(spec.max)}`;
  return spec.kind === "integer" ? `a whole number ${range}` : `a decimal number ${range}`;
}

function defaultOf(spec: ParameterValue | ParameterSpec): ParameterValue {
  return typeof spec === "object" ? spec.default : spec;
}

function parse(spec: ParameterValue | ParameterSpec, given: ParameterValue): Parsed {
  const expected = expectation(spec);
  if (typeof spec !== "object") return parseBare(spec, given) ?? { expected };
  switch (spec.kind) {
    case "integer": {
      const value = toNumber(given);
      const inRange =
        value !== undefined && Number.isSafeInteger(value) && value >= Number(spec.min) && value <= Number(spec.max);
      return inRange ? { value } : { expected };
    }
    case "decimal": {
      const value = typeof given === "number" ? String(given) : given;
      if (typeof value !== "string" || !decimalPattern.test(value)) return { expected };
      return compareDecimals(value, String(spec.min)) >= 0 && compareDecimals(value, String(spec.max)) <= 0
        ? { value }
        : { expected };
    }
    case "choice":
      return spec.choices?.includes(given) ? { value: given } : { expected };
    case "text":
      return String(given).length <= (spec.maxLength ?? 0) ? { value: String(given) } : { expected };
  }
}

function parseBare(fallback: ParameterValue, given: ParameterValue): Parsed | undefined {
  if (typeof fallback === "number") {
    const value = toNumber(given);
    return value === undefined ? undefined : { value };
  }
  if (typeof fallback === "boolean") {
    if (typeof given === "boolean") return { value: given };
    return given === "true" || given === "false" ? { value: given === "true" } : undefined;
  }
  return typeof given === "boolean" ? undefined : { value: String(given) };
}

function toNumber(given: ParameterValue): number | undefined {
  if (typeof given === "number") return Number.isFinite(given) ? given : undefined;
  return typeof given === "string" && numberPattern.test(given) ? Number(given) : undefined;
}

/** Exact: bounds of money must not depend on binary fractions. */
function compareDecimals(left: string, right: string): number {
  const difference = scaled(left) - scaled(right);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

function scaled(text: string): bigint {
  const negative = text.startsWith("-");
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  const magnitude = BigInt(whole + fraction.padEnd(18, "0"));
  return negative ? -magnitude : magnitude;
}
