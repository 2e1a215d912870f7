import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { wireVerdict } from "../wire/intents.ts";
import { ALLOWED, denialReasons, toWireVerdict, type Denial } from "./verdict.ts";

const documentation = readFileSync(new URL("../../../../docs/verdicts.md", import.meta.url), "utf8");

describe("verdicts", () => {
  test.each(denialReasons)("%s is documented in docs/verdicts.md", (reason) => {
    expect(documentation).toContain(`| \`${reason}\` |`);
  });

  test("the documentation names no reason that does not exist", () => {
    const named = [...documentation.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
    expect(new Set(named)).toEqual(new Set(denialReasons));
  });

  test("an allowing verdict travels without reason", () => {
    expect(wireVerdict.parse(toWireVerdict(ALLOWED))).toEqual({ allowed: true });
  });

  test("a denial travels with its sentence and its numbers as text", () => {
    const denial: Denial = {
      allowed: false,
      reason: "INSUFFICIENT_CASH",
      required: parseDecimal("10.50"),
      available: parseDecimal("3"),
    };
    expect(wireVerdict.parse(toWireVerdict(denial))).toEqual({
      allowed: false,
      reason: "INSUFFICIENT_CASH",
      message: "10.5 needed, 3 free",
      numbers: { required: "10.5", available: "3" },
    });
  });

  test("a very long message is cut to what the wire takes", () => {
    const denial: Denial = { allowed: false, reason: "ORDER_INVALID", message: "x".repeat(900) };
    expect(() => wireVerdict.parse(toWireVerdict(denial))).not.toThrow();
  });
});
