import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ControlPlane } from "../control-plane.ts";

type Json = { readonly [key: string]: unknown };

/**
 * Writes the JSON schemas that kubeconform reads, from the API server's own OpenAPI document: nothing is downloaded, and the schemas
 * are of exactly the version that is run. Objects are closed, so that unknown fields are found.
 *
 * @returns the `-schema-location` template
 */
export async function writeSchemas(plane: ControlPlane, directory: string): Promise<string> {
  const { stdout } = await plane.kubectl(["get", "--raw", "/openapi/v2"]);
  const { definitions } = JSON.parse(stdout) as { definitions: Record<string, Json> };
  const closed = Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, close(schema)]));
  mkdirSync(directory, { recursive: true });
  for (const [name, schema] of Object.entries(closed)) {
    for (const { group, version, kind } of kindsOf(schema)) {
      // What kubeconform calls the group of `apiVersion: v1` is v1.
      const prefix = group === "" ? version : group;
      const content = { $ref: `#/definitions/${name}`, definitions: reachable(name, closed) };
      writeFileSync(path.join(directory, `${prefix}_${version}_${kind.toLowerCase()}.json`), JSON.stringify(content));
    }
  }
  return `${directory}/{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json`;
}

/** The definitions that one refers to, itself included: the whole document in every file would take longer to read than all tests. */
function reachable(name: string, definitions: Record<string, Json>): Record<string, Json> {
  const found: Record<string, Json> = {};
  const waiting = [name];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const definition = definitions[next];
    if (definition === undefined || next in found) continue;
    found[next] = definition;
    for (const [, reference] of JSON.stringify(definition).matchAll(/"#\/definitions\/([^"]+)"/g)) waiting.push(reference ?? "");
  }
  return found;
}

const wanted = new Set([
  "ClusterRole",
  "ClusterRoleBinding",
  "ConfigMap",
  "CustomResourceDefinition",
  "DaemonSet",
  "Deployment",
  "Job",
  "Namespace",
  "NetworkPolicy",
  "Role",
  "RoleBinding",
  "Service",
  "ServiceAccount",
  "StatefulSet",
]);

function kindsOf(schema: Json): { group: string; version: string; kind: string }[] {
  const kinds = (schema["x-kubernetes-group-version-kind"] ?? []) as { group: string; version: string; kind: string }[];
  return kinds.filter(({ kind }) => wanted.has(kind));
}

/** The definitions of free-form JSON and of int-or-string are looser in truth than OpenAPI v2 can say. */
function close(schema: Json): Json {
  if (schema["format"] === "int-or-string") return {};
  const entries = Object.entries(schema).map(([key, value]) => [key, closeValue(key, value)]);
  const plain = Object.fromEntries(entries) as Json;
  return schema["properties"] !== undefined && schema["additionalProperties"] === undefined
    ? { ...plain, additionalProperties: false }
    : plain;
}

function closeValue(key: string, value: unknown): unknown {
  if (key === "properties")
    return Object.fromEntries(Object.entries(value as Record<string, Json>).map(([name, child]) => [name, close(child)]));
  if ((key === "items" || key === "additionalProperties") && typeof value === "object" && value !== null)
    return close(value as Json);
  return value;
}
