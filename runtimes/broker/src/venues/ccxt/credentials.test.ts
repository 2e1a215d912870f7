import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode } from "@bellwether/service-kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fingerprintOf, readCredentials } from "./credentials.ts";

describe("keys of an account", () => {
  let directory: string;
  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "bellwether-credentials-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const write = (files: Record<string, string>): void => {
    for (const [name, value] of Object.entries(files)) writeFileSync(join(directory, name), value);
  };

  test("are read from files, without the newline at their end", () => {
    write({ apiKey: "key\n", secret: "-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\n" });
    expect(readCredentials(directory, ["apiKey", "secret"])).toEqual({
      apiKey: "key",
      secret: "-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----",
    });
  });

  test.each<{ when: string; files: Record<string, string>; says: string[] }>([
    { when: "one is missing", files: { apiKey: "canary-key" }, says: ["secret is missing"] },
    { when: "both are wrong", files: { apiKey: " ", secret: "canary secret" }, says: ["apiKey is empty", "secret holds blanks"] },
    { when: "one is far too long", files: { apiKey: "canary".repeat(2_000), secret: "x" }, says: ["apiKey is too long"] },
  ])("$when: every fault is named, no value is", ({ files, says }) => {
    write(files);
    try {
      readCredentials(directory, ["apiKey", "secret"]);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, "CREDENTIALS_INVALID")).toBe(true);
      const text = `${(error as Error).message} ${JSON.stringify(error)}`;
      for (const part of says) expect(text).toContain(part);
      expect(text).not.toContain("canary");
      expect(text).not.toContain(directory);
    }
  });

  test("have a fingerprint per exchange that does not hold them", () => {
    const credentials = { apiKey: "canary-key", secret: "s" };
    const print = fingerprintOf("binance", credentials);
    expect(print).toMatch(/^[0-9a-f]{64}$/);
    expect(print).not.toContain("canary");
    expect(fingerprintOf("okx", credentials)).not.toBe(print);
    expect(fingerprintOf("binance", { apiKey: "canary-key", secret: "rotated" })).toBe(print);
  });
});
