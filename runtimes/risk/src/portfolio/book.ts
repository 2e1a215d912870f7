import {
  type Decimal,
  EMPTY_SUB_ACCOUNT,
  type FillEntry,
  type FinalOrder,
  type OrderState,
  type SubAccount,
  ZERO,
  add,
  applyEntry,
  isOpen,
  maximum,
  multiply,
  negate,
  remainingReservation,
  rulesFromSymbol,
  subtract,
} from "@bellwether/trading";

/** What belongs to no strategy: opening balances not given out, and what deleted strategies left. */
export const unassigned = "unassigned";

/** More than the highest `maxOrdersPerMinute`. */
const maxDecisionTimes = 6_500;

/** An order as risk follows it: committed once, changed only by what the broker's journal says. */
export interface BookOrder {
  readonly order: FinalOrder;
  /** The canonical text. */
  readonly body: string;
  readonly strategyUid: string;
  readonly epoch: number;
  readonly quantity: Decimal;
  /** Expected cost of a buy (quote), see sizeOrder. */
  readonly reservation: Decimal;
  /** The most a buy can cost; the venue clips to it. Zero for sells. */
  readonly maxCost: Decimal;
  readonly createdAtMs: number;
  state: OrderState;
  /** Filled of the entry leg, from fills. */
  filled: Decimal;
  /** What the entry's fills took from cash. */
  spent: Decimal;
  /** The broker has a durable row for it: its fate is the broker's to tell. */
  known: boolean;
  venueOrderId: string | undefined;
  protectiveLegs: readonly ("stopLoss" | "takeProfit")[];
  reason: string | undefined;
  updatedAtMs: number;
  cancelRequested: "entry" | "all" | undefined;
  /** released_at is written: nothing more is owed to the journal. */
  releaseStored: boolean;
}

/** What is known of an order by its own row alone. */
type BookOrderRow = Pick<
  BookOrder,
  | "order"
  | "body"
  | "strategyUid"
  | "epoch"
  | "quantity"
  | "reservation"
  | "maxCost"
  | "createdAtMs"
  | "state"
  | "cancelRequested"
  | "releaseStored"
>;

/** An order that nothing has come of yet, as far as is known: the rest is folded from the broker's journal. */
export function unfilledOrder(row: BookOrderRow): BookOrder {
  return {
    ...row,
    filled: ZERO,
    spent: ZERO,
    known: false,
    venueOrderId: undefined,
    protectiveLegs: [],
    reason: undefined,
    updatedAtMs: row.createdAtMs,
  };
}

/** One row of broker.orders. */
export interface VenueOrderRow {
  readonly clientOrderId: string;
  readonly state: OrderState;
  readonly venueOrderId: string | undefined;
  readonly protectiveLegs: readonly ("stopLoss" | "takeProfit")[];
  readonly reason: string | undefined;
  readonly updatedAtMs: number;
}

export interface BookFill extends FillEntry {
  readonly clientOrderId: string;
  readonly tradeId: string;
  readonly leg: "entry" | "stopLoss" | "takeProfit";
  readonly time: number;
  /** Whose: a strategy uid, or `unassigned` for an order that this journal does not know. */
  readonly subAccount: string;
}

export interface BookTransfer {
  readonly from: string | undefined;
  readonly to: string;
  readonly asset: string;
  readonly amount: Decimal;
}

export interface Mark {
  readonly price: Decimal;
  /** Close of the bar, market time. */
  readonly timeMs: number;
}

/**
 * One account in memory: nothing but a fold of the journal (transfers, orders, the broker's fills) and the last closes. It can be dropped and
 * folded again at any moment. Open orders bound it: ended ones are forgotten as soon as no leg rests and their release is stored.
 */
export class AccountBook {
  readonly accountUid: string;
  readonly name: string;
  readonly #subAccounts = new Map<string, SubAccount>();
  readonly #orders = new Map<string, BookOrder>();
  readonly #marks = new Map<string, Mark>();
  readonly #decisionTimes: number[] = [];
  #adjusted = false;
  readonly #deposits = new Map<string, Decimal>();

  constructor(accountUid: string, name: string) {
    this.accountUid = accountUid;
    this.name = name;
  }

  subAccount(uid: string): SubAccount {
    return this.#subAccounts.get(uid) ?? EMPTY_SUB_ACCOUNT;
  }

  subAccounts(): IterableIterator<[string, SubAccount]> {
    return this.#subAccounts.entries();
  }

  /** What came in from outside less what went out, by asset. */
  get deposits(): ReadonlyMap<string, Decimal> {
    return this.#deposits;
  }

  /** A person has adopted differences: deposits are not what the account began with. */
  get adjusted(): boolean {
    return this.#adjusted;
  }

  /** A difference to the venue that a person has adopted: it is nobody's. Signed. */
  applyAdjustment(asset: string, amount: Decimal): void {
    this.#adjusted = true;
    this.applyTransfer({ from: undefined, to: unassigned, asset, amount });
  }

  applyTransfer({ from, to, asset, amount }: BookTransfer): void {
    if (from === undefined) this.#deposits.set(asset, add(this.#deposits.get(asset) ?? ZERO, amount));
    if (from !== undefined) {
      this.#subAccounts.set(from, applyEntry(this.subAccount(from), { kind: "transfer", asset, amount: negate(amount) }));
    }
    this.#subAccounts.set(to, applyEntry(this.subAccount(to), { kind: "transfer", asset, amount }));
  }

