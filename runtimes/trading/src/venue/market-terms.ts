import { parseDecimal, type Decimal } from "../decimal.ts";
import type { MarketRules } from "../wire/market-data.ts";

/** A market's rules, parsed once. */
export interface MarketTerms {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly quantityStep: Decimal;
  readonly priceStep: Decimal;
  readonly minQuantity: Decimal | undefined;
  readonly minNotional: Decimal | undefined;
}

/** Where nothing is known. Their product is the scale of money, so that quantity × price is exact and a fold in SQL agrees to the last digit. */
export const DEFAULT_QUANTITY_STEP = "0.00000001";
export const DEFAULT_PRICE_STEP = "0.0000000001";

/** The terms of `rules`. Throws DECIMAL_INVALID. */
export function marketTerms(rules: MarketRules): MarketTerms {
  const { symbol, base, quote } = rules;
  return {
    symbol,
    base,
    quote,
    quantityStep: parseDecimal(rules.quantityStep),
    priceStep: parseDecimal(rules.priceStep),
    minQuantity: rules.minQuantity === undefined ? undefined : parseDecimal(rules.minQuantity),
    minNotional: rules.minNotional === undefined ? undefined : parseDecimal(rules.minNotional),
  };
}

/** The rules of a market that only its symbol is known of: `BASE/QUOTE` (a `:SETTLE` suffix is dropped). Undefined for other symbols. */
export function rulesFromSymbol(symbol: string): MarketRules | undefined {
  const [base, quote, ...rest] = (symbol.split(":")[0] ?? "").split("/");
  if (!base || !quote || rest.length > 0) return undefined;
  return { symbol, base, quote, quantityStep: DEFAULT_QUANTITY_STEP, priceStep: DEFAULT_PRICE_STEP };
}
