import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CodedError } from "./coded-error.ts";
import { loadConfig } from "./config.ts";

const schema = z.strictObject({ port: z.int().min(1).max(65_535), risk: z.strictObject({ url: z.url() }) });

function faultOf(text: string): CodedError {
  try {
    loadConfig(schema, { text });
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error("no fault was found");
}

describe("loadConfig", () => {
  test("returns a frozen configuration", () => {
    const config = loadConfig(schema, { text: '{"port": 8080, "risk": {"url": "http://127.0.0.1:8080"}}' });
    expect(config.port).toBe(8080);
    expect(() => Object.assign(config.risk, { url: "" })).toThrow(TypeError);
  });

  test("names every fault with its place and its value, not only the first", () => {
    const fault = faultOf('{"port": 70000, "risk": {"url": 5}, "extra": true}');
    expect(fault.code).toBe("CONFIG_INVALID");
    expect(fault.message).toContain("port:");
    expect(fault.message).toContain("70000");
    expect(fault.message).toContain("risk.url:");
    expect(fault.message).toContain("extra");
  });

  test("says what is missing", () => {
    expect(faultOf('{"port": 1}').message).toContain("(is missing)");
  });

  test("tells unreadable from invalid", () => {
    expect(faultOf("{not json").code).toBe("CONFIG_UNREADABLE");
    expect(() => loadConfig(schema, { file: "/nonexistent/config.json" })).toThrow(
      expect.objectContaining({ code: "CONFIG_UNREADABLE" }),
    );
  });
});
