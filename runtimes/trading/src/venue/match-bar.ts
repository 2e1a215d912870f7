import {
  add,
  decimalFromNumber,
  floorToStep,
  maximum,
  minimum,
  multiply,
  multiplyDivideToStep,
  ONE,
  subtract,
  ZERO,
  type Decimal,
} from "../decimal.ts";
import { affordableQuantity } from "../sizing/affordable.ts";
import { buyCost, feeOn, slippedPrice } from "../sizing/cost.ts";
import type { MarketTerms } from "./market-terms.ts";
import {
  isLive,
  type EndReason,
  type Leg,
  type PaperEvent,
  type PaperVenueConfig,
  type PaperVenueState,
  type VenueBar,
  type VenueOrder,
} from "./paper-state.ts";

interface BarCommand {
  readonly market: string;
  readonly bar: VenueBar;
}

/**
 * Lets one bar meet the resting orders of its market. In this order, and in order of acceptance within each:
 *
 *   at the open   1. entries past their `expiresAt` end
 *                 2. legs the open has passed: stops (also rests of triggered ones), then targets, fill at the open
 *                 3. market orders, and limits the open has passed, fill at the open; PostOnly ones that would are rejected
 *   inside        4. stops the low has touched fill at the stop
 *                 5. limits traded through fill at the limit
 *                 6. stops of what 5 has bought
 *                 7. targets traded through fill at the target, but not of what 5 has bought: the high may have come before
 *
 * Inside one bar nobody knows what came first, so every doubt goes against the trader.
 */
export function matchBar(
  state: PaperVenueState,
  { market, bar }: BarCommand,
  config: PaperVenueConfig,
): { readonly state: PaperVenueState; readonly events: readonly PaperEvent[] } {
  const marketTime = Math.max(state.marketTime, bar.time);
  const seen: PaperVenueState = { ...state, marketTime, lastPrices: { ...state.lastPrices, [market]: bar.close } };
  const terms = config.markets.get(market);
  if (terms === undefined || !state.orders.some((order) => order.request.market === market)) return { state: seen, events: [] };
  const matching = new Matching(seen, { terms, bar, config });
  matching.run();
  return matching.result();
}

/** One bar's work. Changes only what it made itself: copies of the state's records and its list of orders. */
class Matching {
  readonly #state: PaperVenueState;
  readonly #terms: MarketTerms;
  readonly #config: PaperVenueConfig;
  readonly #time: number;
  readonly #open: Decimal;
  readonly #bar: VenueBar;
  #highOrUnread: Decimal | undefined;
  #lowOrUnread: Decimal | undefined;
  readonly #balances: Record<string, Decimal>;
  readonly #holdings: Record<string, Decimal>;
  readonly #orders: VenueOrder[];
  readonly #events: PaperEvent[] = [];
  readonly #boughtInside = new Set<string>();
  #capacity: Decimal;
  #trades: number;

  constructor(state: PaperVenueState, { terms, bar, config }: { terms: MarketTerms; bar: VenueBar; config: PaperVenueConfig }) {
    this.#state = state;
    this.#terms = terms;
    this.#config = config;
    this.#time = bar.time;
    this.#open = decimalFromNumber(bar.open);
    this.#bar = bar;
    this.#balances = { ...state.balances };
    this.#holdings = { ...state.holdings };
    this.#orders = [...state.orders];
    this.#trades = state.tradeSequence;
    this.#capacity = fillableVolume(bar, terms, config);
  }

  /** Read when a limit or a leg asks: a market order needs the open only. */
  get #high(): Decimal {
    return (this.#highOrUnread ??= decimalFromNumber(this.#bar.high));
  }

  get #low(): Decimal {
    return (this.#lowOrUnread ??= decimalFromNumber(this.#bar.low));
  }

