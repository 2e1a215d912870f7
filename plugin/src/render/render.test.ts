import { describe, expect, test } from "vitest";
import { ago, difference, exact, instant, money, percent } from "./figures.ts";
import { oneLine, paint, plainStyle } from "./style.ts";
import { tableLines } from "./table.ts";

describe("a table", () => {
  const table = {
    columns: [{ title: "NAME", least: 6 }, { title: "N", align: "right" }, { title: "WHY", least: 8 }, { title: "EMPTY" }],
    rows: [
      ["short", "7", "because of a long story that nobody reads", ""],
      ["a-rather-long-name", "1200", { text: "no", tone: "bad" }, ""],
    ],
  } as const;

  test("is as wide as its cells where nobody limits it, and leaves out columns that say nothing", () => {
    expect(tableLines(table, plainStyle)).toEqual([
      "NAME                   N  WHY",
      "short                  7  because of a long story that nobody reads",
      "a-rather-long-name  1200  no",
    ]);
  });

  test.each([72, 60, 50, 40, 30])("fits a terminal of %i columns", (columns) => {
    const lines = tableLines(table, { colour: false, columns }, 2);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines.join("\n")).toContain("1200");
  });

  test("colours do not count as width", () => {
    const plain = tableLines(table, { colour: false, columns: 40 });
    const coloured = tableLines(table, { colour: true, columns: 40 });
    // oxlint-disable-next-line no-control-regex -- the escape sequences are what is looked for
    expect(coloured.map((line) => line.replaceAll(/\u001B\[\d+m/g, "").trimEnd())).toEqual(plain);
    expect(coloured.join("")).toContain("\u001B[31m");
  });

  test("without rows is its head", () => {
    expect(tableLines({ columns: [{ title: "A" }, { title: "B" }], rows: [] }, plainStyle)).toEqual(["A  B"]);
  });
});

describe("text from outside", () => {
  test.each([
    ["two\nlines", "two lines"],
    ["red \u001B[31mtext", "red [31mtext"],
    ["tab\tand\u0007bell", "tab and bell"],
    ["right\u202Eto left", "right to left"],
  ])("%j is one harmless line", (text, line) => {
    expect(oneLine(text)).toBe(line);
  });

  test("is painted on a terminal only", () => {
    expect(paint(plainStyle, "bad", "x")).toBe("x");
    expect(paint({ colour: true, columns: 80 }, "bad", "x")).toBe("\u001B[31mx\u001B[0m");
  });
});

describe("figures", () => {
  test.each([
    ["10012.345", "10,012.34"],
    ["1234567.8", "1,234,567.80"],
    ["-1234.5", "-1,234.50"],
    ["0", "0.00"],
    ["999.999", "1,000.00"],
    [undefined, ""],
  ])("money(%s) is %s", (text, shown) => {
    expect(money(text)).toBe(shown);
  });

  test.each([
    ["0.05", "5.00 %"],
    ["-0.012345", "-1.23 %"],
    ["1", "100.00 %"],
    [undefined, ""],
  ])("percent(%s) is %s", (ratio, shown) => {
    expect(percent(ratio)).toBe(shown);
  });

  test("quantities are exact and without zeros at the end", () => {
    expect([exact("0.0100"), exact("5"), exact(undefined)]).toEqual(["0.01", "5", ""]);
  });

  test("a difference says which way", () => {
    expect([difference("1.5", "1"), difference("1", "1.5"), difference("1", "1")]).toEqual(["+0.5", "-0.5", "0"]);
  });

  test.each([
    [-5_000, "now"],
    [0, "now"],
    [12_000, "12s"],
    [119_000, "119s"],
    [300_000, "5m"],
    [7_200_000, "2h"],
    [200_000_000, "2d"],
  ])("%i ms ago is %s", (elapsedMs, shown) => {
    expect(ago(1_000_000_000_000, 1_000_000_000_000 + elapsedMs)).toBe(shown);
  });

  test("times are UTC", () => {
    expect(instant(Date.parse("2026-11-21T14:03:09.999Z"))).toBe("2026-11-21 14:03:09Z");
  });
});
