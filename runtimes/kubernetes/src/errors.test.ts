import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type KubernetesErrorCode, errorOfStatus, kubernetesErrors } from "./errors.ts";

const source = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8"))
  .join("\n");

describe("the registry of errors", () => {
  test.each(Object.entries(kubernetesErrors))("%s is explained and thrown somewhere", (code, meaning) => {
    expect(meaning).toMatch(/\w.*\.$/);
    const mentions = source.match(new RegExp(`"${code}"`, "g")) ?? [];
    expect(mentions.length, `nothing throws ${code satisfies string as KubernetesErrorCode}`).toBeGreaterThan(0);
  });

  test("a Status that asks to come back later says after how long", () => {
    const status = { code: 429, reason: "TooManyRequests", details: { retryAfterSeconds: 3 } };
    expect(errorOfStatus("GET /x", status)).toMatchObject({ code: "TOO_MANY_REQUESTS", context: { retryAfterMs: 3000 } });
    expect(errorOfStatus("GET /x", status, 1000).context.retryAfterMs).toBe(1000);
  });
});
