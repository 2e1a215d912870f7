import { BREAKER_TYPES } from "@bellwether/crds";
import { alertMetric, breakerType } from "@bellwether/trading/wire";
import { ALERT_METRICS } from "@bellwether/crds";
import { describe, expect, test } from "vitest";
import { PluginError } from "../errors.ts";
import { commandDefinitions, commandNames } from "./commands.ts";
import { type Invocation, parseCommandLine } from "./parse.ts";
import { usageText } from "./usage.ts";

const words = (line: string): string[] => line.split(" ").filter(Boolean);

function requestOf(line: string): Extract<Invocation, { kind: "run" }>["request"] {
  const invocation = parseCommandLine(words(line));
  if (invocation.kind !== "run") throw new Error("help");
  return invocation.request;
}

describe("the command line", () => {
  test.each([
    { line: "status", is: { command: "status", policy: undefined } },
    { line: "status demo", is: { command: "status", policy: "demo" } },
    { line: "halt", is: { command: "halt", policy: undefined, reason: undefined, dryRun: false, all: false } },
    {
      line: "halt demo --reason drill --dry-run",
      is: { command: "halt", policy: "demo", reason: "drill", dryRun: true, all: false },
    },
    { line: "halt --all", is: { command: "halt", policy: undefined, reason: undefined, dryRun: false, all: true } },
    { line: "--reason drill reduce demo", is: { command: "reduce", policy: "demo", reason: "drill", dryRun: false, all: false } },
    { line: "resume -r over", is: { command: "resume", policy: undefined, reason: "over", dryRun: false } },
    {
      line: "reset-breaker rapid-loss demo -r seen --account main",
      is: {
        command: "reset-breaker",
        type: "RapidLoss",
        policy: "demo",
        reason: "seen",
        dryRun: false,
        account: "main",
        strategy: undefined,
      },
    },
    {
      line: "adopt main -r deposit --yes",
      is: { command: "adopt", account: "main", policy: undefined, reason: "deposit", dryRun: false, confirmed: true },
    },
    { line: "orders", is: { command: "orders", strategy: undefined, policy: undefined, openOnly: false, limit: 50 } },
    {
      line: "orders trend --open --limit 7 -p demo",
      is: { command: "orders", strategy: "trend", policy: "demo", openOnly: true, limit: 7 },
    },
    { line: "why u/1/2/3", is: { command: "why", intent: "u/1/2/3", policy: undefined } },
  ])("$line", ({ line, is }) => {
    expect(requestOf(line)).toEqual(is);
  });

  test.each([
    {
      line: "-n demo --context prod --kubeconfig f -o json status",
      is: { namespace: "demo", context: "prod", kubeconfig: "f", platformNamespace: "bellwether", output: "json" },
    },
    {
      line: "status",
      is: { namespace: undefined, context: undefined, kubeconfig: undefined, platformNamespace: "bellwether", output: "table" },
    },
    {
      line: "status --platform-namespace infra",
      is: { namespace: undefined, context: undefined, kubeconfig: undefined, platformNamespace: "infra", output: "table" },
    },
  ])("the setting of: $line", ({ line, is }) => {
    expect(parseCommandLine(words(line))).toMatchObject({ setting: is });
  });

  test("a reason is one line, whatever was pasted", () => {
    const invocation = parseCommandLine(["halt", "--reason", "prices\nare\t wrong"]);
    expect(invocation).toMatchObject({ request: { reason: "prices are wrong" } });
  });

  test.each([
    { line: "halz", says: "'halz'" },
    { line: "halt a b", says: "'b'" },
    { line: "halt a --all", says: "not both" },
    { line: "resume --all -r x", says: "--all" },
    { line: "halt --limit 3", says: "--limit" },
    { line: "halt --what", says: "--what" },
    { line: "status --dry-run", says: "--dry-run" },
    { line: "resume demo", says: "--reason" },
    { line: "adopt -r x", says: "ACCOUNT" },
    { line: "reset-breaker Loss -r x", says: "'Loss'" },
    { line: "reset-breaker -r x", says: "TYPE" },
    { line: "orders --limit 0", says: "'0'" },
    { line: "orders --limit 501", says: "'501'" },
    { line: "orders --limit 1e2", says: "'1e2'" },
    { line: "why", says: "INTENT" },
    { line: "status -o yaml", says: "'yaml'" },
    { line: "-n demo", says: "no command" },
    { line: `halt --reason ${"x".repeat(301)}`, says: "301" },
  ])("refuses: $line", ({ line, says }) => {
    try {
      parseCommandLine(words(line));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(PluginError);
      expect(error).toMatchObject({ code: "BAD_USAGE", message: expect.stringContaining(says) as string });
      expect((error as PluginError).next).toContain("--help");
    }
  });

  test("an empty argument or option is a fault, never the default", () => {
    expect(() => parseCommandLine(["halt", ""])).toThrow("POLICY is empty");
    expect(() => parseCommandLine(["resume", "-r", " "])).toThrow("--reason is empty");
    expect(() => parseCommandLine(["status", "-n", ""])).toThrow("--namespace is empty");
  });
});

describe("help", () => {
  test.each([
    { line: "", about: undefined },
    { line: "--help", about: undefined },
    { line: "help", about: undefined },
    { line: "help why", about: "why" },
    { line: "why --help", about: "why" },
    { line: "resume -h", about: "resume" },
  ])("$line", ({ line, about }) => {
    expect(parseCommandLine(words(line))).toEqual({ kind: "help", command: about });
  });

  test.each(commandNames)("%s has examples that the parser takes", (name) => {
    const text = usageText(name);
    expect(commandDefinitions[name].examples.length).toBeGreaterThan(0);
    for (const example of commandDefinitions[name].examples) {
      expect(text).toContain(example);
      const line = example
        .replace("kubectl bellwether ", "")
        .replaceAll(/"([^"]*)"/g, (_, quoted: string) => quoted.replaceAll(" ", "_"));
      expect(parseCommandLine(words(line))).toMatchObject({ kind: "run", request: { command: name } });
    }
    for (const line of text.split("\n").slice(2)) expect(line.length).toBeLessThanOrEqual(130);
  });
});

describe("lists that stand in two places", () => {
  test("the circuit breakers of the wire are those of the RiskPolicy", () => {
    expect(breakerType.options).toEqual([...BREAKER_TYPES]);
  });

  test("the alert metrics of the wire are those of the Strategy", () => {
    expect(alertMetric.options).toEqual([...ALERT_METRICS]);
  });
});
