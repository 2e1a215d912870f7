import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { agentErrors } from "./errors.ts";
import { exitCodes } from "./config.ts";
import { expectation } from "./interface/parameters.ts";
import { builtinNames, builtinProgram } from "./programs/builtins.ts";

const guide = readFileSync(new URL("../../../docs/programs.md", import.meta.url), "utf8");

test("docs/programs.md names every error code and exit code", () => {
  expect(Object.keys(agentErrors).filter((code) => !guide.includes(`\`${code}\``))).toEqual([]);
  expect(Object.values(exitCodes).filter((code) => !guide.includes(`\`${code}\``))).toEqual([]);
});

test.each(builtinNames)("docs/programs.md has %s's parameters with their defaults and ranges", (name) => {
  const section = guide.split(`### ${name}\n`)[1]?.split("\n### ")[0] ?? "";
  for (const [parameter, spec] of Object.entries(builtinProgram(name).parameters)) {
    const fallback = typeof spec === "object" ? spec.default : spec;
    const about = typeof spec === "object" ? spec.about : "";
    const cells = section
      .split("\n")
      .find((line) => line.startsWith(`| \`${parameter}\` |`))
      ?.split("|")
      .map((cell) => cell.trim());
    expect(cells).toEqual([
      "",
      `\`${parameter}\``,
      String(fallback),
      expectation(spec).replace(/^a (whole|decimal) number /, ""),
      about,
      "",
    ]);
  }
});
