import { describe, expect, test } from "vitest";
import { z } from "zod";
import { exactlyOneOf, withRule } from "../schema/rule.ts";
import { intOrString, listAtomic, listMap, map, wholeNumber } from "../schema/scalars.ts";
import { SchemaNotStructural, structuralSchema } from "./normalise.ts";

const field = (schema: z.ZodType) => z.strictObject({ value: schema.describe("A value.") });
const generate = (schema: z.ZodType) => structuralSchema(field(schema), "spec").properties?.["value"];

describe("the generator", () => {
  test("writes a rule beside the schema it belongs to", () => {
    const even = withRule(z.string().max(3), {
      check: (text) => text.length % 2 === 0,
      cel: "self.size() % 2 == 0",
      message: "must be even",
      got: "self",
    });
    expect(generate(even)).toMatchObject({
      type: "string",
      maxLength: 3,
      "x-kubernetes-validations": [{ rule: "self.size() % 2 == 0", messageExpression: "'must be even; got ' + self" }],
    });
  });

  test("says exactly one of several members in CEL", () => {
    const schema = exactlyOneOf(
      z.strictObject({ a: z.boolean().optional().describe("A."), b: z.boolean().optional().describe("B.") }),
      ["a", "b"],
    );
    expect(generate(schema)?.["x-kubernetes-validations"]).toEqual([
      { rule: "[has(self.a), has(self.b)].exists_one(set, set)", message: "exactly one of a, b must be set" },
    ]);
  });

  test("drops what the API server forbids and what says nothing", () => {
    const object = generate(z.strictObject({ count: z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe("A count.") }));
    expect(object).not.toHaveProperty("additionalProperties");
    expect(object?.properties?.["count"]).toEqual({ type: "integer", minimum: 0, description: "A count." });
  });

  test("merges lists by their keys", () => {
    const list = listMap(z.strictObject({ name: z.string().max(9).describe("Name.") }), ["name"], 4);
    expect(generate(list)).toMatchObject({
      maxItems: 4,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
    });
  });

  test("writes the API server's own union of whole numbers and text", () => {
    expect(generate(intOrString(9))).toEqual({ "x-kubernetes-int-or-string": true, maxLength: 9, description: "A value." });
  });

  test("bounds maps and their keys", () => {
    const key = { pattern: /^[a-z]+$/, max: 5, message: "letters" };
    expect(generate(map(key, z.string().max(3), 2))).toMatchObject({
      type: "object",
      maxProperties: 2,
      additionalProperties: { maxLength: 3 },
    });
  });
});

// What zod would drop or write in a form that the API server refuses: each must stop the generator, none may vanish.
test.each<{ what: string; schema: () => z.ZodType }>([
  {
    what: "a refinement without CEL",
    schema: () =>
      z
        .string()
        .max(3)
        .refine((text) => text !== "no"),
  },
  {
    what: "a refinement without CEL on an object",
    schema: () => z.strictObject({ a: z.boolean().describe("A.") }).refine(() => true),
  },
  { what: "a text without a bound", schema: () => z.string() },
  { what: "a list without a bound", schema: () => z.array(z.boolean()).meta({ "x-kubernetes-list-type": "atomic" }) },
  { what: "a list without a type", schema: () => z.array(z.boolean()).max(3) },
  { what: "a map without a bound", schema: () => z.record(z.string(), z.boolean()) },
  { what: "a loose object", schema: () => z.looseObject({ a: z.boolean().describe("A.") }) },
  { what: "a plain object, which drops fields silently", schema: () => z.object({ a: z.boolean().describe("A.") }) },
  { what: "a union of objects", schema: () => z.union([z.strictObject({ a: z.boolean() }), z.strictObject({ b: z.boolean() })]) },
  {
    what: "a discriminated union",
    schema: () => z.discriminatedUnion("t", [z.strictObject({ t: z.literal("a") }), z.strictObject({ t: z.literal("b") })]),
  },
  { what: "a union of number and text that is not tagged", schema: () => z.union([z.int(), z.string().max(3)]) },
  { what: "anything at all", schema: () => z.unknown() },
  { what: "a tuple", schema: () => z.tuple([z.boolean()]) },
  { what: "null", schema: () => z.boolean().nullable() },
  { what: "a default", schema: () => z.boolean().default(true) },
  { what: "a pattern without its CEL", schema: () => z.string().max(3).regex(/a/) },
  { what: "a format of zod's own", schema: () => z.email().max(100) },
  { what: "a whole number without bounds", schema: () => z.number() },
  { what: "a fraction", schema: () => z.number().min(0).max(1) },
  { what: "a transformation", schema: () => z.string().max(3).transform(Number) },
  { what: "a field without a description", schema: () => z.strictObject({ a: z.boolean() }) },
  { what: "a schema with an id", schema: () => listAtomic(z.boolean().meta({ id: "flag" }), 3) },
])("refuses $what", ({ schema }) => {
  expect(() => generate(schema())).toThrow();
});

test("names the field it refuses", () => {
  const schema = z.strictObject({ limits: z.strictObject({ most: z.string().describe("Most.") }).describe("Limits.") });
  expect(() => structuralSchema(schema, "spec")).toThrow(SchemaNotStructural);
  expect(() => structuralSchema(schema, "spec")).toThrow("spec.limits.most: needs .max()");
});

test("refuses a pattern that RE2 does not know", () => {
  expect(() => wholeNumber(1, 2)).not.toThrow();
  expect(() => map({ pattern: /^(?!a)/, max: 3, message: "" }, z.boolean(), 1)).toThrow("no pattern for CEL");
});
