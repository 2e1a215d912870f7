import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { gatewayErrors, gatewayStatus } from "./errors.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test.each(Object.entries(gatewayErrors))("the README explains %s in the code's own words, with its status", (code, meaning) => {
  const status = (gatewayStatus as Record<string, number>)[code] ?? "–";
  expect(readme).toContain(`| \`${code}\` | ${status} | ${meaning} |`);
});

test("every error code is used", () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" });
  const source = files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "errors.ts")
    .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
    .join("\n");
  expect(Object.keys(gatewayErrors).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
});

test("every metric is explained", () => {
  const names = readFileSync(new URL("metrics.ts", import.meta.url), "utf8").match(/"(?:gen_ai|bellwether_gateway)_\w+"/g) ?? [];
  const labels = new Set(["gen_ai_response_model", "gen_ai_token_type", "gen_ai_operation_name"]);
  const metrics = names.map((name) => name.slice(1, -1)).filter((name) => !labels.has(name));
  expect(metrics.length).toBeGreaterThan(5);
  expect(metrics.filter((name) => !readme.includes(name))).toEqual([]);
});