  run(): void {
    const { hasExpiries, hasLimits, hasLegs } = this.#kinds();
    if (hasExpiries) this.#each((order, index) => this.#expire(order, index));
    if (hasLegs) this.#each((order, index) => this.#legsAtOpen(order, index));
    this.#each((order, index) => this.#entryAtOpen(order, index));
    if (hasLegs) this.#each((order, index) => this.#stopInside(order, index));
    if (hasLimits) this.#each((order, index) => this.#limitInside(order, index));
    if (this.#boughtInside.size > 0) this.#each((order, index) => this.#stopInside(order, index));
    if (hasLegs) this.#each((order, index) => this.#targetInside(order, index));
  }

  /** What this bar's orders can meet at all: most bars meet a single market order. */
  #kinds(): { hasExpiries: boolean; hasLimits: boolean; hasLegs: boolean } {
    const kinds = { hasExpiries: false, hasLimits: false, hasLegs: false };
    this.#each(({ request: { expiresAt, limit, stopLoss, takeProfit } }) => {
      kinds.hasExpiries ||= expiresAt !== undefined;
      kinds.hasLimits ||= limit !== undefined;
      kinds.hasLegs ||= stopLoss !== undefined || takeProfit !== undefined;
    });
    return kinds;
  }

  result(): { state: PaperVenueState; events: readonly PaperEvent[] } {
    const orders = this.#orders.filter(isLive);
    const state = { ...this.#state, orders, balances: this.#balances, holdings: this.#holdings, tradeSequence: this.#trades };
    return { state, events: this.#events };
  }

  #each(visit: (order: VenueOrder, index: number) => void): void {
    for (let index = 0; index < this.#orders.length; index++) {
      const order = this.#orders[index];
      if (order !== undefined && order.request.market === this.#terms.symbol) visit(order, index);
    }
  }

  #expire(order: VenueOrder, index: number): void {
    const { expiresAt } = order.request;
    if (order.state === "Working" && expiresAt !== undefined && expiresAt <= this.#time) this.#end(index, "Expired", "EXPIRED");
  }

  #legsAtOpen(order: VenueOrder, index: number): void {
    if (order.protected === 0n) return;
    const { stopLoss, takeProfit } = order.request;
    if (order.stopTriggered || (stopLoss !== undefined && this.#open <= stopLoss)) {
      this.#triggerStop(index, this.#open);
    } else if (takeProfit !== undefined && this.#open > takeProfit) {
      this.#sellLeg(index, {
        leg: "takeProfit",
        price: maximum(takeProfit, slippedPrice(this.#open, "sell", this.#config.costs)),
      });
    }
  }

  #entryAtOpen(order: VenueOrder, index: number): void {
    if (!this.#isMatchable(order)) return;
    const { side, limit, timeInForce } = order.request;
    const first = !order.metFirstBar;
    if (
      first &&
      timeInForce === "PostOnly" &&
      limit !== undefined &&
      (side === "buy" ? this.#open <= limit : this.#open >= limit)
    ) {
      this.#end(index, "Rejected", "POST_ONLY_WOULD_TAKE");
      return;
    }
    const passed = limit === undefined || (side === "buy" ? this.#open < limit : this.#open > limit);
    if (passed) this.#fillEntry(index, this.#openPrice(order));
    const after = this.#orderAt(index);
    if (after.state !== "Working") return;
    if (timeInForce === "IOC") this.#end(index, "Cancelled", "IMMEDIATE_OR_CANCEL");
    else if (timeInForce === "FOK") this.#end(index, "Cancelled", "FILL_OR_KILL");
    else if (first) this.#orders[index] = { ...after, metFirstBar: true };
  }

  /** The open with slippage, but never beyond the limit. */
  #openPrice({ request: { side, limit } }: VenueOrder): Decimal {
    const slipped = slippedPrice(this.#open, side, this.#config.costs);
    if (limit === undefined) return slipped;
    return side === "buy" ? minimum(limit, slipped) : maximum(limit, slipped);
  }

  #stopInside(order: VenueOrder, index: number): void {
    const { stopLoss } = order.request;
    if (order.protected === 0n || order.stopTriggered || stopLoss === undefined || this.#low > stopLoss) return;
    this.#triggerStop(index, stopLoss);
  }

  #limitInside(order: VenueOrder, index: number): void {
    const { side, limit } = order.request;
    if (limit === undefined || !this.#isMatchable(order)) return;
    if (side === "buy" ? this.#low >= limit : this.#high <= limit) return;
    const before = this.#trades;
    this.#fillEntry(index, limit);
    if (this.#trades > before) this.#boughtInside.add(order.venueOrderId);
  }

  #targetInside(order: VenueOrder, index: number): void {
    const { takeProfit } = order.request;
    if (order.protected === 0n || order.stopTriggered || takeProfit === undefined || this.#high <= takeProfit) return;
    if (!this.#boughtInside.has(order.venueOrderId)) this.#sellLeg(index, { leg: "takeProfit", price: takeProfit });
  }

  #isMatchable(order: VenueOrder): boolean {
    return order.state === "Working" && order.eligibleFrom <= this.#time;
  }

  /** A triggered stop is a market order: what the bar's volume leaves unsold goes at the next opens. */
  #triggerStop(index: number, price: Decimal): void {
    this.#orders[index] = { ...this.#orderAt(index), stopTriggered: true };
    this.#sellLeg(index, { leg: "stopLoss", price: slippedPrice(price, "sell", this.#config.costs) });
    const order = this.#orderAt(index);
    if (order.protected === 0n) this.#orders[index] = { ...order, stopTriggered: false };
  }

  #sellLeg(index: number, { leg, price }: { leg: Leg; price: Decimal }): void {
    const order = this.#orderAt(index);
    const quantity = minimum(minimum(order.protected, this.#capacity), this.#balances[this.#terms.base] ?? ZERO);
    if (quantity <= 0n) return;
    // Whoever is being taken out of a position must not go on building it.
    if (order.state === "Working") this.#end(index, "Cancelled", "LEG_TRIGGERED");
    this.#orders[index] = { ...this.#orderAt(index), protected: subtract(order.protected, quantity) };
    this.#settle(index, { leg, price, quantity });
  }

  #fillEntry(index: number, price: Decimal): void {
    const order = this.#orderAt(index);
    if (order.request.side === "buy") this.#buy(index, order, price);
    else this.#sell(index, order, price);
  }

  #buy(index: number, order: VenueOrder, price: Decimal): void {
    const { quantity, maxCost, timeInForce } = order.request;
    const remaining = subtract(quantity, order.filled);
    const wanted = minimum(remaining, this.#capacity);
    const cash = this.#balances[this.#terms.quote] ?? ZERO;
    const budget = maxCost === undefined ? cash : minimum(cash, subtract(maxCost, order.spent));
    const clipped = wanted > 0n && buyCost(wanted, price, this.#config.costs) > budget;
    const quantityNow = clipped
      ? affordableQuantity(budget, price, { costs: this.#config.costs, step: this.#terms.quantityStep })
      : wanted;
    if (timeInForce === "FOK" && quantityNow < remaining) return;
    if (quantityNow > 0n) this.#settle(index, { leg: "entry", price, quantity: quantityNow });
    if (clipped) this.#end(index, "Cancelled", "INSUFFICIENT_CASH");
  }

  #sell(index: number, order: VenueOrder, price: Decimal): void {
    const remaining = subtract(order.request.quantity, order.filled);
    const sellable = floorToStep(this.#sellable(order), this.#terms.quantityStep);
    const quantity = minimum(minimum(remaining, this.#capacity), sellable);
    if (order.request.timeInForce === "FOK" && quantity < remaining) return;
    if (quantity > 0n) this.#settle(index, { leg: "entry", price, quantity });
    if (quantity < remaining && quantity === sellable) this.#end(index, "Cancelled", "NOTHING_TO_SELL");
  }

  /** The account's base units; for a reduce-only order those of its owner and of nobody, never another owner's. */
  #sellable(order: VenueOrder): Decimal {
    const balance = this.#balances[this.#terms.base] ?? ZERO;
    if (!order.request.reduceOnly) return balance;
    let others = ZERO;
    const own = holdingKey(order.request.owner, order.request.market);
    for (const [key, units] of Object.entries(this.#holdings)) {
      if (key !== own && this.#config.markets.get(marketOfKey(key))?.base === this.#terms.base) others = add(others, units);
    }
    return maximum(subtract(balance, others), ZERO);
  }

  /** Books one execution: balances, the owner's holdings, the order, its events. */
  #settle(index: number, { leg, price, quantity }: { leg: Leg; price: Decimal; quantity: Decimal }): void {
    const { request, filled, spent } = this.#orderAt(index);
    const { base, quote } = this.#terms;
    const side = leg === "entry" ? request.side : "sell";
    const notional = multiply(quantity, price, side === "buy" ? "up" : "down");
    const fee = feeOn(notional, this.#config.costs);
    const sign = side === "buy" ? 1n : -1n;
    this.#balances[base] = add(this.#balances[base] ?? ZERO, (quantity * sign) as Decimal);
    this.#balances[quote] = subtract(add(this.#balances[quote] ?? ZERO, (0n - notional * sign) as Decimal), fee);
    const key = holdingKey(request.owner, request.market);
    this.#holdings[key] = maximum(add(this.#holdings[key] ?? ZERO, (quantity * sign) as Decimal), ZERO);
    this.#capacity = subtract(this.#capacity, quantity);
    this.#trades++;
    const fill = {
      tradeId: `t${this.#trades}`,
      clientOrderId: request.clientOrderId,
      owner: request.owner,
      market: request.market,
    };
    this.#events.push({ type: "fill", fill: { ...fill, side, quantity, price, fee, feeAsset: quote, time: this.#time, leg } });
    if (leg === "entry")
      this.#fillOrder(index, { filled: add(filled, quantity), spent: side === "buy" ? add(spent, add(notional, fee)) : spent });
    if (side === "sell") this.#trimLegs(request.owner);
    this.#report(index, undefined);
  }

  #fillOrder(index: number, { filled, spent }: { filled: Decimal; spent: Decimal }): void {
    const order = this.#orderAt(index);
    const { quantity, stopLoss, takeProfit } = order.request;
    const hasLegs = stopLoss !== undefined || takeProfit !== undefined;
    this.#orders[index] = {
      ...order,
      filled,
      spent,
      state: filled === quantity ? "Filled" : order.state,
      protected: hasLegs ? add(order.protected, subtract(filled, order.filled)) : ZERO,
    };
  }

  /** After a sale the oldest legs shrink first, until all of an owner's legs together protect no more than it holds. */
  #trimLegs(owner: string): void {
    const mine = (order: VenueOrder) => order.request.owner === owner && order.request.market === this.#terms.symbol;
    let excess = subtract(ZERO, this.#holdings[holdingKey(owner, this.#terms.symbol)] ?? ZERO);
    for (const order of this.#orders) if (mine(order)) excess = add(excess, order.protected);
    this.#each((order, index) => {
      if (excess <= 0n || order.protected === 0n || !mine(order)) return;
      const cut = minimum(order.protected, excess);
      excess = subtract(excess, cut);
      this.#orders[index] = { ...order, protected: subtract(order.protected, cut) };
      if (cut === order.protected) this.#report(index, undefined);
    });
  }

  #end(index: number, state: "Cancelled" | "Expired" | "Rejected", reason: EndReason): void {
    const order = this.#orderAt(index);
    if (order.state !== "Working") return;
    this.#orders[index] = { ...order, state };
    this.#report(index, reason);
  }

  #report(index: number, reason: EndReason | undefined): void {
    this.#events.push({ type: "order", order: this.#orderAt(index), at: this.#time, reason });
  }

  #orderAt(index: number): VenueOrder {
    const order = this.#orders[index];
    if (order === undefined) throw new Error(`the venue has no order at index ${index}`);
    return order;
  }
}

/**
 * Base units of this bar that may fill: the largest multiple of the step that is not above volume × share, of quote volume not above
 * volume × share ÷ close.
 */
function fillableVolume(
  bar: VenueBar,
  { quantityStep: step }: MarketTerms,
  { volumeShare, volumeUnit }: PaperVenueConfig,
): Decimal {
  const divisor = volumeUnit === "Base" ? ONE : decimalFromNumber(bar.close);
  return multiplyDivideToStep(decimalFromNumber(bar.volume), volumeShare, { divisor, step });
}

function holdingKey(owner: string, market: string): string {
  return `${owner} ${market}`;
}

function marketOfKey(key: string): string {
  return key.slice(key.indexOf(" ") + 1);
}
