import { describe, expect, test } from "vitest";
import { parseQuantity, sameQuantity } from "./quantity.ts";

describe("sameQuantity", () => {
  test.each([
    ["1", "1000m", true],
    [1, "1", true],
    ["0.5", "500m", true],
    ["1Gi", "1073741824", true],
    ["1.5Gi", "1536Mi", true],
    ["1e3", "1k", true],
    ["1E3", "1k", true],
    ["-1", "-1000m", true],
    ["1k", "1Ki", false],
    ["100m", "0.11", false],
    ["1n", "0.000000001", true],
    ["1 Gi", "1Gi", false],
    ["", "0", false],
    ["Gi", "1Gi", false],
    [undefined, "1", false],
  ])("%s and %s: %s", (a, b, same) => {
    expect(sameQuantity(a, b)).toBe(same);
  });
});

test.each(["1.5.2", "abc", "1X", "1e", "--1", "1Kib"])("%s is no quantity", (text) => {
  expect(parseQuantity(text)).toBeUndefined();
});
