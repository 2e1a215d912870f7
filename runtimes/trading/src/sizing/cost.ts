import {
  add,
  BASIS_POINT,
  formatDecimal,
  multiply,
  ONE,
  parseDecimal,
  multiplyToDecimals,
  subtract,
  type Decimal,
} from "../decimal.ts";
import { TradingError } from "../trading-error.ts";

/** What trading costs: parts of one, from basis points. */
export interface TradingCosts {
  readonly feeRatio: Decimal;
  readonly slippageRatio: Decimal;
  /** 1 + slippage and 1 − slippage: what a price is multiplied by. */
  readonly buyFactor: Decimal;
  readonly sellFactor: Decimal;
}

/** Fees are rounded up at this many decimals, as exchanges do with quote assets. */
export const FEE_DECIMALS = 8;
/** Fill prices are rounded against the trader at this many decimals; × a quantity of 8 decimals stays exact. */
export const PRICE_DECIMALS = 10;

/** Basis points as text (`"10"`, `"2.5"`) or number → parts of one. Throws BACKTEST_INVALID outside 0–5,000. */
export function tradingCosts(costs: { feeBps: string | number; slippageBps: string | number }): TradingCosts {
  const slippageRatio = fromBasisPoints("slippageBps", costs.slippageBps);
  return {
    feeRatio: fromBasisPoints("feeBps", costs.feeBps),
    slippageRatio,
    buyFactor: add(ONE, slippageRatio),
    sellFactor: subtract(ONE, slippageRatio),
  };
}

function fromBasisPoints(name: string, value: string | number): Decimal {
  const ratio = multiply(parseDecimal(String(value)), BASIS_POINT, "up");
  if (ratio < 0n || ratio > ONE / 2n) {
    throw new TradingError("BACKTEST_INVALID", `${name} must be from 0 to 5000, not ${value}`, {
      context: { name, ratio: formatDecimal(ratio) },
    });
  }
  return ratio;
}

/** What a taker pays (buys, rounded up) or gets (sells, rounded down) when the market shows `price`. */
export function slippedPrice(price: Decimal, side: "buy" | "sell", costs: TradingCosts): Decimal {
  return side === "buy"
    ? multiplyToDecimals(price, costs.buyFactor, { decimals: PRICE_DECIMALS, rounding: "up" })
    : multiplyToDecimals(price, costs.sellFactor, { decimals: PRICE_DECIMALS, rounding: "down" });
}

/** The fee on `notional`, rounded up. */
export function feeOn(notional: Decimal, costs: TradingCosts): Decimal {
  return multiplyToDecimals(notional, costs.feeRatio, { decimals: FEE_DECIMALS, rounding: "up" });
}

/** Everything a buy of `quantity` at `price` takes from cash: notional and fee. */
export function buyCost(quantity: Decimal, price: Decimal, costs: TradingCosts): Decimal {
  const notional = multiply(quantity, price, "up");
  return add(notional, feeOn(notional, costs));
}
