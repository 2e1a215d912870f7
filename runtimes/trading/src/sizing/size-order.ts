import {
  multiplyDivideToStep,
  floorToStep,
  maximum,
  minimum,
  multiply,
  multiplyDivide,
  parseDecimal,
  subtract,
  ZERO,
  ONE,
  type Decimal,
} from "../decimal.ts";
import type { Denial } from "../rules/verdict.ts";
import type { MarketTerms } from "../venue/market-terms.ts";
import { affordableQuantity } from "./affordable.ts";
import { buyCost, slippedPrice, type TradingCosts } from "./cost.ts";

/** How much an intent asks for, parsed. */
export type IntentSize =
  | { readonly kind: "quantity"; readonly quantity: Decimal }
  | { readonly kind: "notional"; readonly notional: Decimal }
  | { readonly kind: "equityRatio"; readonly ratio: Decimal }
  | { readonly kind: "all" };

/** The wire's size (exactly one member) → IntentSize. Throws DECIMAL_INVALID. */
export function intentSizeFrom(
  size: { quantity: string } | { notional: string } | { equityRatio: string } | { all: true },
): IntentSize {
  if ("quantity" in size) return { kind: "quantity", quantity: parseDecimal(size.quantity) };
  if ("notional" in size) return { kind: "notional", notional: parseDecimal(size.notional) };
  if ("equityRatio" in size) return { kind: "equityRatio", ratio: parseDecimal(size.equityRatio) };
  return { kind: "all" };
}

/** An intent with its numbers parsed: what sizing and judging work on. */
export interface SizingIntent {
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly size: IntentSize;
  readonly limit: Decimal | undefined;
  readonly stopLoss: Decimal | undefined;
  readonly takeProfit: Decimal | undefined;
  readonly timeInForce: "GTC" | "IOC" | "FOK" | "PostOnly";
  /** Close of the signal bar. */
  readonly signalPrice: Decimal;
}

/** The strategy's sub-account at the verdict. */
export interface SizingAccount {
  readonly equity: Decimal;
  /** Cash not reserved by working buys. */
  readonly freeCash: Decimal;
  /** Units of the market's base asset held. */
  readonly held: Decimal;
  /** What working sells may still take of it; protective legs do not count, they shrink by themselves. */
  readonly workingSells: Decimal;
}

/** An order in its final size. */
export interface OrderSize {
  readonly allowed: true;
  readonly quantity: Decimal;
  /** For the rules: quantity × the higher of signal price and limit for buys, × signal price for sells. */
  readonly notional: Decimal;
  /** Buys: what the order is expected to take from cash at most, reserved until it ends. Zero for sells. */
  readonly reservation: Decimal;
  /** Buys: the most it may really cost, the free cash at the verdict. Undefined for sells. */
  readonly maxCost: Decimal | undefined;
}

/**
 * The final quantity of an intent, or why there is none.
 *
 * `equityRatio` and `notional` become a quantity at the signal price; everything is rounded down to the market's step. A buy
 * that would cost more than the free cash at the signal price with slippage (at the limit, for limit orders) and fee is shrunk to
 * {@link affordableQuantity}; a sell is shrunk to what is held and not already being sold, and by nothing else.
 */
export function sizeOrder(
  intent: SizingIntent,
  account: SizingAccount,
  {
    terms,
    costs,
    cap,
  }: {
    readonly terms: MarketTerms;
    readonly costs: TradingCosts;
    /** The most a buy may be worth. */ readonly cap?: Decimal | undefined;
  },
): OrderSize | Denial {
  const fault = priceFault(intent, terms);
  if (fault !== undefined) return { allowed: false, reason: "ORDER_INVALID", message: fault };
  let wanted = wantedQuantity(intent, account, terms.quantityStep);
  if (cap !== undefined && intent.side === "buy" && wanted > 0n) {
    const divisor = maximum(intent.limit ?? ZERO, intent.signalPrice);
    wanted = minimum(wanted, multiplyDivideToStep(cap, ONE, { divisor, step: terms.quantityStep }));
    if (wanted <= 0n) return { allowed: false, reason: "SIZED_TO_NOTHING", cap };
  }
  const sized =
    intent.side === "buy" ? sizeBuy({ intent, wanted }, account, { terms, costs }) : sizeSell({ intent, wanted }, account, terms);
  return sized.allowed ? (belowMinimum(sized, terms) ?? sized) : sized;
}

/** In whole steps; zero and less where nothing is to be traded. */
function wantedQuantity(
  { size, signalPrice: divisor }: SizingIntent,
  { equity, held, workingSells }: SizingAccount,
  step: Decimal,
): Decimal {
  switch (size.kind) {
    case "quantity":
      return floorToStep(size.quantity, step);
    case "notional":
      return multiplyDivideToStep(size.notional, ONE, { divisor, step });
    case "equityRatio":
      return equity <= 0n ? ZERO : multiplyDivideToStep(equity, size.ratio, { divisor, step });
    case "all":
      return floorToStep(subtract(held, workingSells), step);
  }
}

