import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { checkpointErrors } from "./errors.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test.each(Object.entries(checkpointErrors))("the README explains %s in the code's own words", (code, meaning) => {
  expect(readme).toContain(`| \`${code}\` | ${meaning} |`);
});

test("every error code is used", () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" });
  const source = files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "errors.ts")
    .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
    .join("\n");
  expect(Object.keys(checkpointErrors).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
});
