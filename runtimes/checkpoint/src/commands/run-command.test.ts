import { expect, test } from "vitest";
import { commands, isCommandName, usage } from "./index.ts";
import { shortened } from "./run-command.ts";

const finished = { command: "verify", startedAt: "2026-11-22T00:00:00.000Z", durationMs: 5, ok: false, verifiedCopies: 2 };

test("a result that fits stays as it is", () => {
  expect(JSON.parse(shortened(finished, 4_096))).toEqual(finished);
});

test("a result that does not fit keeps its figures and stays readable", () => {
  const long = {
    ...finished,
    message: "x".repeat(5_000),
    lost: Array.from({ length: 500 }, (_, index) => ({ id: String(index) })),
  };
  expect(JSON.parse(shortened(long, 4_096))).toEqual({ ...finished, shortened: true });
});

test("the usage explains every command with an example", () => {
  for (const [name, { example }] of Object.entries(commands)) {
    expect(isCommandName(name)).toBe(true);
    expect(usage).toContain(`\n  ${name.padEnd(14)} `);
    expect(usage).toContain(`node main.mjs ${example}\n`);
  }
  expect(isCommandName("toString")).toBe(false);
});
