import {
  add,
  decimalFromNumber,
  decimalToNumber,
  formatDecimal,
  maximum,
  multiply,
  subtract,
  ZERO,
  type Decimal,
} from "../decimal.ts";
import { applyEntry, EMPTY_SUB_ACCOUNT, type SubAccount } from "../portfolio/sub-account.ts";
import type { JournalEntry } from "../portfolio/entries.ts";
import { averagePriceOf } from "../portfolio/valuation.ts";
import type { MarketExposure, PolicyView, RiskView, TradingCondition } from "../rules/rule.ts";
import { remainingReservation, type SizingAccount } from "../sizing/size-order.ts";
import { restingLegs, type VenueFill, type VenueOrder } from "../venue/paper-state.ts";
import type { MarketTerms } from "../venue/market-terms.ts";
import type { AccountView } from "./program-host.ts";
import type { ProgramOrder, ProgramPosition } from "./program.ts";

interface OpenOrder {
  readonly order: VenueOrder;
  /** Cash set aside for the whole order at its verdict. */
  readonly reservation: Decimal;
}

/** Highest equity, and that at the begin of the UTC day: points of the equity curve, so floats. */
export interface EquityReferences {
  readonly peakEquity: () => number;
  readonly dayStartEquity: () => number;
}

const MINUTE_MS = 60_000;
const NO_ORDERS: readonly ProgramOrder[] = Object.freeze([]);

/**
 * The strategy's sub-account in a backtest: the same folds, reservations and views that risk keeps in the journal, in memory.
 * Exact at orders and fills; `markEquity` is the float the equity curve is made of.
 */
export class BacktestAccount implements RiskView, SizingAccount {
  trading: TradingCondition;
  readonly #terms: MarketTerms;
  readonly #open = new Map<string, OpenOrder>();
  #account: SubAccount = EMPTY_SUB_ACCOUNT;
  #cash: Decimal = ZERO;
  #units: Decimal = ZERO;
  #cashFloat = 0;
  #unitsFloat = 0;
  #reserved: Decimal = ZERO;
  #workingSells: Decimal = ZERO;
  #closeFloat = 0;
  #position: ProgramPosition | undefined;
  /** Times of the orders of about the last minute, oldest first. */
  #orderTimes: number[] = [];
  #nowMs = 0;
  roundTrips = 0;
  #netAtLastRoundTrip: Decimal = ZERO;
  /** Told the profit after fees of each completed round trip. */
  onRoundTrip: ((profit: number) => void) | undefined;
  /** The whole policy: in a backtest there is no other account. */
  readonly policy: PolicyView;

  constructor(terms: MarketTerms, trading: TradingCondition, references: EquityReferences) {
    this.#terms = terms;
    this.trading = trading;
    const equity = (): Decimal => this.equity;
    this.policy = {
      get equity() {
        return equity();
      },
      get dayStartEquity() {
        return decimalFromNumber(references.dayStartEquity());
      },
      get peakEquity() {
        return decimalFromNumber(references.peakEquity());
      },
      exposure: () => this.exposure(),
    };
  }

  /** The close that everything is valued at from now on. */
  moveTo(close: number): void {
    this.#closeFloat = close;
  }

  /** Marked to market in floats. */
  get markEquity(): number {
    return this.#cashFloat + this.#unitsFloat * this.#closeFloat;
  }

