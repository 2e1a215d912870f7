import { expect, test } from "vitest";
import { Redactor } from "./redaction.ts";

test("takes every key it has heard of out of a text, as often as it stands there", () => {
  const redactor = new Redactor();
  redactor.add("sk-1234567890");
  redactor.add("AIza-abcdefgh");
  expect(redactor.redact("sk-1234567890, AIza-abcdefgh and sk-1234567890")).toBe("[redacted], [redacted] and [redacted]");
});

test("leaves words alone that are too short to be a key", () => {
  const redactor = new Redactor();
  redactor.add("none");
  redactor.add("");
  expect(redactor.redact("none of it")).toBe("none of it");
});
