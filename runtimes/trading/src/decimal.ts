import { TradingError } from "./trading-error.ts";

declare const decimalBrand: unique symbol;

/**
 * An exact decimal: a bigint scaled by 10^18. Money, prices, quantities and ratios on the order path are of this type;
 * `<`, `>` and `===` work on it as they are, `+` and `-` through {@link add} and {@link subtract}, so that the brand stays.
 *
 * Why not decimal.js: a rule on bigints runs forty times faster, and nothing can round by accident.
 */
export type Decimal = bigint & { readonly [decimalBrand]: true };

export const DECIMAL_DIGITS = 18;
const SCALE_BIGINT = 1_000_000_000_000_000_000n;
export const ZERO = 0n as Decimal;
export const ONE = SCALE_BIGINT as Decimal;
/** One basis point, 0.0001. */
export const BASIS_POINT = (SCALE_BIGINT / 10_000n) as Decimal;

/** Where a result goes that has more digits than fit: `down` to −∞, `up` to +∞, `halfEven` to the nearer one, ties to the even one. */
export type Rounding = "down" | "up" | "halfEven";

const decimalPattern = /^(-?)(\d{1,24})(?:\.(\d{1,18}))?$/;
const POWERS_OF_TEN: readonly bigint[] = Array.from({ length: DECIMAL_DIGITS + 1 }, (_, digits) => 10n ** BigInt(digits));

function powerOfTen(digits: number): bigint {
  const power = POWERS_OF_TEN[digits];
  if (power === undefined) throw new Error(`no power of ten for ${digits} digits`);
  return power;
}

/**
 * Plain digits with at most one point inside them, up to 15 characters: their value without the point is a float that is exact.
 * Undefined: not of this form; the slow way decides.
 */
function parseShort(text: string): Decimal | undefined {
  if (text.length > 15) return undefined;
  let value = 0;
  let point = -1;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 48 && code <= 57) value = value * 10 + (code - 48);
    else if (code === 46 && point < 0 && index > 0 && index < text.length - 1) point = index;
    else return undefined;
  }
  const fraction = point < 0 ? 0 : text.length - 1 - point;
  return text.length === 0 ? undefined : ((BigInt(value) * powerOfTen(DECIMAL_DIGITS - fraction)) as Decimal);
}

/** "0.25" → Decimal. Throws DECIMAL_INVALID for anything else than digits, one point and a leading minus. */
export function parseDecimal(text: string): Decimal {
  const short = parseShort(text);
  if (short !== undefined) return short;
  const match = decimalPattern.exec(text);
  if (match === null) {
    throw new TradingError("DECIMAL_INVALID", `${JSON.stringify(text)} is not a decimal number such as 0.25`, {
      context: { text },
    });
  }
  const fraction = match[3] ?? "";
  const magnitude = BigInt(match[2] + fraction) * powerOfTen(DECIMAL_DIGITS - fraction.length);
  return (match[1] === "-" ? -magnitude : magnitude) as Decimal;
}

/** The canonical text: no exponent, no trailing zeros, no "-0". `parseDecimal(formatDecimal(x)) === x`. */
export function formatDecimal(value: Decimal): string {
  const magnitude = value < 0n ? 0n - value : value;
  const text = magnitude % SCALE_BIGINT === 0n ? (magnitude / SCALE_BIGINT).toString() : formatFraction(magnitude);
  return value < 0n ? `-${text}` : text;
}

function formatFraction(magnitude: bigint): string {
  const digits = magnitude.toString().padStart(DECIMAL_DIGITS + 1, "0");
  const point = digits.length - DECIMAL_DIGITS;
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 48) end--;
  return `${digits.slice(0, point)}.${digits.slice(point, end)}`;
}

const FAST_FACTOR = 1e4;
const FAST_SCALE = powerOfTen(DECIMAL_DIGITS - 4);

/**
 * The decimal a float was written as: the shortest text that reads back as the same float, so `46319.25` from a CSV is exactly
 * 46319.25. More than 18 fractional digits are cut. Throws DECIMAL_INVALID for NaN, infinities and magnitudes from 1e24.
 */
export function decimalFromNumber(value: number): Decimal {
  // Up to four decimals and 15 digits: m / 10^4 is correctly rounded, so equality means that m / 10^4 is the shortest text, too.
  const scaled = Math.round(value * FAST_FACTOR);
  if (scaled / FAST_FACTOR === value && scaled < 1e15 && scaled > -1e15) return (BigInt(scaled) * FAST_SCALE) as Decimal;
  const text = String(value);
  if (!text.includes("e")) return parseDecimal(cutFraction(text));
  return fromExponent(text);
}

function cutFraction(text: string): string {
  const point = text.indexOf(".");
  return point === -1 ? text : text.slice(0, point + 1 + DECIMAL_DIGITS);
}

function fromExponent(text: string): Decimal {
  const [mantissa = "", exponentText = "0"] = text.split("e");
  const exponent = Number(exponentText);
  const [whole = "0", fraction = ""] = mantissa.replace("-", "").split(".");
  const shift = DECIMAL_DIGITS + exponent - fraction.length;
  if (exponent >= 24) throw new TradingError("DECIMAL_INVALID", `${text} is too large for a decimal`, { context: { text } });
  const digits = BigInt(whole + fraction);
  const magnitude = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  return (mantissa.startsWith("-") ? -magnitude : magnitude) as Decimal;
}

/** The nearest float, for marking and ratios shown to people; never for money that is stored. */
export function decimalToNumber(value: Decimal): number {
  return Number(value) / 1e18;
}