  book(entry: JournalEntry): void {
    this.#account = applyEntry(this.#account, entry);
    this.#cash = this.#account.balances[this.#terms.quote] ?? ZERO;
    const units = this.#account.balances[this.#terms.base] ?? ZERO;
    if (units === 0n && this.#units > 0n) this.#closeRoundTrip();
    this.#units = units;
    this.#cashFloat = decimalToNumber(this.#cash);
    this.#unitsFloat = decimalToNumber(units);
    this.#position = undefined;
    if (this.#cash < 0n || units < 0n)
      throw new Error(`a balance fell below zero: ${formatDecimal(this.#cash)}, ${formatDecimal(units)}`);
  }

  #closeRoundTrip(): void {
    this.roundTrips++;
    const { realizedPnl, fees } = this.#account.positions[this.#terms.symbol] ?? { realizedPnl: ZERO, fees: ZERO };
    const net = subtract(realizedPnl, fees);
    this.onRoundTrip?.(decimalToNumber(subtract(net, this.#netAtLastRoundTrip)));
    this.#netAtLastRoundTrip = net;
  }

  bookFill({ market, side, quantity, price, fee, feeAsset }: VenueFill): void {
    const { base, quote } = this.#terms;
    this.book({ kind: "fill", market, base, quote, side, quantity, price, fee, feeAsset });
  }

  /** An order that is live after this event; `reservation` when it is new or replaced. */
  keep(order: VenueOrder, reservation?: Decimal): void {
    const id = order.request.clientOrderId;
    this.#open.set(id, { order, reservation: reservation ?? this.#open.get(id)?.reservation ?? ZERO });
    this.#sumUp();
  }

  drop(clientOrderId: string): void {
    if (this.#open.delete(clientOrderId)) this.#sumUp();
  }

  find(clientOrderId: string): VenueOrder | undefined {
    return this.#open.get(clientOrderId)?.order;
  }

  /** The account as if this order had never been: what a replace is judged by. */
  without<Result>(clientOrderId: string, judge: () => Result): Result {
    const held = this.#open.get(clientOrderId);
    this.drop(clientOrderId);
    try {
      return judge();
    } finally {
      if (held !== undefined) this.keep(held.order, held.reservation);
    }
  }

  /** Orders and legs that rest, oldest first. */
  get resting(): readonly VenueOrder[] {
    return [...this.#open.values()].map(({ order }) => order);
  }

  get hasOrders(): boolean {
    return this.#open.size > 0;
  }

  #sumUp(): void {
    let [reserved, selling] = [ZERO, ZERO];
    for (const { order, reservation } of this.#open.values()) {
      if (order.state !== "Working") continue;
      const { side, quantity } = order.request;
      if (side === "buy") reserved = add(reserved, remainingReservation(reservation, order.filled, quantity));
      else selling = add(selling, subtract(quantity, order.filled));
    }
    this.#reserved = reserved;
    this.#workingSells = selling;
  }

  // What rules and sizing see: exact.

  get equity(): Decimal {
    return this.#units === 0n ? this.#cash : add(this.#cash, this.#positionNotional());
  }

  get freeCash(): Decimal {
    return maximum(subtract(this.#cash, this.#reserved), ZERO);
  }

  get held(): Decimal {
    return this.#units;
  }

  get workingSells(): Decimal {
    return this.#workingSells;
  }

  get openOrders(): number {
    let working = 0;
    for (const { order } of this.#open.values()) if (order.state === "Working") working++;
    return working;
  }

  get ordersLastMinute(): number {
    return this.#orderTimes.length;
  }

  /** Orders are counted from here on: the time of the decision that is being judged. */
  judgeAt(closeMs: number): void {
    this.#nowMs = closeMs;
    if (this.#orderTimes.length > 0) this.#orderTimes = this.#orderTimes.filter((time) => time > closeMs - MINUTE_MS);
  }

  countOrder(): void {
    this.#orderTimes.push(this.#nowMs);
  }

  exposure(): MarketExposure {
    return { positionNotional: this.#positionNotional(), workingBuysNotional: this.#reserved };
  }

  get fees(): Decimal {
    return this.#account.positions[this.#terms.symbol]?.fees ?? ZERO;
  }

  #positionNotional(): Decimal {
    return this.#units === 0n ? ZERO : multiply(this.#units, decimalFromNumber(this.#closeFloat), "down");
  }

  // What the program sees: text, made when it is read.

  readonly view: AccountView = {
    equity: () => formatDecimal(this.equity),
    cash: () => formatDecimal(this.freeCash),
    position: () => (this.#position ??= this.#positionView()),
    orders: () => (this.#open.size === 0 ? NO_ORDERS : [...this.#open.values()].map(({ order }) => programOrder(order))),
  };

  #positionView(): ProgramPosition {
    const position = this.#account.positions[this.#terms.symbol];
    return {
      quantity: formatDecimal(this.#units),
      // A division that few programs ask for.
      get averagePrice() {
        return position === undefined ? "0" : formatDecimal(averagePriceOf(position));
      },
    };
  }
}

/** An order as `context.orders()` shows it. */
function programOrder(order: VenueOrder): ProgramOrder {
  const { clientOrderId, market, side, type, quantity, limit, stopLoss, takeProfit, decisionTime, expiresAt } = order.request;
  return {
    id: clientOrderId,
    market,
    side,
    type,
    quantity: formatDecimal(quantity),
    filledQuantity: formatDecimal(order.filled),
    ...(limit !== undefined && { limit: formatDecimal(limit) }),
    ...(stopLoss !== undefined && { stopLoss: formatDecimal(stopLoss) }),
    ...(takeProfit !== undefined && { takeProfit: formatDecimal(takeProfit) }),
    decisionTime,
    ...(expiresAt !== undefined && { expiresAt }),
    protectiveLegs: restingLegs(order),
  };
}
