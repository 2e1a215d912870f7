import { z } from "zod";
import { type KubernetesValidation, VALIDATIONS, isPaired } from "../schema/rule.ts";

/**
 * A structural schema as a CustomResourceDefinition takes it. Only what is listed here can come out of `structuralSchema`:
 * a keyword it does not know is an error, never dropped.
 */
export interface StructuralSchema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  description?: string;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  additionalProperties?: StructuralSchema;
  maxProperties?: number;
  items?: StructuralSchema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  enum?: string[];
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: KubernetesValidation[];
}

/** A schema that no CRD can say. `path` is the field. */
export class SchemaNotStructural extends Error {
  override readonly name = "SchemaNotStructural";
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

const ANNOTATIONS = ["description", VALIDATIONS] as const;
/** Keywords by type of node. What is not here fails: the API server would refuse it, or worse, drop it. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  object: ["type", "properties", "required", "additionalProperties", "maxProperties", ...ANNOTATIONS],
  array: ["type", "items", "minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", ...ANNOTATIONS],
  string: ["type", "minLength", "maxLength", "enum", ...ANNOTATIONS],
  integer: ["type", "minimum", "maximum", ...ANNOTATIONS],
  boolean: ["type", ...ANNOTATIONS],
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Turns a zod schema into a structural schema, or refuses.
 *
 * @param root name of the field the schema stands for, for messages
 * @throws SchemaNotStructural for a refinement without CEL, a keyword the API server does not take, a text, list or map without a bound
 */
export function structuralSchema(schema: z.ZodType, root: string): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    cycles: "throw",
    unrepresentable: "throw",
    override: ({ zodSchema, path }) => refuseWhatWouldVanish(zodSchema, [root, ...path].join(".")),
  });
  const { $schema: _, ...plain } = json as Record<string, unknown>;
  return normalise(plain, root);
}

/** Types of zod that have a structural counterpart, and the wrapper for what may be left out. Transformations, for one, would vanish. */
const ZOD_TYPES = new Set(["object", "array", "record", "string", "number", "boolean", "enum", "union", "optional"]);

/** A refinement that `withRule` did not make has no counterpart in CEL: zod would drop it silently and the two would disagree. */
function refuseWhatWouldVanish(schema: z.core.$ZodTypes, path: string): void {
  if (!ZOD_TYPES.has(schema._zod.def.type))
    throw new SchemaNotStructural(path, `is a ${schema._zod.def.type} of zod, which no CRD can say`);
  for (const check of schema._zod.def.checks ?? []) {
    if (check._zod.def.check === "custom" && !isPaired(check)) {
      throw new SchemaNotStructural(path, "has a .refine() without CEL; use withRule");
    }
  }
}

function normalise(node: Json, path: string): StructuralSchema {
  if (node["x-kubernetes-int-or-string"] === true) return intOrString(node, path);
  const type = String(node["type"]);
  const allowed = KEYWORDS[type];
  if (!allowed) throw new SchemaNotStructural(path, `has no type the API server takes: ${JSON.stringify(node).slice(0, 200)}`);
  for (const keyword of Object.keys(node)) {
    if (!allowed.includes(keyword)) throw new SchemaNotStructural(path, `keyword ${keyword} is not for a ${type}`);
  }
  switch (type) {
    case "object":
      return node["properties"] === undefined ? mapSchema(node, path) : objectSchema(node, path);
    case "array":
      return arraySchema(node, path);
    case "string":
      if (node["maxLength"] === undefined && node["enum"] === undefined)
        throw new SchemaNotStructural(path, "needs .max(): CEL is billed by it");
      return node;
    case "integer":
      return integerSchema(node, path);
    default:
      return node;
  }
}

/** zod says a union; the API server has one keyword for this one union, and takes no bound of the text beside it. */
function intOrString(node: Json, path: string): StructuralSchema {
  for (const keyword of Object.keys(node)) {
    if (!["anyOf", "x-kubernetes-int-or-string", ...ANNOTATIONS].includes(keyword)) {
      throw new SchemaNotStructural(path, `keyword ${keyword} is not for an int-or-string`);
    }
  }
  const members = (node["anyOf"] as readonly Json[]).map((member) => member["type"]);
  if (members.join() !== "integer,string") throw new SchemaNotStructural(path, `int-or-string is a union of ${members.join()}`);
  const maxLength = (node["anyOf"] as readonly Json[])[1]?.["maxLength"];
  if (typeof maxLength !== "number") throw new SchemaNotStructural(path, "needs .max() on its text");
  return { ...annotations(node), "x-kubernetes-int-or-string": true, maxLength };
}

const annotations = (node: Json): StructuralSchema =>
  Object.fromEntries(ANNOTATIONS.filter((keyword) => node[keyword] !== undefined).map((keyword) => [keyword, node[keyword]]));

function objectSchema(node: Json, path: string): StructuralSchema {
  // strictObject says so in JSON Schema; in a CRD unknown fields are refused (or pruned) anyway, and the keyword is forbidden beside properties.
  if (node["additionalProperties"] !== false) throw new SchemaNotStructural(path, "must be a strictObject");
  const { additionalProperties: _, properties, ...rest } = node;
  const entries = Object.entries(properties as Record<string, Json>).map(([name, child]) => {
    const childPath = `${path}.${name}`;
    const normal = normalise(child, childPath);
    if (!normal.description) throw new SchemaNotStructural(childPath, "needs a description");
    return [name, normal] as const;
  });
  return { ...(rest as StructuralSchema), properties: Object.fromEntries(entries) };
}

function mapSchema(node: Json, path: string): StructuralSchema {
  const { additionalProperties, ...rest } = node;
  if (rest["maxProperties"] === undefined) throw new SchemaNotStructural(path, "needs a bound on its entries: use map()");
  if (typeof additionalProperties !== "object" || additionalProperties === null)
    throw new SchemaNotStructural(path, "is a map of anything");
  return { ...(rest as StructuralSchema), additionalProperties: normalise(additionalProperties as Json, `${path}[*]`) };
}

function arraySchema(node: Json, path: string): StructuralSchema {
  if (node["maxItems"] === undefined) throw new SchemaNotStructural(path, "needs .max(): CEL is billed by it");
  if (node["x-kubernetes-list-type"] === undefined)
    throw new SchemaNotStructural(path, "needs a list type: listMap, listSet or listAtomic");
  return { ...(node as StructuralSchema), items: normalise(node["items"] as Json, `${path}[]`) };
}

/** `z.int()` always has the bounds of a safe integer, which say nothing. */
function integerSchema(node: Json, path: string): StructuralSchema {
  const { minimum, maximum, ...rest } = node;
  if (typeof minimum !== "number" || typeof maximum !== "number")
    throw new SchemaNotStructural(path, "needs bounds: use wholeNumber()");
  return {
    ...rest,
    ...(minimum === Number.MIN_SAFE_INTEGER ? {} : { minimum }),
    ...(maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
  };
}
