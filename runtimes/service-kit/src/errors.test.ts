import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { serviceKitErrors } from "./errors.ts";

test("every error code is thrown somewhere and documented once", () => {
  const source = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "errors.ts")
    .map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8"))
    .join("\n");
  const unused = Object.keys(serviceKitErrors).filter((code) => !source.includes(`"${code}"`));
  expect(unused).toEqual([]);
});
