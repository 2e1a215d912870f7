import { expect, test } from "vitest";
import { isNewer } from "./resource-version.ts";

test.each([
  ["10", "9", true],
  ["9", "10", false],
  ["10", "10", false],
  ["9007199254740993", "9007199254740992", true],
  ["opaque", "10", true],
  ["010", "9", true],
])("%s newer than %s: %s", (a, b, newer) => {
  expect(isNewer(a, b)).toBe(newer);
});