interface Wanted {
  readonly intent: SizingIntent;
  readonly wanted: Decimal;
}

function sizeBuy(
  { intent, wanted }: Wanted,
  { freeCash }: SizingAccount,
  market: { terms: MarketTerms; costs: TradingCosts },
): OrderSize | Denial {
  const { terms, costs } = market;
  const step = terms.quantityStep;
  if (wanted <= 0n) return { allowed: false, reason: "BELOW_MINIMUM", of: "quantity", value: ZERO, minimum: step };
  const price = intent.limit ?? slippedPrice(intent.signalPrice, "buy", costs);
  const wantedCost = buyCost(wanted, price, costs);
  const fits = wantedCost <= freeCash;
  const quantity = fits ? wanted : affordableQuantity(freeCash, price, { costs, step });
  if (quantity <= 0n)
    return { allowed: false, reason: "INSUFFICIENT_CASH", required: buyCost(step, price, costs), available: freeCash };
  const notional = multiply(quantity, maximum(intent.limit ?? ZERO, intent.signalPrice), "up");
  return {
    allowed: true,
    quantity,
    notional,
    reservation: fits ? wantedCost : buyCost(quantity, price, costs),
    maxCost: freeCash,
  };
}

function sizeSell(
  { intent, wanted }: Wanted,
  { held, workingSells }: SizingAccount,
  { quantityStep }: MarketTerms,
): OrderSize | Denial {
  const sellable = intent.size.kind === "all" ? wanted : floorToStep(subtract(held, workingSells), quantityStep);
  if (sellable <= 0n) return { allowed: false, reason: "NOTHING_TO_SELL", market: intent.market, held, working: workingSells };
  const quantity = minimum(wanted, sellable);
  if (quantity <= 0n) return { allowed: false, reason: "BELOW_MINIMUM", of: "quantity", value: ZERO, minimum: quantityStep };
  return {
    allowed: true,
    quantity,
    notional: multiply(quantity, intent.signalPrice, "up"),
    reservation: ZERO,
    maxCost: undefined,
  };
}

function belowMinimum(sized: OrderSize, { minQuantity, minNotional }: MarketTerms): Denial | undefined {
  if (minQuantity !== undefined && sized.quantity < minQuantity) {
    return { allowed: false, reason: "BELOW_MINIMUM", of: "quantity", value: sized.quantity, minimum: minQuantity };
  }
  if (minNotional !== undefined && sized.notional < minNotional) {
    return { allowed: false, reason: "BELOW_MINIMUM", of: "notional", value: sized.notional, minimum: minNotional };
  }
  return undefined;
}

/** What is wrong with an intent's prices and options, as a sentence. */
function priceFault(intent: SizingIntent, terms: MarketTerms): string | undefined {
  const { side, limit, stopLoss, takeProfit, timeInForce, signalPrice, size } = intent;
  if (limit !== undefined && limit % terms.priceStep !== 0n) return "limit is not a multiple of the market's price step";
  if (limit === undefined && timeInForce === "PostOnly") return "a PostOnly order needs a limit";
  if (side === "buy" && size.kind === "all") return "a buy needs a quantity, a notional or an equityRatio";
  if (side === "sell")
    return stopLoss === undefined && takeProfit === undefined ? undefined : "stopLoss and takeProfit belong to a buy";
  const entry = limit ?? signalPrice;
  if (stopLoss !== undefined && stopLoss >= entry) return "stopLoss must be below the price of entry";
  if (takeProfit !== undefined && takeProfit <= entry) return "takeProfit must be above the price of entry";
  if (stopLoss !== undefined && stopLoss % terms.priceStep !== 0n) return "stopLoss is not a multiple of the market's price step";
  if (takeProfit !== undefined && takeProfit % terms.priceStep !== 0n)
    return "takeProfit is not a multiple of the market's price step";
  return undefined;
}

/** The part of a reservation that is left after `filled` of `quantity`: it never releases more than was filled. */
export function remainingReservation(reservation: Decimal, filled: Decimal, quantity: Decimal): Decimal {
  if (filled === 0n) return reservation;
  if (filled >= quantity) return ZERO;
  return multiplyDivide(reservation, subtract(quantity, filled), { divisor: quantity, rounding: "up" });
}

/** Equity part that a strategy's share ratio claims on admission, rounded down. */
export function startingCapital(accountEquity: Decimal, shareRatio: Decimal): Decimal {
  return multiply(accountEquity, minimum(shareRatio, ONE), "down");
}
