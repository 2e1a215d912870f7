import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  add,
  decimalFromInteger,
  decimalFromNumber,
  decimalToNumber,
  divide,
  exceedsRatio,
  floorToStep,
  formatDecimal,
  multiply,
  multiplyDivide,
  parseDecimal,
  ratioOf,
  roundToDecimals,
  type Decimal,
  type Rounding,
} from "./decimal.ts";

const d = parseDecimal;
const anyDecimal = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }) as unknown as fc.Arbitrary<Decimal>;
const positive = fc.bigInt({ min: 1n, max: 10n ** 40n }) as unknown as fc.Arbitrary<Decimal>;

describe("parseDecimal and formatDecimal", () => {
  test.each([
    ["0", "0"],
    ["-0", "0"],
    ["007.50", "7.5"],
    ["0.000000000000000001", "0.000000000000000001"],
    ["-0.000000000000000001", "-0.000000000000000001"],
    ["999999999999999999999999.999999999999999999", "999999999999999999999999.999999999999999999"],
    ["123456789012345", "123456789012345"],
    ["1234567.12345678", "1234567.12345678"],
  ])("%s is written %s", (text, canonical) => {
    expect(formatDecimal(parseDecimal(text))).toBe(canonical);
  });

  test.each([
    "",
    "-",
    ".5",
    "5.",
    "1e3",
    "+1",
    " 1",
    "1 ",
    "1,5",
    "0x1",
    "NaN",
    "Infinity",
    "1.0000000000000000001",
    "1000000000000000000000000",
    "--1",
    "1.2.3",
    "１",
  ])("%j is refused", (text) => {
    expect(() => parseDecimal(text)).toThrow(expect.objectContaining({ code: "DECIMAL_INVALID" }));
  });

  test("reads back what it wrote", () => {
    fc.assert(
      fc.property(anyDecimal, (value) => {
        expect(parseDecimal(formatDecimal(value))).toBe(value);
      }),
    );
  });
});

describe("decimalFromNumber", () => {
  test.each([
    [0, "0"],
    [-0, "0"],
    [0.1, "0.1"],
    [46_319.25, "46319.25"],
    [2_300_413.7295, "2300413.7295"],
    [0.1 + 0.2, "0.30000000000000004"],
    [1e-7, "0.0000001"],
    [1.5e-18, "0.000000000000000001"],
    [1e21, "1000000000000000000000"],
    [-38_544.5, "-38544.5"],
    [123_456_789_012.3456, "123456789012.3456"],
  ])("%d is %s", (value, text) => {
    expect(formatDecimal(decimalFromNumber(value))).toBe(text);
  });

  test.each([Number.NaN, Infinity, -Infinity, 1e24])("%d is refused", (value) => {
    expect(() => decimalFromNumber(value)).toThrow(expect.objectContaining({ code: "DECIMAL_INVALID" }));
  });

  test("is the shortest text that reads back as the same float", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1e15, noNaN: true }), (value) => {
        expect(Number(formatDecimal(decimalFromNumber(value)))).toBe(value);
        if (!String(value).includes("e")) expect(formatDecimal(decimalFromNumber(value))).toBe(String(value));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("rounding", () => {
  test.each([
    ["2.5", "down", "2"],
    ["2.5", "up", "3"],
    ["2.5", "halfEven", "2"],
    ["3.5", "halfEven", "4"],
    ["2.51", "halfEven", "3"],
    ["-2.5", "down", "-3"],
    ["-2.5", "up", "-2"],
    ["-2.5", "halfEven", "-2"],
    ["-3.5", "halfEven", "-4"],
    ["2", "up", "2"],
  ] as const)("%s %s is %s", (value, rounding, expected) => {
    expect(formatDecimal(roundToDecimals(d(value), 0, rounding))).toBe(expected);
  });

  const roundings = fc.constantFrom<Rounding>("down", "up", "halfEven");

  test("down and up enclose the exact product by at most one unit", () => {
    fc.assert(
      fc.property(anyDecimal, anyDecimal, (left, right) => {
        const [down, up, nearest] = (["down", "up", "halfEven"] as const).map((rounding) => multiply(left, right, rounding)) as [
          Decimal,
          Decimal,
          Decimal,
        ];
        expect(down * 10n ** 18n <= left * right && left * right <= up * 10n ** 18n).toBe(true);
        expect(up - down <= 1n && nearest >= down && nearest <= up).toBe(true);
      }),
    );
  });

  test("a quotient times its divisor is off by less than the divisor's last unit", () => {
    fc.assert(
      fc.property(anyDecimal, positive, roundings, (left, right, rounding) => {
        const rest = left * 10n ** 18n - divide(left, right, rounding) * right;
        expect(rest < right && rest + right > 0n).toBe(true);
        expect(multiplyDivide(left, decimalFromInteger(1), { divisor: right, rounding })).toBe(divide(left, right, rounding));
      }),
    );
  });

  test("dividing by nothing is refused", () => {
    expect(() => divide(d("1"), d("0"), "down")).toThrow(expect.objectContaining({ code: "DIVISION_BY_ZERO" }));
  });
});

describe("floorToStep", () => {
  test.each([
    ["0.3", "0.1", "0.3"],
    ["0.7", "0.1", "0.7"],
    ["1.15", "0.05", "1.15"],
    ["0.29999", "0.1", "0.2"],
    ["-0.05", "0.1", "-0.1"],
    ["7", "2.5", "5"],
  ])("%s in steps of %s is %s", (value, step, expected) => {
    expect(formatDecimal(floorToStep(d(value), d(step)))).toBe(expected);
  });

  test("keeps every exact multiple, which floats do not", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.constantFrom("0.1", "0.001", "0.00000001", "2.5"),
        (count, step) => {
          const multiple = (BigInt(count) * d(step)) as Decimal;
          expect(floorToStep(multiple, d(step))).toBe(multiple);
          expect(floorToStep(add(multiple, 1n as Decimal), d(step))).toBe(multiple);
        },
      ),
    );
  });
});

describe("ratios", () => {
  test.each([
    ["2000", "10000", "0.2", false],
    ["2000.000000000000000001", "10000", "0.2", true],
    ["1", "0", "0.2", true],
    ["0", "0", "0.2", false],
    ["1", "-5", "0.2", true],
  ])("%s of %s exceeds %s: %s", (...[part, whole, ratio, expected]) => {
    expect(exceedsRatio(d(part), d(whole), d(ratio))).toBe(expected);
  });

  test("are shown half-even at six decimals, and as zero without a whole", () => {
    expect(formatDecimal(ratioOf(d("1"), d("3")))).toBe("0.333333");
    expect(formatDecimal(ratioOf(d("-1"), d("3")))).toBe("-0.333333");
    expect(formatDecimal(ratioOf(d("1"), d("0")))).toBe("0");
  });

  test("decimalToNumber is near enough for a chart", () => {
    expect(decimalToNumber(d("9198.16919583393"))).toBeCloseTo(9198.169_195_833_93, 9);
  });
});
