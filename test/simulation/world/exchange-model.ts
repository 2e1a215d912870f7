import {
  type Decimal,
  ZERO,
  add,
  divide,
  floorToStep,
  formatDecimal,
  maximum,
  minimum,
  multiply,
  negate,
  parseDecimal,
  subtract,
} from "@bellwether/trading";
import type { PlacedLeg, PlacedOrder, PlacedTrade, VenueTruth } from "./venue-truth.ts";

export const market = "SOL/USDT";
const base = "SOL";
const quote = "USDT";
const step = parseDecimal("0.00001");
const feeRatio = parseDecimal("0.001");

/** What arrives at the exchange. */
export interface Placement {
  readonly clientId: string;
  readonly side: "buy" | "sell";
  readonly type: "limit" | "market";
  readonly quantity: string;
  readonly price?: string;
  readonly timeInForce: "GTC" | "IOC" | "FOK";
  readonly timestampMs: number;
}

interface ExchangeTrade extends PlacedTrade {
  readonly venueOrderId: string;
  readonly side: "buy" | "sell";
  readonly timeMs: number;
}

export interface ExchangeOrder extends PlacedOrder {
  readonly side: "buy" | "sell";
  readonly quantity: Decimal;
  readonly limit: Decimal | undefined;
  filled: Decimal;
  state: PlacedOrder["state"];
  readonly trades: ExchangeTrade[];
}

/** A stop or a target that rests; of two with one name, what happens to one ends the other. */
export interface ExchangeLeg extends ExchangeOrder {
  readonly leg: PlacedLeg["leg"];
  /** Of a stop: it sells at the market once the price is there or below. */
  readonly trigger: Decimal | undefined;
  other: ExchangeLeg | undefined;
}

/** What arrives at the exchange to rest there: a stop, a target, or both. */
export interface LegsPlacement {
  readonly quantity: string;
  readonly legs: readonly { readonly leg: PlacedLeg["leg"]; readonly id: string; readonly price: string }[];
  readonly timestampMs: number;
}

/** A sale that the exchange has refused although the account holds what it would sell: something else holds it fast. */
export interface BlockedSale {
  readonly clientId: string;
  readonly quantity: Decimal;
}

interface Deal {
  readonly quantity: Decimal;
  readonly price: Decimal;
  readonly timeMs: number;
}

export interface ExchangeSettings {
  /** Ahead of everybody else's clock. */
  clockOffsetMs: number;
  /** Buys may pay their fee in what they buy, as real exchanges have it. */
  readonly feeInBase: boolean;
  /** Where an order may be split into several executions: 1 to this many. */
  pieces: number;
}

export const windowMs = 5_000;

/**
 * An exchange: clock, balances, orders, trades. It survives everything that happens to its clients, remembers all, and like a real one refuses a client order id
 * only while an order with it is open: whoever sends twice, trades twice.
 */
export class ExchangeModel implements VenueTruth {
  readonly settings: ExchangeSettings;
  readonly orders: ExchangeOrder[] = [];
  readonly legs: ExchangeLeg[] = [];
  readonly blockedSales: BlockedSale[] = [];
  /** Executions of another hand with the same key. */
  readonly foreignTrades: ExchangeTrade[] = [];
  readonly #byClientId = new Map<string, ExchangeOrder>();
  readonly #balances = new Map<string, Decimal>();
  #price: Decimal;
  #trades = 0;

  constructor(settings: ExchangeSettings, start: { usdt: string; price: string }) {
    this.settings = settings;
    this.#price = parseDecimal(start.price);
    this.#balances.set(quote, parseDecimal(start.usdt));
    this.#balances.set(base, ZERO);
  }

  balance(asset: string): Decimal {
    return this.#balances.get(asset) ?? ZERO;
  }

  order(clientId: string): ExchangeOrder | undefined {
    return this.#byClientId.get(clientId);
  }

  /** What rests, legs included. */
  get openOrders(): readonly ExchangeOrder[] {
    return [...this.orders, ...this.legs].filter(({ state }) => state === "Working");
  }

  get price(): Decimal {
    return this.#price;
  }