export function decimalFromInteger(value: number | bigint): Decimal {
  return (BigInt(value) * SCALE_BIGINT) as Decimal;
}

export function add(left: Decimal, right: Decimal): Decimal {
  return (left + right) as Decimal;
}

export function subtract(left: Decimal, right: Decimal): Decimal {
  return (left - right) as Decimal;
}

export function negate(value: Decimal): Decimal {
  return (0n - value) as Decimal;
}

export function minimum(left: Decimal, right: Decimal): Decimal {
  return left < right ? left : right;
}

export function maximum(left: Decimal, right: Decimal): Decimal {
  return left > right ? left : right;
}

/** numerator / denominator as integers, rounded as said. The denominator must be positive. */
function divideRounded(numerator: bigint, denominator: bigint, rounding: Rounding): Decimal {
  const quotient = numerator / denominator;
  // A multiplication is a third of the price of a second division.
  const rest = numerator - quotient * denominator;
  if (rest === 0n) return quotient as Decimal;
  switch (rounding) {
    case "down":
      return (rest < 0n ? quotient - 1n : quotient) as Decimal;
    case "up":
      return (rest > 0n ? quotient + 1n : quotient) as Decimal;
    case "halfEven":
      return roundHalfEven(quotient, rest, denominator);
  }
}

function roundHalfEven(quotient: bigint, rest: bigint, denominator: bigint): Decimal {
  const away = rest < 0n ? -1n : 1n;
  const twice = 2n * rest * away;
  const roundsAway = twice > denominator || (twice === denominator && quotient % 2n !== 0n);
  return (roundsAway ? quotient + away : quotient) as Decimal;
}

/** left × right, rounded at the 18th decimal. */
export function multiply(left: Decimal, right: Decimal, rounding: Rounding): Decimal {
  return divideRounded(left * right, SCALE_BIGINT, rounding);
}

/** left × right, rounded once, at `decimals` (0–18) fractional digits. */
export function multiplyToDecimals(
  left: Decimal,
  right: Decimal,
  { decimals, rounding }: { decimals: number; rounding: Rounding },
): Decimal {
  const quantum = powerOfTen(DECIMAL_DIGITS - decimals);
  return (divideRounded(left * right, SCALE_BIGINT * quantum, rounding) * quantum) as Decimal;
}

/** The largest multiple of `step` that is not above left × right / divisor, of numbers that are not negative; nothing is rounded before. */
export function multiplyDivideToStep(
  left: Decimal,
  right: Decimal,
  { divisor, step }: { divisor: Decimal; step: Decimal },
): Decimal {
  if (divisor <= 0n || step <= 0n) throw new TradingError("DIVISION_BY_ZERO", "divisor and step must be positive");
  return (((left * right) / (divisor * step)) * step) as Decimal;
}

/** left / right, rounded at the 18th decimal. Throws DIVISION_BY_ZERO. */
export function divide(left: Decimal, right: Decimal, rounding: Rounding): Decimal {
  if (right === 0n)
    throw new TradingError("DIVISION_BY_ZERO", "a decimal was divided by zero", { context: { dividend: formatDecimal(left) } });
  const sign = right < 0n ? -1n : 1n;
  return divideRounded(left * SCALE_BIGINT * sign, right * sign, rounding);
}

/** left × right / divisor in one rounding. */
export function multiplyDivide(
  left: Decimal,
  right: Decimal,
  { divisor, rounding }: { divisor: Decimal; rounding: Rounding },
): Decimal {
  if (divisor === 0n)
    throw new TradingError("DIVISION_BY_ZERO", "a decimal was divided by zero", { context: { dividend: formatDecimal(left) } });
  const sign = divisor < 0n ? -1n : 1n;
  return divideRounded(left * right * sign, divisor * sign, rounding);
}

/** `value` rounded to `decimals` (0–18) fractional digits. */
export function roundToDecimals(value: Decimal, decimals: number, rounding: Rounding): Decimal {
  const quantum = powerOfTen(DECIMAL_DIGITS - decimals);
  return (divideRounded(value, quantum, rounding) * quantum) as Decimal;
}

/** The largest multiple of `step` that is not above `value`. Exact where floats are not: floor(0.3 / 0.1) is 2 in floats. */
export function floorToStep(value: Decimal, step: Decimal): Decimal {
  if (step <= 0n)
    throw new TradingError("DIVISION_BY_ZERO", "a step must be positive", { context: { step: formatDecimal(step) } });
  const rest = value % step;
  return (rest < 0n ? value - rest - step : value - rest) as Decimal;
}

/**
 * part / whole > ratio, by cross multiplication: nothing is rounded. A whole of zero or less is exceeded by every positive part.
 */
export function exceedsRatio(part: Decimal, whole: Decimal, ratio: Decimal): boolean {
  if (whole <= 0n) return part > 0n;
  return part * SCALE_BIGINT > ratio * whole;
}

/** part / whole ≥ ratio, by cross multiplication: nothing is rounded. A whole of zero or less is reached by every positive part. */
export function reachesRatio(part: Decimal, whole: Decimal, ratio: Decimal): boolean {
  if (whole <= 0n) return part > 0n;
  return part * SCALE_BIGINT >= ratio * whole;
}

/** part / whole for showing, half-even at `decimals` (default 6); zero when the whole is zero or less. */
export function ratioOf(part: Decimal, whole: Decimal, decimals = 6): Decimal {
  if (whole <= 0n) return ZERO;
  return roundToDecimals(divide(part, whole, "halfEven"), decimals, "halfEven");
}
