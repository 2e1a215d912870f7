import { API_VERSION, CATEGORY } from "../custom-resource.ts";
import { EXAMPLES } from "../examples/index.ts";
import type { KindDefinition } from "../kinds.ts";
import { objectSchemaOf } from "./crd.ts";
import { GENERATED_NOTICE, toYaml } from "./crd-yaml.ts";
import type { StructuralSchema } from "./normalise.ts";

interface Row {
  readonly field: string;
  readonly type: string;
  readonly required: boolean;
  readonly text: string;
}

/** File name of a kind's pages: `risk-policy` for RiskPolicy. */
export const pageName = (kind: KindDefinition): string =>
  kind.names.kind.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

const TYPE_NAMES: Readonly<Record<string, string>> = { string: "text", integer: "whole number", boolean: "true or false" };

function typeOf(schema: StructuralSchema): string {
  if (schema["x-kubernetes-int-or-string"]) return "whole number or text";
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(" · ");
  if (schema.type === "array")
    return `list of ${schema.items?.type === "object" ? "objects" : typeOf(schema.items ?? {})}, at most ${schema.maxItems}`;
  if (schema.additionalProperties) return `map, at most ${schema.maxProperties} entries`;
  return TYPE_NAMES[schema.type ?? "object"] ?? "object";
}

/** What the rules of a field say, without the CEL that quotes the refused value. */
function rulesOf(schema: StructuralSchema): string[] {
  return (schema["x-kubernetes-validations"] ?? []).map(({ message, messageExpression }) => {
    const text = message ?? /^'((?:[^'\\]|\\.)*)'/.exec(messageExpression ?? "")?.[1] ?? "";
    return text
      .replaceAll("\\'", "'")
      .replaceAll("\\\\", "\\")
      .replace(/; got $/, "");
  });
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const sentence = (text: string): string => (text === "" || text.endsWith(".") ? text : `${text}.`);
/** Names of fields (`onBar`, `spec.models`) keep their first letter. */
const capital = (text: string): string => (/^[a-z]+ /.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text);

function rowsOf(schema: StructuralSchema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const field = `${prefix}${name}${child.type === "array" ? "[]" : ""}`;
    const inner = child.type === "array" ? child.items : (child.additionalProperties ?? child);
    const says = [...new Set([...rulesOf(child), ...(inner === child || inner === undefined ? [] : rulesOf(inner))])];
    const text = [child.description ?? "", ...says.map((rule) => sentence(capital(rule)))].join(" ");
    const row = { field, type: typeOf(child), required: schema.required?.includes(name) ?? false, text };
    const deeper = inner?.properties ? rowsOf(inner, `${field}.`) : [];
    return [row, ...deeper];
  });
}

function table(schema: StructuralSchema): string {
  const rows = rowsOf(schema, "").map(
    ({ field, type, required, text }) => `| \`${field}\`${required ? " **required**" : ""} | ${cell(type)} | ${cell(text)} |`,
  );
  return ["| field | type | meaning |", "|---|---|---|", ...rows].join("\n");
}

function columnTable(kind: KindDefinition): string {
  const rows = kind.columns.map(
    ({ name, description, wide }) => `| \`${name}\`${wide ? " (with `-o wide`)" : ""} | ${cell(description)} |`,
  );
  return ["| column | meaning |", "|---|---|", ...rows].join("\n");
}

function exampleOf(kind: KindDefinition, name: string): string {
  const manifest = EXAMPLES.find((examples) => examples.kind === kind.names.kind)?.accept.find(
    (example) => example.name === name,
  )?.manifest;
  if (!manifest) throw new Error(`no example called ${name} of ${kind.names.kind}`);
  return `\`\`\`yaml\n${toYaml(manifest)}\`\`\``;
}

/** The reference page of a kind: every field with its type, meaning and allowed values, from the schema that the API server enforces. */
export function referencePage(kind: KindDefinition): string {
  const { names } = kind;
  const schema = objectSchemaOf(kind);
  const { spec, status } = schema.properties ?? {};
  if (!spec || !status) throw new Error("invariant: every kind has spec and status");
  const rules = [...rulesOf(schema), ...rulesOf(spec)].map((rule) => `- ${sentence(capital(rule))}`);
  return (
    [
      `<!-- ${GENERATED_NOTICE} -->`,
      `# ${names.kind}`,
      `${kind.summary} How to use it: [guide](../guides/${pageName(kind)}.md).`,
      `\`${API_VERSION}\`, namespaced. \`kubectl get ${names.shortNames.join("|")}\`, \`kubectl get ${names.plural}\`, or all kinds together: \`kubectl get ${CATEGORY}\`.`,
      "The least that can be said:",
      exampleOf(kind, "the least that can be said"),
      "Every field:",
      exampleOf(kind, "every field"),
      "## spec",
      "Defaults are filled in by the operator and shown in `status`; the stored object stays as you wrote it.",
      table(spec),
      "Rules over several fields:",
      rules.join("\n"),
      "## status",
      "Only the operator writes it.",
      table(status),
      `## kubectl get ${names.shortNames[0]}`,
      columnTable(kind),
      "",
    ]
      .join("\n\n")
      .trimEnd() + "\n"
  );
}
