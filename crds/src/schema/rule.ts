import type { z } from "zod";

/**
 * One rule, said twice in one place: as a check for zod and as a CEL expression for the API server. zod's own `.refine()` vanishes
 * silently from the generated schema, so nothing else in this package may call it: the generator refuses a refinement it does not know.
 */
export interface Rule<Value> {
  /** True when the value is fine. Runs in TypeScript. */
  readonly check: (value: Value) => boolean;
  /** The same in CEL; `self` is the value. */
  readonly cel: string;
  /** What is wanted, with the allowed range: "must be between 1 and 16". */
  readonly message: string;
  /**
   * CEL text for the refused value, appended as "; got …". Leave out for objects, where the message must speak for itself, and for numbers:
   * the API server shows those, and the text of a number has no bound in its reckoning of costs.
   */
  readonly got?: string;
  /** The member to blame, such as "cron". The rule then stands on the object, the error at the member. */
  readonly member?: string;
}

/** One entry of `x-kubernetes-validations`. */
export interface KubernetesValidation {
  rule: string;
  message?: string;
  messageExpression?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

export const VALIDATIONS = "x-kubernetes-validations";

const pairedChecks = new WeakSet<object>();

/** True for a zod check that has its CEL (or OpenAPI) counterpart in the generated schema. */
export const isPaired = (check: object): boolean => pairedChecks.has(check);

/** A CEL string literal. */
const celText = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** `self.matches(…)` for a pattern that means the same in JavaScript and RE2. */
export function celMatches(pattern: RegExp, value = "self"): string {
  // A raw CEL string cannot hold its own quote, and RE2 has no look-around or back-references: neither may slip through.
  if (/'|\(\?[=!<]|\\[1-9]/.test(pattern.source) || pattern.flags !== "")
    throw new Error(`no pattern for CEL: ${String(pattern)}`);
  return `${value}.matches(r'${pattern.source}')`;
}

function validationsOf(schema: z.ZodType): KubernetesValidation[] {
  const known = schema.meta()?.[VALIDATIONS];
  return Array.isArray(known) ? (known as KubernetesValidation[]) : [];
}

/** Adds a validation that only the API server can hold, such as a comparison with the old object. */
export function withServerRule<Schema extends z.ZodType>(schema: Schema, validation: KubernetesValidation): Schema {
  return schema.meta({ [VALIDATIONS]: [...validationsOf(schema), validation] });
}

/** Adds a zod refinement whose counterpart is an OpenAPI keyword that zod has no method for, such as `maxProperties`. */
export function withKeywords<Schema extends z.ZodType>(
  schema: Schema,
  keywords: Readonly<Record<string, unknown>>,
  refinement: { readonly check: (value: z.output<Schema>) => boolean; readonly message: string },
): Schema {
  const refined = schema.refine(refinement.check, { error: refinement.message });
  markLastCheck(refined);
  return refined.meta({ ...keywords });
}

/** Adds the rule to the schema: refinement and CEL together. */
export function withRule<Schema extends z.ZodType>(schema: Schema, rule: Rule<z.output<Schema>>): Schema {
  const refined = schema.refine(rule.check, {
    error: ({ input }) => (typeof input === "object" ? rule.message : `${rule.message}; got ${JSON.stringify(input)}`),
    ...(rule.member === undefined ? {} : { path: [rule.member] }),
  });
  markLastCheck(refined);
  const told =
    rule.got === undefined
      ? { message: rule.message }
      : { messageExpression: `${celText(`${rule.message}; got `)} + ${rule.got}` };
  return withServerRule(refined, {
    rule: rule.cel,
    ...told,
    ...(rule.member === undefined ? {} : { fieldPath: `.${rule.member}` }),
  });
}

/** Several rules in order. */
export const withRules = <Schema extends z.ZodType>(schema: Schema, rules: readonly Rule<z.output<Schema>>[]): Schema =>
  rules.reduce((constrained, rule) => withRule(constrained, rule), schema);

/** Exactly one of the optional members is set. CEL instead of a union: the API server refuses unions of objects. */
export function exactlyOneOf<Schema extends z.ZodType>(
  schema: Schema,
  members: readonly (keyof z.output<Schema> & string)[],
): Schema {
  return withRule(schema, {
    check: (value) => members.filter((member) => value[member] !== undefined).length === 1,
    cel: `[${members.map((member) => `has(self.${member})`).join(", ")}].exists_one(set, set)`,
    message: `exactly one of ${members.join(", ")} must be set`,
  });
}

function markLastCheck(schema: z.ZodType): void {
  const check = schema._zod.def.checks?.at(-1);
  if (!check) throw new Error("invariant: a refinement left no check behind");
  pairedChecks.add(check);
}
