import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { databaseErrors } from "./errors.ts";

const page = readFileSync(new URL("../../../../docs/journal.md", import.meta.url), "utf8");

test.each(Object.entries(databaseErrors))("docs/journal.md explains %s in the code's own words", (code, meaning) => {
  expect(page).toContain(`| \`${code}\` | ${meaning} |`);
});

test("every error code is used", () => {
  const folders = ["source-postgres", "restore-postgres", "shipping"].map((name) => new URL(`../${name}/`, import.meta.url));
  const source = folders
    .flatMap((folder) => readdirSync(folder).map((file) => new URL(file, folder)))
    .filter(({ pathname }) => !pathname.endsWith(".test.ts") && !pathname.endsWith("/errors.ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  expect(Object.keys(databaseErrors).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
});
