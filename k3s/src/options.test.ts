import { describe, expect, test } from "vitest";
import { chooseDriver } from "./choose-driver.ts";
import { ClusterError } from "./errors.ts";
import { exitCodeOf, explain } from "./explain.ts";
import { clusterChoices, downHelp, parseDownOptions, parseUpOptions, upHelp } from "./options.ts";

describe("the options of up", () => {
  test.each([
    { args: [], then: { cluster: "auto", samples: true, onlyCluster: false } },
    { args: ["--cluster", "source", "--no-samples"], then: { cluster: "source", samples: false } },
    {
      args: ["--cluster", "current", "--registry", "r.example.com/x"],
      then: { cluster: "current", registry: "r.example.com/x" },
    },
    { args: ["-h"], then: { help: true } },
  ])("$args", ({ args, then }) => {
    expect(parseUpOptions(args)).toMatchObject(then);
  });

  test.each([
    { args: ["--cluster", "minikube"], says: "choose one of auto, current" },
    { args: ["--cluster", "current"], says: "needs --registry" },
    { args: ["--registry", "x"], says: "--registry is for --cluster current" },
    { args: ["--clutser", "kind"], says: "--clutser" },
  ])("refuses $args", ({ args, says }) => {
    expect(() => parseUpOptions(args)).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining(says) as string }),
    );
  });

  test("the help names every choice, with examples and exit codes", () => {
    for (const choice of clusterChoices) expect(upHelp).toContain(`--cluster ${choice}`);
    expect(upHelp).toMatch(/Examples:[\s\S]*Exit codes:/);
    expect(downHelp).toContain("Exit codes:");
  });

  test("down may be quiet where there is nothing", () => {
    expect(parseDownOptions(["--quiet-when-absent"])).toEqual({ quietWhenAbsent: true, help: false });
  });
});

describe("auto", () => {
  test.each([
    { when: "kind works", facts: { recorded: undefined, kindWorks: true }, then: "kind" },
    { when: "kind does not work", facts: { recorded: undefined, kindWorks: false }, then: "source" },
    { when: "a source cluster is up", facts: { recorded: "source" as const, kindWorks: true }, then: "source" },
    { when: "Bellwether is in somebody's cluster", facts: { recorded: "current" as const, kindWorks: true }, then: "current" },
  ])("is $then when $when", ({ facts, then }) => {
    expect(chooseDriver("auto", facts)).toBe(then);
  });

  test("a named cluster is that cluster", () => {
    expect(chooseDriver("k3s", { recorded: undefined, kindWorks: true })).toBe("k3s");
  });
});

describe("an error", () => {
  test.each([
    { error: new ClusterError("USAGE", "x"), code: 2 },
    { error: new ClusterError("PREFLIGHT_FAILED", "x"), code: 3 },
    { error: new ClusterError("NOT_READY", "x"), code: 1 },
    { error: new Error("x"), code: 1 },
  ])("exits with $code", ({ error, code }) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  test("that was foreseen shows a sentence, another one its stack", () => {
    expect(explain(new ClusterError("NOT_READY", "the node sleeps"))).toMatch(
      /^\[ERROR\] the node sleeps\n\s+\(NOT_READY: .*again goes on/,
    );
    expect(explain(new Error("surprise"))).toMatch(/unexpected: Error: surprise\n\s+at /);
  });
});
