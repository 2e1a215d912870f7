import { parseArgs } from "node:util";
import { BREAKER_TYPES, type BreakerType } from "@bellwether/crds";
import { PluginError } from "../errors.ts";
import {
  type CommandDefinition,
  type CommandName,
  type OptionName,
  commandDefinitions,
  commandNames,
  globalOptions,
  optionDefinitions,
} from "./commands.ts";

interface Writes {
  readonly policy: string | undefined;
  readonly reason: string | undefined;
  readonly dryRun: boolean;
}

/** What one command is asked to do. */
export type Request =
  | { readonly command: "status"; readonly policy: string | undefined }
  | ({ readonly command: "halt" | "reduce"; readonly all: boolean } & Writes)
  | ({ readonly command: "resume" } & Writes & { readonly reason: string })
  | ({
      readonly command: "reset-breaker";
      readonly type: BreakerType;
      readonly account: string | undefined;
      readonly strategy: string | undefined;
    } & Writes & { readonly reason: string })
  | ({ readonly command: "adopt"; readonly account: string; readonly confirmed: boolean } & Writes & { readonly reason: string })
  | {
      readonly command: "orders";
      readonly strategy: string | undefined;
      readonly policy: string | undefined;
      readonly openOnly: boolean;
      readonly limit: number;
    }
  | { readonly command: "why"; readonly intent: string; readonly policy: string | undefined };

/** Which cluster, and how to print. */
export interface Setting {
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  /** Where the chart is installed: the ServiceAccount that speaks for people lives there. */
  readonly platformNamespace: string;
  readonly output: "table" | "json";
}

export type Invocation =
  | { readonly kind: "help"; readonly command: CommandName | undefined }
  | { readonly kind: "run"; readonly request: Request; readonly setting: Setting };

type Values = Partial<Record<OptionName, string | boolean>>;

const longestReason = 300;

/**
 * Reads the words behind the program's name. Options may stand anywhere.
 *
 * @throws PluginError BAD_USAGE naming the word and what would be right
 */
export function parseCommandLine(words: readonly string[]): Invocation {
  const { values, positionals } = split(words);
  const [name, ...rest] = positionals;
  if (name === undefined || name === "help") {
    const about = rest[0];
    if (name === undefined && values.help !== true && words.length > 0) throw usage("no command is named", undefined);
    return { kind: "help", command: about === undefined ? undefined : commandOf(about) };
  }
  const command = commandOf(name);
  if (values.help === true) return { kind: "help", command };
  const definition = commandDefinitions[command];
  refuseForeignOptions(command, definition, values);
  const named = namePositionals(command, definition, rest);
  return { kind: "run", request: requestOf(command, named, values), setting: settingOf(command, values) };
}

function split(words: readonly string[]): { values: Values; positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(optionDefinitions).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
    return { values, positionals };
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause), undefined);
  }
}

function commandOf(word: string): CommandName {
  const found = commandNames.find((name) => name === word);
  if (found !== undefined) return found;
  throw usage(`there is no command '${word}': choose one of ${commandNames.join(", ")}`, undefined);
}

function refuseForeignOptions(command: CommandName, definition: CommandDefinition, values: Values): void {
  const allowed = new Set<string>([...globalOptions, ...definition.options]);
  for (const name of Object.keys(values)) if (!allowed.has(name)) throw usage(`${command} has no option --${name}`, command);
  for (const name of definition.required) {
    if (text(values, name) === undefined) throw usage(`${command} needs --${name}: ${optionDefinitions[name].describe}`, command);
  }
}

function namePositionals(
  command: CommandName,
  { positionals }: CommandDefinition,
  words: readonly string[],
): Readonly<Record<string, string>> {
  const extra = words[positionals.length];
  if (extra !== undefined) throw usage(`${command} takes no argument '${extra}'`, command);
  const named: Record<string, string> = {};
  for (const [index, positional] of positionals.entries()) {
    const word = words[index];
    const optional = positional.endsWith("?");
    if (word === undefined && !optional) throw usage(`${command} needs ${positional}`, command);
    if (word?.trim() === "") throw usage(`${command}: ${positional.replace("?", "")} is empty`, command);
    if (word !== undefined) named[positional.replace("?", "")] = word;
  }
  return named;
}

function requestOf(command: CommandName, named: Readonly<Record<string, string>>, values: Values): Request {
  const reason = reasonOf(command, values);
  const writes = { policy: named["POLICY"], reason, dryRun: values["dry-run"] === true };
  switch (command) {
    case "status":
      return { command, policy: named["POLICY"] };
    case "halt":
    case "reduce":
      if (values.all === true && writes.policy !== undefined)
        throw usage(`${command} takes a policy or --all, not both`, command);
      return { command, ...writes, all: values.all === true };
    case "resume":
      return { command, ...writes, reason: reason ?? "" };
    case "reset-breaker": {
      const type = breakerTypeOf(named["TYPE"] ?? "");
      const scope = { account: text(values, "account"), strategy: text(values, "strategy") };
      return { command, ...writes, reason: reason ?? "", type, ...scope };
    }
    case "adopt":
      return { command, ...writes, reason: reason ?? "", account: named["ACCOUNT"] ?? "", confirmed: values.yes === true };
    case "orders":
      return {
        command,
        strategy: named["STRATEGY"],
        policy: text(values, "policy"),
        openOnly: values.open === true,
        limit: limitOf(values),
      };
    case "why":
      return { command, intent: named["INTENT"] ?? "", policy: text(values, "policy") };
  }
}

function settingOf(command: CommandName, values: Values): Setting {
  const output = text(values, "output") ?? "table";
  if (output !== "table" && output !== "json") throw usage(`-o is '${output}': must be table or json`, command);
  const [namespace, context] = [text(values, "namespace"), text(values, "context")];
  const platformNamespace = text(values, "platform-namespace") ?? "bellwether";
  return { namespace, context, kubeconfig: text(values, "kubeconfig"), platformNamespace, output };
}

/** An option's text; an empty one is a fault, never the same as absent. */
function text(values: Values, name: OptionName): string | undefined {
  const value = values[name];
  if (typeof value !== "string") return undefined;
  if (value.trim() === "") throw usage(`--${name} is empty`, undefined);
  return value.trim();
}

function reasonOf(command: CommandName, values: Values): string | undefined {
  const reason = text(values, "reason");
  if (reason !== undefined && reason.length > longestReason) {
    throw usage(`--reason has ${reason.length} characters, at most ${longestReason}`, command);
  }
  // One line in status, events and journal; a line break there hides what follows it.
  return reason?.replaceAll(/\s+/g, " ");
}

function limitOf(values: Values): number {
  const given = text(values, "limit") ?? "50";
  const limit = Number(given);
  if (/^\d{1,3}$/.test(given) && limit >= 1 && limit <= 500) return limit;
  throw usage(`--limit is '${given}': must be a whole number from 1 to 500`, "orders");
}

/** `Drawdown`, `drawdown`, `rapid-loss`. */
function breakerTypeOf(word: string): BreakerType {
  const plain = word.replaceAll(/[-_]/g, "").toLowerCase();
  const found = BREAKER_TYPES.find((type) => type.toLowerCase() === plain);
  if (found !== undefined) return found;
  throw usage(`there is no circuit breaker '${word}': choose one of ${BREAKER_TYPES.join(", ")}`, "reset-breaker");
}

function usage(message: string, command: CommandName | undefined): PluginError {
  return new PluginError("BAD_USAGE", message, {
    next: `kubectl bellwether ${command === undefined ? "" : `${command} `}--help`,
  });
}
