import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { brokerErrors, brokerStatus } from "./errors.ts";
import { failPointNames } from "./fail-points.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

describe("the broker's README", () => {
  test.each(Object.entries(brokerErrors))("explains %s in the code's own words, with its status", (code, meaning) => {
    const status = (brokerStatus as Record<string, number>)[code] ?? "–";
    expect(readme).toContain(`| \`${code}\` | ${status} | ${meaning} |`);
  });

  test.each(failPointNames.filter((name) => !name.includes("tombstone")))("draws the fail point %s", (name) => {
    expect(readme).toContain(name);
  });
});
