/** Exact decimals for what status prints. Scaled bigints, 18 digits behind the point, as everywhere money is counted. Pure. */

const digits = 18;
const scale = 10n ** BigInt(digits);

/** @throws RangeError when the text is no decimal */
export function scaledOf(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text);
  if (!match) throw new RangeError(`not a decimal number: ${text.slice(0, 60)}`);
  const [, sign, whole = "0", fraction = ""] = match;
  const value = BigInt(whole) * scale + BigInt(fraction.padEnd(digits, "0"));
  return sign === "-" ? -value : value;
}

/** The shortest text of the value. */
export function decimalOf(scaled: bigint): string {
  const magnitude = scaled < 0n ? -scaled : scaled;
  const fraction = (magnitude % scale).toString().padStart(digits, "0").replace(/0+$/, "");
  return `${scaled < 0n ? "-" : ""}${magnitude / scale}${fraction === "" ? "" : `.${fraction}`}`;
}

/** `numerator / denominator`, rounded towards zero to 8 digits behind the point; 0 when the denominator is not positive. */
export function ratioOf(numerator: string, denominator: string): string {
  const divisor = scaledOf(denominator);
  if (divisor <= 0n) return "0";
  const coarse = 10n ** 10n;
  return decimalOf(((scaledOf(numerator) * scale) / divisor / coarse) * coarse);
}

export const difference = (a: string, b: string): string => decimalOf(scaledOf(a) - scaledOf(b));

/** A ratio in percent with two digits, half away from zero: `0.01234` is `1.23`. */
export function percentOf(ratio: string): string {
  return hundredthsOf(scaledOf(ratio) * 100n);
}

/** An amount of money with two digits, half away from zero, for a table: the exact one stands beside it. */
export const moneyOf = (amount: string): string => hundredthsOf(scaledOf(amount));

function hundredthsOf(value: bigint): string {
  const scaled = value * 100n;
  const half = scaled < 0n ? -scale / 2n : scale / 2n;
  const hundredths = (scaled + half) / scale;
  const magnitude = hundredths < 0n ? -hundredths : hundredths;
  return `${hundredths < 0n ? "-" : ""}${magnitude / 100n}.${(magnitude % 100n).toString().padStart(2, "0")}`;
}
