import { describe, expect, test } from "vitest";
import { decimalOf, difference, moneyOf, percentOf, ratioOf, scaledOf } from "./figures.ts";

describe("figures", () => {
  test.each(["0", "1", "-0.5", "10000.000000000000000001", "-12345678901234567890.1"])("%s keeps its value", (text) => {
    expect(decimalOf(scaledOf(text))).toBe(text);
  });

  test.each([
    ["0.01234", "1.23"],
    ["0.01235", "1.24"],
    ["-0.01235", "-1.24"],
    ["-0.00004", "0.00"],
    ["0", "0.00"],
    ["1", "100.00"],
    ["-1.5", "-150.00"],
  ])("%s is %s percent", (ratio, percent) => {
    expect(percentOf(ratio)).toBe(percent);
  });

  test.each([
    ["9626.1708776025448", "9626.17"],
    ["10000", "10000.00"],
    ["0.005", "0.01"],
    ["-12.345000000000000001", "-12.35"],
    ["-0.004", "0.00"],
  ])("%s is %s in a table", (amount, shown) => {
    expect(moneyOf(amount)).toBe(shown);
  });

  test("divides without floats, and not at all by nothing", () => {
    expect(ratioOf("1", "3")).toBe("0.33333333");
    expect(ratioOf("-1", "3")).toBe("-0.33333333");
    expect(ratioOf("1", "0")).toBe("0");
  });

  test("subtracts exactly", () => {
    expect(difference("0.3", "0.1")).toBe("0.2");
  });

  test.each(["", "1e3", "0.0000000000000000001", "x"])("refuses %j", (text) => {
    expect(() => scaledOf(text)).toThrow(RangeError);
  });
});
