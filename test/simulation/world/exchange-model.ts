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
import type { PlacedOrder, PlacedTrade, VenueTruth } from "./venue-truth.ts";

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

  get openOrders(): readonly ExchangeOrder[] {
    return this.orders.filter(({ state }) => state === "Working");
  }

  /** @returns why it is refused, or undefined: accepted */
  place(request: Placement, nowMs: number): string | undefined {
    const hereMs = nowMs + this.settings.clockOffsetMs;
    if (hereMs - request.timestampMs > windowMs) return "-1021 outside of the receive window";
    if (request.timestampMs - hereMs > 1_000) return "-1021 ahead of the server's time";
    if (this.#byClientId.get(request.clientId)?.state === "Working") return "-2010 duplicate order sent";
    const quantity = parseDecimal(request.quantity);
    const limit = request.price === undefined ? undefined : parseDecimal(request.price);
    if (this.#needs(request.side, { quantity, price: limit ?? this.#price }) > this.#free(request.side === "buy" ? quote : base))
      return "-2010 insufficient balance";
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

  cancel(clientId: string): void {
    const order = this.#byClientId.get(clientId);
    if (order?.state === "Working") order.state = "Cancelled";
  }

  /** The price moves; what rests is met by it as far as `liquidity` goes. */
  move(price: string, liquidity: string, nowMs: number): void {
    this.#price = parseDecimal(price);
    let left = parseDecimal(liquidity);
    for (const order of this.openOrders) {
      const before = order.filled;
      this.#match(order, { price: this.#price, liquidity: left, timeMs: nowMs + this.settings.clockOffsetMs });
      left = maximum(subtract(left, subtract(order.filled, before)), ZERO);
    }
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
    for (const { side, quantity, filled, limit } of this.openOrders) {
      if ((side === "buy" ? quote : base) !== asset) continue;
      free = subtract(free, this.#needs(side, { quantity: subtract(quantity, filled), price: limit ?? this.#price }));
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
