import { expect, test } from "vitest";
import { formatDecimal } from "../decimal.ts";
import { flattenSlippage } from "./flatten.ts";

test.each([
  [0, "0.01"],
  [1, "0.02"],
  [2, "0.04"],
  [3, "0.08"],
  [4, "0.1"],
  [1_000, "0.1"],
])("after %i attempts a flattening sell may fill %s below the price", (attempts, then) => {
  expect(formatDecimal(flattenSlippage(attempts))).toBe(then);
});
