import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { PluginError, exitCodeOf, pluginErrors } from "./errors.ts";

const guide = readFileSync(path.join(import.meta.dirname, "../../docs/guides/operations.md"), "utf8");
const source = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.includes("testing") && file !== "errors.ts")
  .map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8"))
  .join("\n");

describe("errors", () => {
  test.each(Object.entries(pluginErrors))(
    "%s is in the guide with its exit code and meaning, and thrown somewhere",
    (code, { exit, means }) => {
      expect(guide).toContain(`| \`${code}\` | ${exit} | ${means} |`);
      expect(source).toContain(`"${code}"`);
    },
  );

  test("what nobody foresaw is a failure", () => {
    expect(exitCodeOf(new TypeError("x"))).toBe(1);
    expect(exitCodeOf(new PluginError("POLICY_NOT_FOUND", "x"))).toBe(3);
    expect(exitCodeOf(new PluginError("BAD_USAGE", "x"))).toBe(2);
  });
});
