import { type Decimal, DECIMAL_DIGITS, formatDecimal } from "@bellwether/trading";

/** Exact: a minor unit of a token with at most 18 decimals is a whole number of 10^-18. */
export function fromMinorUnits(amount: bigint, decimals: number): Decimal {
  return (amount * 10n ** BigInt(DECIMAL_DIGITS - decimals)) as Decimal;
}

/** The minor units of an amount, or undefined when it is finer than the token. Never rounds. */
export function toMinorUnits(amount: Decimal, decimals: number): bigint | undefined {
  const unit = 10n ** BigInt(DECIMAL_DIGITS - decimals);
  return amount % unit === 0n ? amount / unit : undefined;
}

/** Minor units of an amount rounded towards zero: what may be spent at most. */
export function toMinorUnitsDown(amount: Decimal, decimals: number): bigint {
  return amount / 10n ** BigInt(DECIMAL_DIGITS - decimals);
}

export interface ExactTrade {
  /** Base quantity, decimal text. */
  readonly quantity: string;
  /** Quote for one base, decimal text. */
  readonly price: string;
}

/**
 * A swap of `base` for `quote` minor units as trades whose quantity × price sums up to the quote amount to the last digit.
 *
 * One price seldom does: 10 USDC for 3 SOL is 3.333…. So the price is cut at the decimal where base × price still fits 18 decimals, and the rest is spread:
 * n of the base units trade at a price one unit higher. At most two trades; their prices differ by 10^-(18 − base decimals).
 */
export function exactTrades(swap: {
  readonly base: bigint;
  readonly baseDecimals: number;
  readonly quote: bigint;
  readonly quoteDecimals: number;
}): readonly ExactTrade[] {
  const { base, baseDecimals, quote, quoteDecimals } = swap;
  const scaledQuote = quote * 10n ** BigInt(DECIMAL_DIGITS - quoteDecimals);
  const price = scaledQuote / base;
  const dearer = scaledQuote % base;
  const trade = (units: bigint, unitPrice: bigint): ExactTrade => ({
    quantity: formatDecimal(fromMinorUnits(units, baseDecimals)),
    price: formatDecimal(fromMinorUnits(unitPrice, DECIMAL_DIGITS - baseDecimals)),
  });
  const parts = [
    { units: base - dearer, unitPrice: price },
    { units: dearer, unitPrice: price + 1n },
  ];
  return parts.filter(({ units }) => units > 0n).map(({ units, unitPrice }) => trade(units, unitPrice));
}
