import {
  type Decimal,
  type FinalOrder,
  type MarketRules,
  formatDecimal,
  minimum,
  multiply,
  parseDecimal,
} from "@bellwether/trading";
import { fromMinorUnits, toMinorUnits, toMinorUnitsDown } from "./amounts.ts";
import type { SolanaToken } from "./program-addresses.ts";
import type { SwapQuote, SwapRequest } from "./swap-adapter.ts";

export interface SwapLimits {
  /** What the proposer may slip from its own quote, basis points. */
  readonly slippageBps: number;
  /** How much worse than the market's last price a swap may be, basis points. */
  readonly maxDeviationBps: number;
}

/** What is asked of the swap adapter, and what the order approves at most: minor units. */
export interface SwapPlan {
  readonly request: SwapRequest;
  readonly input: SolanaToken;
  readonly output: SolanaToken;
  readonly maximumInput: bigint;
  readonly minimumOutput: bigint;
}

export type SwapPlanVerdict =
  { readonly planned: true; readonly plan: SwapPlan } | { readonly planned: false; readonly reason: string };

const bps = 10_000n;

/** `BASE/QUOTE` of two configured tokens; undefined for any other text. */
export function marketTokens(
  symbol: string,
  tokens: readonly SolanaToken[],
): { readonly base: SolanaToken; readonly quote: SolanaToken } | undefined {
  const [baseAsset, quoteAsset, more] = symbol.split("/");
  const base = tokens.find(({ asset }) => asset === baseAsset);
  const quote = tokens.find(({ asset }) => asset === quoteAsset);
  return base && quote && base !== quote && more === undefined ? { base, quote } : undefined;
}

/** Quantities step in the base token's minor unit; prices in what keeps quantity × price within 18 decimals. */
export function marketRulesOf(symbol: string, { base, quote }: { base: SolanaToken; quote: SolanaToken }): MarketRules {
  const step = (decimals: number): string => formatDecimal(fromMinorUnits(1n, decimals));
  return {
    symbol,
    base: base.asset,
    quote: quote.asset,
    quantityStep: step(base.decimals),
    priceStep: step(Math.min(18 - base.decimals, 9)),
    minQuantity: step(base.decimals),
  };
}

/**
 * The swap that an order means: pure. A sell brings exactly its quantity and asks for a least amount; a buy asks for exactly its quantity and brings at most an
 * amount. Bounds come from the order (limit, maxCost) and from the market's last price, never from the proposer.
 *
 * A swap is whole or not at all, and at once: an order that would rest, or protect itself later, is refused.
 */
export function planSwap(
  order: FinalOrder,
  market: { readonly base: SolanaToken; readonly quote: SolanaToken; readonly lastPrice: Decimal | undefined },
  limits: SwapLimits,
): SwapPlanVerdict {
  const { base, quote, lastPrice } = market;
  const refused = (reason: string): SwapPlanVerdict => ({ planned: false, reason });
  if (order.stopLoss !== undefined || order.takeProfit !== undefined)
    return refused("ORDER_NOT_SUPPORTED: a chain holds no stops; they have to be held elsewhere");
  if (order.type === "limit" && order.timeInForce !== "IOC" && order.timeInForce !== "FOK")
    return refused(`ORDER_NOT_SUPPORTED: a swap cannot rest (${order.timeInForce}); a limit order has to be IOC or FOK`);
  const quantity = toMinorUnits(parseDecimal(order.quantity), base.decimals);
  if (quantity === undefined) return refused(`QUANTITY_NOT_ON_STEP: ${order.quantity} is finer than ${base.asset}'s minor unit`);
  const worst = worstPrice(order, lastPrice, limits);
  if (worst === undefined) return refused("PRICE_UNKNOWN: neither a limit nor a last price bounds this swap");
  const amount = multiply(parseDecimal(order.quantity), worst, order.side === "sell" ? "up" : "down");
  const { slippageBps } = limits;
  if (order.side === "sell") {
    const request = { input: base.mint, output: quote.mint, amount: quantity, mode: "ExactIn", slippageBps } as const;
    const minimumOutput = -toMinorUnitsDown((0n - amount) as Decimal, quote.decimals);
    return {
      planned: true,
      plan: { request, input: base, output: quote, maximumInput: quantity, minimumOutput: atLeastOne(minimumOutput) },
    };
  }
  const affordable = order.maxCost === undefined ? amount : minimum(amount, parseDecimal(order.maxCost));
  const request = { input: quote.mint, output: base.mint, amount: quantity, mode: "ExactOut", slippageBps } as const;
  const maximumInput = toMinorUnitsDown(affordable, quote.decimals);
  return { planned: true, plan: { request, input: quote, output: base, maximumInput, minimumOutput: quantity } };
}

/** The worst price the order bears: its limit, and never worse than the last price by more than the deviation. */
function worstPrice(order: FinalOrder, lastPrice: Decimal | undefined, { maxDeviationBps }: SwapLimits): Decimal | undefined {
  const buy = order.side === "buy";
  const factor = buy ? bps + BigInt(maxDeviationBps) : bps - BigInt(maxDeviationBps);
  const fromMarket = lastPrice === undefined ? undefined : (((lastPrice * factor) / bps) as Decimal);
  const limit = order.limit === undefined ? undefined : parseDecimal(order.limit);
  if (fromMarket === undefined || limit === undefined) return fromMarket ?? limit;
  return limit < fromMarket === buy ? limit : fromMarket;
}

function atLeastOne(amount: bigint): bigint {
  return amount > 0n ? amount : 1n;
}

/** Why a quote is not good enough; undefined when it is. Its own threshold may be worse than the bounds: the transaction is held to the bounds. */
export function quoteRefusal(
  { maximumInput, minimumOutput }: SwapPlan,
  { inputAmount, outputAmount }: SwapQuote,
): string | undefined {
  if (inputAmount > maximumInput) return `PRICE: the swap would take ${inputAmount}, at most ${maximumInput} is approved`;
  if (outputAmount < minimumOutput) return `PRICE: the swap would give ${outputAmount}, at least ${minimumOutput} is approved`;
  return undefined;
}
