import { add, maximum, minimum, multiply, subtract, ZERO, type Decimal } from "../decimal.ts";
import type { Denial } from "../rules/verdict.ts";
import type { MarketTerms } from "../venue/market-terms.ts";
import { buyCost, slippedPrice, type TradingCosts } from "./cost.ts";
import type { SizingAccount } from "./size-order.ts";

/** The order as it works now. */
export interface ReplacedOrder {
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: Decimal;
  readonly filled: Decimal;
  /** Cash its fills have taken. */
  readonly spent: Decimal;
  readonly limit: Decimal | undefined;
  /** The entry has not ended; otherwise only protective legs are left, which cost nothing. */
  readonly working: boolean;
}

/** The order's new shape, its members as far as they change. */
export interface ReplaceChange {
  readonly quantity?: Decimal;
  readonly limit?: Decimal;
  readonly stopLoss?: Decimal;
  readonly takeProfit?: Decimal;
}

export interface ReplacedSize {
  readonly allowed: true;
  /** What is still to be filled, for the rules. */
  readonly remaining: Decimal;
  readonly notional: Decimal;
  /** Replaces the order's reservation. */
  readonly reservation: Decimal;
  /** Buys: replaces the order's maxCost, its fills so far included. */
  readonly maxCost: Decimal | undefined;
}

/**
 * What a replaced order would reserve, or why it cannot be replaced. `account` is the sub-account *without* this order: its
 * reservation is free, its unsold rest not counted as working. Nothing is shrunk: a replace that does not fit is denied.
 */
export function sizeReplace(
  { order, change, signalPrice }: { order: ReplacedOrder; change: ReplaceChange; signalPrice: Decimal },
  account: SizingAccount,
  { terms, costs }: { readonly terms: MarketTerms; readonly costs: TradingCosts },
): ReplacedSize | Denial {
  const quantity = change.quantity ?? order.quantity;
  const limit = change.limit ?? order.limit;
  const fault = replaceFault(order, change, terms);
  if (fault !== undefined) return { allowed: false, reason: "ORDER_INVALID", message: fault };
  if (!order.working) return { allowed: true, remaining: ZERO, notional: ZERO, reservation: ZERO, maxCost: undefined };
  const remaining = maximum(subtract(quantity, order.filled), ZERO);
  if (order.side === "sell") {
    const sellable = subtract(account.held, account.workingSells);
    const denial: Denial = {
      allowed: false,
      reason: "NOTHING_TO_SELL",
      market: order.market,
      held: account.held,
      working: account.workingSells,
    };
    return remaining > sellable
      ? denial
      : { allowed: true, remaining, notional: multiply(remaining, signalPrice, "up"), reservation: ZERO, maxCost: undefined };
  }
  const reservation = buyCost(remaining, limit ?? slippedPrice(signalPrice, "buy", costs), costs);
  if (reservation > account.freeCash)
    return { allowed: false, reason: "INSUFFICIENT_CASH", required: reservation, available: account.freeCash };
  const notional = multiply(remaining, maximum(limit ?? ZERO, signalPrice), "up");
  return { allowed: true, remaining, notional, reservation, maxCost: add(order.spent, account.freeCash) };
}

function replaceFault(order: ReplacedOrder, change: ReplaceChange, { quantityStep, priceStep }: MarketTerms): string | undefined {
  const prices = [change.limit, change.stopLoss, change.takeProfit];
  if (prices.some((price) => price !== undefined && price % priceStep !== 0n))
    return "a price is not a multiple of the market's price step";
  if (change.quantity !== undefined && change.quantity % quantityStep !== 0n)
    return "the quantity is not a multiple of the market's step";
  if (
    change.quantity !== undefined &&
    minimum(change.quantity, order.filled) === change.quantity &&
    change.quantity !== order.filled
  ) {
    return "more of the order has filled already";
  }
  if (change.limit !== undefined && order.limit === undefined) return "a market order has no limit";
  if (!order.working && (change.quantity !== undefined || change.limit !== undefined))
    return "the entry has ended; only its legs can change";
  return undefined;
}
