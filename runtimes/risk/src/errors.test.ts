import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { riskErrors, riskStatus } from "./errors.ts";

const documentation = readFileSync(new URL("../../../docs/journal.md", import.meta.url), "utf8");

describe("risk's errors", () => {
  test.each(Object.entries(riskErrors))("%s is documented with its status and meaning", (code, meaning) => {
    const status = (riskStatus as Record<string, number>)[code] ?? "–";
    expect(documentation).toContain(`| \`${code}\` | ${status} | ${meaning} |`);
  });
});
