/** Kubernetes quantities (`500m`, `1Gi`, `2e3`), compared exactly. */

const suffixes: Readonly<Record<string, { readonly base: 2n | 10n; readonly exponent: number }>> = {
  n: { base: 10n, exponent: -9 },
  u: { base: 10n, exponent: -6 },
  m: { base: 10n, exponent: -3 },
  "": { base: 10n, exponent: 0 },
  k: { base: 10n, exponent: 3 },
  M: { base: 10n, exponent: 6 },
  G: { base: 10n, exponent: 9 },
  T: { base: 10n, exponent: 12 },
  P: { base: 10n, exponent: 15 },
  E: { base: 10n, exponent: 18 },
  Ki: { base: 2n, exponent: 10 },
  Mi: { base: 2n, exponent: 20 },
  Gi: { base: 2n, exponent: 30 },
  Ti: { base: 2n, exponent: 40 },
  Pi: { base: 2n, exponent: 50 },
  Ei: { base: 2n, exponent: 60 },
};

const form = /^([+-]?)(\d{1,19})(?:\.(\d{0,18}))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/;

/** Scale of the comparison: nano times the 18 digits that may stand behind the point. */
const scaleDigits = 27 + 9;

/** The quantity in units of 10^-36, or undefined when the text is none. Numbers are read by their decimal text. */
export function parseQuantity(quantity: string | number): bigint | undefined {
  const match = form.exec(String(quantity).trim());
  if (!match) return undefined;
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = match;
  const unit = suffixes[suffix];
  if (!unit) return undefined;
  const tens =
    scaleDigits - fraction.length + (exponent === undefined ? 0 : Number(exponent)) + (unit.base === 10n ? unit.exponent : 0);
  if (tens < 0) return undefined;
  const digits = BigInt(whole + fraction) * 10n ** BigInt(tens) * (unit.base === 2n ? 1n << BigInt(unit.exponent) : 1n);
  return sign === "-" ? -digits : digits;
}

/** `1000m` equals `1`, `1Gi` equals `1073741824`. */
export function sameQuantity(a: unknown, b: unknown): boolean {
  if (!isQuantityLike(a) || !isQuantityLike(b)) return false;
  const left = parseQuantity(a);
  return left !== undefined && left === parseQuantity(b);
}

function isQuantityLike(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}