  /** @returns why it is refused, or undefined: accepted */
  place(request: Placement, nowMs: number): string | undefined {
    const refusal = this.#timeRefusal(request.timestampMs, nowMs);
    if (refusal !== undefined) return refusal;
    if (this.#byClientId.get(request.clientId)?.state === "Working") return "-2010 duplicate order sent";
    const hereMs = nowMs + this.settings.clockOffsetMs;
    const quantity = parseDecimal(request.quantity);
    const limit = request.price === undefined ? undefined : parseDecimal(request.price);
    if (
      this.#needs(request.side, { quantity, price: limit ?? this.#price }) > this.#free(request.side === "buy" ? quote : base)
    ) {
      if (request.side === "sell" && quantity <= this.balance(base))
        this.blockedSales.push({ clientId: request.clientId, quantity });
      return "-2010 insufficient balance";
    }
    const order: ExchangeOrder = {
      venueOrderId: `v${this.orders.length + 1}`,
      clientId: request.clientId,
      side: request.side,
      quantity,
      limit,
      filled: ZERO,
      state: "Working",
      trades: [],
    };
    this.orders.push(order);
    this.#byClientId.set(request.clientId, order);
    this.#match(order, { price: this.#price, liquidity: quantity, timeMs: hereMs });
    if (order.state === "Working" && (request.type === "market" || request.timeInForce !== "GTC")) order.state = "Expired";
    return undefined;
  }

  /** A stop has to lie below the price and a target above it: what would sell at once is no leg. @returns why it is refused, or undefined: accepted */
  placeLegs({ quantity: text, legs, timestampMs }: LegsPlacement, nowMs: number): string | undefined {
    const refusal = this.#timeRefusal(timestampMs, nowMs);
    if (refusal !== undefined) return refusal;
    if (legs.some(({ id }) => this.#byClientId.get(id)?.state === "Working")) return "-2010 duplicate order sent";
    const at = (price: string): Decimal => parseDecimal(price);
    if (legs.some(({ leg, price }) => (leg === "stopLoss" ? at(price) >= this.#price : at(price) <= this.#price)))
      return "-2010 would trigger immediately";
    const quantity = parseDecimal(text);
    if (quantity > this.#free(base)) return "-2010 insufficient balance";
    const placed = legs.map(({ leg, id, price }, index) =>
      this.#leg({ leg, id, price, quantity, number: this.legs.length + index + 1 }),
    );
    for (const [index, leg] of placed.entries()) leg.other = placed[1 - index];
    this.legs.push(...placed);
    return undefined;
  }

  #leg({
    leg,
    id,
    price,
    quantity,
    number,
  }: {
    leg: PlacedLeg["leg"];
    id: string;
    price: string;
    quantity: Decimal;
    number: number;
  }): ExchangeLeg {
    const at = parseDecimal(price);
    const placed: ExchangeLeg = {
      venueOrderId: `l${number}`,
      clientId: id,
      side: "sell",
      quantity,
      leg,
      ...(leg === "stopLoss" ? { limit: undefined, trigger: at } : { limit: at, trigger: undefined }),
      filled: ZERO,
      state: "Working",
      trades: [],
      other: undefined,
    };
    this.#byClientId.set(id, placed);
    return placed;
  }

  /** Of legs that belong together one takes the other along. */
  cancel(clientId: string): void {
    const order = this.#byClientId.get(clientId);
    const other = this.legs.find((leg) => leg === order)?.other;
    for (const each of [order, other]) if (each?.state === "Working") each.state = "Cancelled";
  }

  /** The price moves; what rests is met by it as far as `liquidity` goes. */
  move(price: string, liquidity: string, nowMs: number): void {
    this.#price = parseDecimal(price);
    const timeMs = nowMs + this.settings.clockOffsetMs;
    let left = parseDecimal(liquidity);
    const meet = (order: ExchangeOrder, work: (deal: { price: Decimal; liquidity: Decimal; timeMs: number }) => void): void => {
      const before = order.filled;
      // Whatever happened to the other leg has ended this one.
      if (order.state === "Working") work({ price: this.#price, liquidity: left, timeMs });
      left = maximum(subtract(left, subtract(order.filled, before)), ZERO);
    };
    for (const order of this.orders.filter(({ state }) => state === "Working")) meet(order, (deal) => this.#match(order, deal));
    for (const leg of this.legs.filter(({ state }) => state === "Working")) meet(leg, (deal) => this.#fire(leg, deal));
  }

  /** A stop that is met sells at the market, and what nobody takes of it expires; a target rests on. */
  #fire(leg: ExchangeLeg, deal: { price: Decimal; liquidity: Decimal; timeMs: number }): void {
    const { trigger, other } = leg;
    if (trigger !== undefined && deal.price > trigger) return;
    this.#match(leg, deal);
    if (trigger !== undefined && leg.state === "Working") leg.state = "Expired";
    const happened = trigger !== undefined || leg.filled > 0n;
    if (happened && other?.state === "Working") other.state = "Expired";
  }

  #timeRefusal(timestampMs: number, nowMs: number): string | undefined {
    const hereMs = nowMs + this.settings.clockOffsetMs;
    if (hereMs - timestampMs > windowMs) return "-1021 outside of the receive window";
    return timestampMs - hereMs > 1_000 ? "-1021 ahead of the server's time" : undefined;
  }

  /** Somebody else sells or buys a bit with the same key. @returns false: there is nothing to do it with */
  tradeForeign(side: "buy" | "sell", nowMs: number): boolean {
    const quantity = parseDecimal("0.5");
    const price = this.#price;
    if (this.#needs(side, { quantity, price }) > this.#free(side === "buy" ? quote : base)) return false;
    const venueOrderId = `foreign-${this.foreignTrades.length + 1}`;
    const timeMs = nowMs + this.settings.clockOffsetMs;
    this.foreignTrades.push(this.#exchanged({ venueOrderId, side }, { quantity, price, timeMs }));
    return true;
  }

  #needs(side: "buy" | "sell", { quantity, price }: { quantity: Decimal; price: Decimal }): Decimal {
    if (side === "sell") return quantity;
    const cost = multiply(quantity, price, "up");
    return add(cost, multiply(cost, feeRatio, "up"));
  }

  /** What is not locked by resting orders. */
  #free(asset: string): Decimal {
    let free = this.balance(asset);
    for (const { side, quantity, filled, limit, state } of this.orders) {
      if (state !== "Working" || (side === "buy" ? quote : base) !== asset) continue;
      free = subtract(free, this.#needs(side, { quantity: subtract(quantity, filled), price: limit ?? this.#price }));
    }
    if (asset !== base) return free;
    for (const { state, quantity, filled, leg, other } of this.legs) {
      // Two that belong together sell the same units.
      const counted = other?.state === "Working" && leg === "takeProfit";
      if (state === "Working" && !counted) free = subtract(free, subtract(quantity, filled));
    }
    return free;
  }

  #match(order: ExchangeOrder, { price, liquidity, timeMs }: { price: Decimal; liquidity: Decimal; timeMs: number }): void {
    if (order.limit !== undefined && (order.side === "buy" ? price > order.limit : price < order.limit)) return;
    let left = minimum(subtract(order.quantity, order.filled), floorToStep(liquidity, step));
    const pieces = BigInt(this.settings.pieces);
    const piece = maximum(floorToStep(divide(left, parseDecimal(String(pieces)), "down"), step), step);
    while (left > 0n) {
      const quantity = subtract(left, piece) < piece ? left : piece;
      this.#execute(order, { quantity, price, timeMs });
      left = subtract(left, quantity);
    }
    if (order.filled === order.quantity) order.state = "Filled";
  }

  #execute(order: ExchangeOrder, deal: Deal): void {
    order.filled = add(order.filled, deal.quantity);
    order.trades.push(this.#exchanged(order, deal));
  }

  #exchanged({ venueOrderId, side }: Pick<ExchangeOrder, "venueOrderId" | "side">, deal: Deal): ExchangeTrade {
    const { quantity, price, timeMs } = deal;
    const notional = multiply(quantity, price, "up");
    const inBase = this.settings.feeInBase && side === "buy";
    const fee = multiply(inBase ? quantity : notional, feeRatio, "up");
    const feeAsset = inBase ? base : quote;
    const sign = side === "buy" ? 1n : -1n;
    this.#change(base, (sign * quantity) as Decimal);
    this.#change(quote, (-sign * notional) as Decimal);
    this.#change(feeAsset, negate(fee));
    this.#trades += 1;
    return { tradeId: `t${this.#trades}`, venueOrderId, side, quantity, price, quote: notional, fee, feeAsset, timeMs };
  }

  #change(asset: string, amount: Decimal): void {
    this.#balances.set(asset, add(this.balance(asset), amount));
  }
}

export const assets = [base, quote] as const;

/** The amounts of a trade as text. */
export function tradeTexts({ quantity, price, fee }: ExchangeTrade): { quantity: string; price: string; fee: string } {
  return { quantity: formatDecimal(quantity), price: formatDecimal(price), fee: formatDecimal(fee) };
}
