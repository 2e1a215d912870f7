import { readFileSync } from "node:fs";
import type { z } from "zod";
import { CodedError, messageOf } from "./coded-error.ts";
import type { ServiceKitErrorCode } from "./errors.ts";

export type ConfigSource = { readonly file: string } | { readonly text: string };

const longestShownValue = 80;

/**
 * Reads, checks and freezes a service's configuration: once, at start.
 *
 * @throws CodedError CONFIG_UNREADABLE, or CONFIG_INVALID with every fault: where it is, what stands there, what is expected
 */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, source: ConfigSource): z.output<Schema> {
  const name = "file" in source ? source.file : "configuration";
  const raw = parseJson(name, source);
  const result = schema.safeParse(raw);
  if (result.success) return deepFreeze(result.data);

  const faults = result.error.issues.map((issue) => {
    const where = issue.path.join(".") || "(top level)";
    return `${where}: ${issue.message} (is ${shown(valueAt(raw, issue.path))})`;
  });
  throw new CodedError<ServiceKitErrorCode>(
    "CONFIG_INVALID",
    `${name} has ${faults.length} fault(s):\n  ${faults.join("\n  ")}`,
    {
      context: { faults },
    },
  );
}

function parseJson(name: string, source: ConfigSource): unknown {
  try {
    return JSON.parse("file" in source ? readFileSync(source.file, "utf8") : source.text);
  } catch (cause) {
    throw new CodedError<ServiceKitErrorCode>("CONFIG_UNREADABLE", `${name} cannot be read as JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = raw;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > longestShownValue ? `${text.slice(0, longestShownValue)}…` : text;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