  applyFill(fill: BookFill): void {
    this.#subAccounts.set(fill.subAccount, applyEntry(this.subAccount(fill.subAccount), fill));
    const order = this.#orders.get(fill.clientOrderId);
    if (!order || fill.leg !== "entry") return;
    order.filled = add(order.filled, fill.quantity);
    if (fill.side === "sell") return;
    const fee = fill.feeAsset === fill.quote ? fill.fee : ZERO;
    order.spent = add(order.spent, add(multiply(fill.quantity, fill.price, "up"), fee));
  }

  addOrder(order: BookOrder): void {
    this.#orders.set(order.order.clientOrderId, order);
  }

  /** Remembers when an order was decided on, for the rate of orders: ended ones count as well. */
  countOrder(decisionTimeMs: number): void {
    this.#decisionTimes.push(decisionTimeMs);
    if (this.#decisionTimes.length > maxDecisionTimes)
      this.#decisionTimes.splice(0, this.#decisionTimes.length - maxDecisionTimes);
  }

  /** Orders decided on after an instant of market time. */
  ordersSince(timeMs: number): number {
    return this.#decisionTimes.filter((time) => time > timeMs).length;
  }

  order(clientOrderId: string): BookOrder | undefined {
    return this.#orders.get(clientOrderId);
  }

  orderIds(): string[] {
    return [...this.#orders.keys()];
  }

  /** Takes in what the broker's journal says of an order; returns it when something changed. */
  applyVenueOrder(row: VenueOrderRow): BookOrder | undefined {
    const order = this.#orders.get(row.clientOrderId);
    if (!order) return undefined;
    order.known = true;
    order.state = row.state;
    order.venueOrderId = row.venueOrderId;
    order.protectiveLegs = row.protectiveLegs;
    order.reason = row.reason;
    order.updatedAtMs = row.updatedAtMs;
    return order;
  }

  /** Forgets orders that have ended and owe nothing to anybody. */
  forgetEnded(): void {
    for (const [id, order] of this.#orders) {
      if (!isOpen(order.state) && order.releaseStored && order.protectiveLegs.length === 0) this.#orders.delete(id);
    }
  }

  /** Every order that counts: approved and not ended, or ended with protective legs at the venue. */
  orders(strategyUid?: string): BookOrder[] {
    const all = [...this.#orders.values()];
    return all.filter(
      (order) =>
        (strategyUid === undefined || order.strategyUid === strategyUid) &&
        (isOpen(order.state) || order.protectiveLegs.length > 0),
    );
  }

  openOrders(strategyUid?: string): BookOrder[] {
    return this.orders(strategyUid).filter((order) => isOpen(order.state));
  }

  /** Orders whose end has been read but whose release is not written yet. */
  unstoredReleases(): BookOrder[] {
    return [...this.#orders.values()].filter((order) => !isOpen(order.state) && !order.releaseStored);
  }

  /** What open buys of a sub-account may still take from its cash. */
  reserved(strategyUid: string): Decimal {
    let sum = ZERO;
    for (const order of this.openOrders(strategyUid)) sum = add(sum, remainingCost(order));
    return sum;
  }

  freeCash(strategyUid: string, currency: string): Decimal {
    return subtract(this.subAccount(strategyUid).balances[currency] ?? ZERO, this.reserved(strategyUid));
  }

  /** Units of the base asset of `market` that a sub-account holds. */
  held(strategyUid: string, market: string): Decimal {
    return this.subAccount(strategyUid).balances[baseOf(market)] ?? ZERO;
  }

  /** Units that open sells of a sub-account may still take. */
  workingSells(strategyUid: string, market: string): Decimal {
    let sum = ZERO;
    for (const order of this.openOrders(strategyUid)) {
      if (order.order.side === "sell" && baseOf(order.order.market) === baseOf(market))
        sum = add(sum, subtract(order.quantity, order.filled));
    }
    return sum;
  }

  /** Expected cost of what open buys of an asset have yet to fill, over the whole account or of one strategy. */
  workingBuysNotional(asset: string, strategyUid?: string): Decimal {
    let sum = ZERO;
    for (const { order, reservation, filled, quantity } of this.openOrders(strategyUid)) {
      if (order.side === "buy" && baseOf(order.market) === asset)
        sum = add(sum, remainingReservation(reservation, filled, quantity));
    }
    return sum;
  }

  mark(market: string): Mark | undefined {
    return this.#marks.get(market);
  }

  /** The last close of an asset in `currency`, whatever the symbol: a replayed perpetual's is `BTC/USDT:USDT`. */
  markOf(asset: string, currency: string): Mark | undefined {
    for (const [market, mark] of this.#marks) {
      const rules = rulesFromSymbol(market);
      if (rules?.base === asset && rules.quote === currency) return mark;
    }
    return undefined;
  }

  marks(): IterableIterator<[string, Mark]> {
    return this.#marks.entries();
  }

  /** Keeps the newest close; an older one (a late revision, a slower timeframe) changes nothing. */
  setMark(market: string, mark: Mark): boolean {
    const known = this.#marks.get(market);
    if (known && known.timeMs >= mark.timeMs) return false;
    this.#marks.set(market, mark);
    return true;
  }
}

/** The asset that a market trades. */
export function baseOf(market: string): string {
  return rulesFromSymbol(market)?.base ?? market;
}

/** The most that the rest of a buy can take from cash: the venue clips its whole cost to maxCost. */
export function remainingCost(order: BookOrder): Decimal {
  if (order.order.side === "sell" || !isOpen(order.state)) return ZERO;
  return maximum(subtract(order.maxCost, order.spent), ZERO);
}
