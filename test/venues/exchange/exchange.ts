import {
  type Decimal,
  ZERO,
  add,
  formatDecimal,
  minimum,
  multiply,
  parseDecimal,
  roundToDecimals,
  subtract,
} from "@bellwether/trading";
import { OrderBook } from "./order-book.ts";
import { type AlgoOrder, type ExchangeOrder, type NewOrder, type Trade, Refusal, isOpen } from "./orders.ts";
import { PricePath } from "./price-path.ts";
import type { ExchangeStore } from "./store.ts";

export interface MarketOptions {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly priceStep: string;
  readonly quantityStep: string;
  readonly minQuantity: string;
  readonly minNotional: string;
  /** Price a generated path swings around. */
  readonly start: string;
  readonly open?: boolean;
  readonly recorded?: ReadonlyMap<number, number>;
}

export interface KeyOptions {
  readonly apiKey: string;
  readonly secret: string;
  /** Where the dialect has one (OKX). */
  readonly passphrase?: string;
  readonly accountId: string;
  readonly canTrade: boolean;
  readonly canWithdraw: boolean;
}

export interface ExchangeOptions {
  /** The exchange's own clock, epoch milliseconds. */
  now(): number;
  readonly markets: readonly MarketOptions[];
  readonly keys: readonly KeyOptions[];
  readonly balances: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly seed: number;
  /** Part of a trade; takers and makers pay the same. */
  readonly feeRate: string;
  /** Fees are taken from this asset while the account has some (Binance's BNB), otherwise from what was received. */
  readonly feeAsset?: { readonly asset: string; readonly price: string };
  /** Base units the market maker offers at each of its ten levels a side. */
  readonly makerQuantity: string;
  readonly store: ExchangeStore;
}

export interface Market {
  readonly options: MarketOptions;
  readonly path: PricePath;
  readonly book: OrderBook;
}

interface Balance {
  free: Decimal;
  locked: Decimal;
}

const makerLevels = 10;

/**
 * A spot exchange: accounts with balances, price-time matching, fees, triggers, client order ids that may be used again once their order has
 * ended. State changes are stored before they are answered, so that it survives its process. Dialects speak for it; it knows no wire format.
 */
export class Exchange {
  readonly options: ExchangeOptions;
  readonly markets = new Map<string, Market>();
  readonly orders = new Map<number, ExchangeOrder>();
  readonly #open = new Map<number, ExchangeOrder>();
  readonly #byClientOrderId = new Map<string, ExchangeOrder>();
  readonly #tradesByOrder = new Map<number, Trade[]>();
  readonly trades: Trade[] = [];
  readonly algos = new Map<number, AlgoOrder>();
  /** How many orders were accepted under each client order id: what "at most one" is judged by. */
  readonly placements = new Map<string, number>();
  readonly #balances = new Map<string, Map<string, Balance>>();
  readonly #feeRate: Decimal;
  readonly #listeners = new Set<(order: ExchangeOrder, trade: Trade | undefined) => void>();
  /** Orders are cancelled at this instant unless the account's dead man speaks again. */
  readonly deadlines = new Map<string, number>();
  #nextOrderId = 1;
  #nextTradeId = 1;

  constructor(options: ExchangeOptions) {
    this.options = options;
    this.#feeRate = parseDecimal(options.feeRate);
    for (const market of options.markets) {
      const path = new PricePath({
        tickSize: parseDecimal(market.priceStep),
        start: market.start,
        seed: options.seed,
        ...(market.recorded ? { recorded: market.recorded } : {}),
      });
      this.markets.set(market.symbol, { options: market, path, book: new OrderBook() });
    }
    if (!this.#restore()) {
      for (const [accountId, assets] of Object.entries(options.balances)) {
        for (const [asset, amount] of Object.entries(assets)) this.deposit(accountId, asset, amount);
      }
    }
    this.tick();
  }

  onChange(listener: (order: ExchangeOrder, trade: Trade | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  market(symbol: string): Market {
    const found = this.markets.get(symbol);
    if (!found) throw new Refusal("UNKNOWN_MARKET");
    return found;
  }

  balances(accountId: string): readonly { asset: string; free: string; locked: string }[] {
    const assets = this.#balances.get(accountId) ?? new Map<string, Balance>();
    return [...assets].map(([asset, { free, locked }]) => ({
      asset,
      free: formatDecimal(free),
      locked: formatDecimal(locked),
    }));
  }

  deposit(accountId: string, asset: string, amount: string): void {
    const balance = this.#balance(accountId, asset);
    balance.free = add(balance.free, parseDecimal(amount));
    this.#store(accountId, []);
  }

  setPrice(symbol: string, price: string): void {
    const change = { fromMs: this.options.now(), price };
    this.market(symbol).path.set(change);
    this.options.store.append({ price: { symbol, ...change } });
    this.tick();
  }

  /** The market maker follows the price; what rests meets it, and triggers go off. Runs before every answer, so that no timer is needed. */
  tick(): void {
    for (const [accountId, atMs] of this.deadlines) {
      if (this.options.now() < atMs) continue;
      this.deadlines.delete(accountId);
      for (const order of this.openOrders(accountId)) if (isOpen(order)) this.cancel(order);
      for (const algo of this.pendingAlgos(accountId)) this.cancelAlgo(algo);
    }
    for (const market of this.markets.values()) this.#tickMarket(market);
  }

  openOrders(accountId: string, symbol?: string): readonly ExchangeOrder[] {
    return [...this.#open.values()].filter(
      (order) => order.accountId === accountId && (symbol === undefined || order.market === symbol),
    );
  }

  /** The youngest order under this id: it may have been used before. */
  byClientOrderId(accountId: string, clientOrderId: string): ExchangeOrder | undefined {
    return this.#byClientOrderId.get(`${accountId} ${clientOrderId}`);
  }

  tradesOf(orderId: number): readonly Trade[] {
    return this.#tradesByOrder.get(orderId) ?? [];
  }

  /** @throws Refusal when the exchange decides against it: then nothing has changed */
  place(accountId: string, request: NewOrder): ExchangeOrder {
    this.tick();
    const market = this.market(request.market);
    this.#requireFilters(market, request);
    const rests = this.byClientOrderId(accountId, request.clientOrderId);
    if (rests && isOpen(rests)) throw new Refusal("DUPLICATE_CLIENT_ORDER_ID");
    const order = this.#newOrder(accountId, request);
    this.#requireMatchable(market, order);
    this.#lock(order, market);
    this.#remember(order);
    this.#nextOrderId += 1;
    if (order.triggerPrice === undefined) this.#work(order, market);
    this.#changed(order, undefined);
    return order;
  }

  /** A stop below the market and a target above it, for the same units: both or none. */
  placePair(
    accountId: string,
    [stop, target]: readonly [stop: NewOrder, target: NewOrder],
  ): readonly [ExchangeOrder, ExchangeOrder] {
    this.tick();
    const market = this.market(stop.market);
    const last = this.last(stop.market);
    for (const request of [stop, target]) {
      this.#requireFilters(market, request);
      const rests = this.byClientOrderId(accountId, request.clientOrderId);
      if (rests && isOpen(rests)) throw new Refusal("DUPLICATE_CLIENT_ORDER_ID");
    }
    if ((target.price ?? ZERO) <= last || (stop.triggerPrice ?? ZERO) >= last) throw new Refusal("LIST_PRICES");
    const listId = this.#nextOrderId;
    const holder = { ...this.#newOrder(accountId, stop), listId };
    this.#lock(holder, market);
    this.#nextOrderId += 1;
    const other = { ...this.#newOrder(accountId, target), listId };
    this.#nextOrderId += 1;
    for (const order of [holder, other]) {
      this.#remember(order);
      if (order.triggerPrice === undefined) this.#work(order, market);
      this.#changed(order, undefined);
    }
    return [holder, other];
  }

  placeAlgo(accountId: string, request: Pick<AlgoOrder, "clientOrderId" | "market" | "quantity" | "stop" | "target">): AlgoOrder {
    this.tick();
    const market = this.market(request.market);
    const { stop, target, quantity } = request;
    for (const price of [stop, target]) {
      if (price === undefined) continue;
      const like = { ...request, side: "sell", kind: "stop", timeInForce: "GTC", postOnly: false, triggerPrice: price } as const;
      this.#requireFilters(market, like);
    }
    const last = this.last(request.market);
    if ((stop !== undefined && last <= stop) || (target !== undefined && last >= target))
      throw new Refusal("WOULD_TRIGGER_IMMEDIATELY");
    if (this.algoByClientOrderId(accountId, request.clientOrderId)?.status === "live")
      throw new Refusal("DUPLICATE_CLIENT_ORDER_ID");
    const balance = this.#balance(accountId, market.options.base);
    if (quantity > balance.free) throw new Refusal("INSUFFICIENT_BALANCE");
    balance.free = subtract(balance.free, quantity);
    balance.locked = add(balance.locked, quantity);
    const algo: AlgoOrder = {
      ...request,
      id: this.#nextOrderId,
      accountId,
      locked: quantity,
      status: "live",
      side: undefined,
      orderId: undefined,
      createdMs: this.options.now(),
    };
    this.#nextOrderId += 1;
    this.placements.set(algo.clientOrderId, (this.placements.get(algo.clientOrderId) ?? 0) + 1);
    this.#algoChanged(algo);
    return algo;
  }

  /** The youngest under this id. */
  algoByClientOrderId(accountId: string, clientOrderId: string): AlgoOrder | undefined {
    return [...this.algos.values()].findLast((algo) => algo.accountId === accountId && algo.clientOrderId === clientOrderId);
  }

  pendingAlgos(accountId: string): readonly AlgoOrder[] {
    return [...this.algos.values()].filter((algo) => algo.accountId === accountId && algo.status === "live");
  }

  cancelAlgo(algo: AlgoOrder): void {
    if (algo.status !== "live") throw new Refusal("UNKNOWN_ORDER");
    algo.status = "canceled";
    this.#releaseAlgo(algo);
    this.#algoChanged(algo);
  }

  /** One of a list takes the others along. */
  cancel(order: ExchangeOrder): void {
    if (!isOpen(order)) throw new Refusal("UNKNOWN_ORDER");
    this.#endSiblings(order, "cancelled");
    this.market(order.market).book.remove(order.id);
    this.#end(order, "cancelled");
    this.#changed(order, undefined);
  }

  last(symbol: string): Decimal {
    return this.market(symbol).path.at(this.options.now());
  }

  #newOrder(accountId: string, request: NewOrder): ExchangeOrder {
    const nowMs = this.options.now();
    return {
      id: this.#nextOrderId,
      accountId,
      clientOrderId: request.clientOrderId,
      market: request.market,
      side: request.side,
      kind: request.kind,
      timeInForce: request.timeInForce,
      postOnly: request.postOnly,
      price: request.price,
      triggerPrice: request.triggerPrice,
      triggered: false,
      quantity: request.quantity,
      filled: ZERO,
      turnover: ZERO,
      locked: ZERO,
      status: "new",
      createdMs: nowMs,
      updatedMs: nowMs,
    };
  }

  #requireFilters({ options, path }: Market, { quantity, price, triggerPrice }: NewOrder): void {
    if (options.open === false) throw new Refusal("MARKET_CLOSED");
    if (quantity < parseDecimal(options.minQuantity) || quantity % parseDecimal(options.quantityStep) !== 0n)
      throw new Refusal("LOT_SIZE");
    for (const value of [price, triggerPrice]) {
      if (value !== undefined && (value <= 0n || value % parseDecimal(options.priceStep) !== 0n))
        throw new Refusal("PRICE_FILTER");
    }
    const worth = multiply(quantity, price ?? triggerPrice ?? path.at(this.options.now()), "down");
    if (worth < parseDecimal(options.minNotional)) throw new Refusal("NOTIONAL");
  }

  #requireMatchable(market: Market, order: ExchangeOrder): void {
    const { side, price } = order;
    if (order.triggerPrice !== undefined) {
      if (isTriggered(order, this.last(order.market))) throw new Refusal("WOULD_TRIGGER_IMMEDIATELY");
      return;
    }
    const crossing = price !== undefined && market.book.match(side, order.quantity, { limit: price, dry: true }).length > 0;
    if (order.postOnly && crossing) throw new Refusal("WOULD_TRADE_AS_MAKER_ONLY");
  }

  /** Holds back what the order can cost at most: quote for buys, base for sells. */
  #lock(order: ExchangeOrder, market: Market): void {
    const { base, quote } = market.options;
    const asset = order.side === "buy" ? quote : base;
    const balance = this.#balance(order.accountId, asset);
    const needed = order.side === "sell" ? order.quantity : this.#cost(order, market);
    if (needed > balance.free) throw new Refusal("INSUFFICIENT_BALANCE");
    balance.free = subtract(balance.free, needed);
    balance.locked = add(balance.locked, needed);
    order.locked = needed;
  }

  #cost(order: ExchangeOrder, { book }: Market): Decimal {
    if (order.price !== undefined) return multiply(order.price, order.quantity, "up");
    return book
      .match("buy", order.quantity, { dry: true })
      .reduce((sum, match) => add(sum, multiply(match.price, match.quantity, "up")), ZERO);
  }

  #work(order: ExchangeOrder, market: Market): void {
    const { book } = market;
    const options = order.price === undefined ? {} : { limit: order.price };
    if (order.timeInForce === "FOK") {
      const reachable = book.match(order.side, order.quantity, { ...options, dry: true });
      if (reachable.reduce((sum, match) => add(sum, match.quantity), ZERO) < order.quantity) return this.#end(order, "expired");
    }
    for (const match of book.match(order.side, order.quantity, options)) {
      this.#execute(order, { price: match.price, quantity: match.quantity, maker: false });
      const maker = match.makerId === undefined ? undefined : this.orders.get(match.makerId);
      if (maker) this.#execute(maker, { price: match.price, quantity: match.quantity, maker: true });
    }
    if (!isOpen(order)) return;
    if (order.price === undefined || order.timeInForce === "IOC") return this.#end(order, "expired");
    book.rest(order.side, { price: order.price, remaining: subtract(order.quantity, order.filled), orderId: order.id });
  }

  #tickMarket(market: Market): void {
    const { book, path, options } = market;
    const price = path.at(this.options.now());
    const step = parseDecimal(options.priceStep);
    book.clearMaker();
    // What rests across the new price is taken by the market maker, at the resting price.
    for (const order of this.#open.values()) {
      if (order.market !== options.symbol || !isOpen(order) || order.price === undefined) continue;
      if (order.triggerPrice !== undefined && !order.triggered) continue;
      if (order.side === "buy" ? price > order.price : price < order.price) continue;
      const remaining = subtract(order.quantity, order.filled);
      book.remove(order.id);
      this.#execute(order, { price: order.price, quantity: remaining, maker: true });
    }
    const quantity = parseDecimal(this.options.makerQuantity);
    for (let level = 1n; level <= makerLevels; level += 1n) {
      book.rest("buy", { price: (price - step * level) as Decimal, remaining: quantity, orderId: undefined });
      book.rest("sell", { price: (price + step * level) as Decimal, remaining: quantity, orderId: undefined });
    }
    for (const order of this.#open.values()) {
      if (order.market !== options.symbol || !isOpen(order) || order.triggered || !isTriggered(order, price)) continue;
      order.triggered = true;
      this.#endSiblings(order, "expired");
      this.#work(order, market);
      this.#changed(order, undefined);
    }
    for (const algo of this.algos.values())
      if (algo.market === options.symbol && algo.status === "live") this.#watch(algo, market);
  }

  /** A trigger that the price has reached sells at the market, with the units it had held back. */
  #watch(algo: AlgoOrder, market: Market): void {
    const last = this.last(algo.market);
    const side =
      algo.stop !== undefined && last <= algo.stop ? "sl" : algo.target !== undefined && last >= algo.target ? "tp" : undefined;
    if (!side) return;
    const order: ExchangeOrder = {
      ...this.#newOrder(algo.accountId, {
        clientOrderId: `algo-${algo.id}`,
        market: algo.market,
        side: "sell",
        kind: "market",
        timeInForce: "IOC",
        postOnly: false,
        quantity: algo.quantity,
      }),
      algo: { id: algo.id, clientOrderId: algo.clientOrderId },
    };
    algo.status = "effective";
    algo.side = side;
    algo.orderId = order.id;
    this.#nextOrderId += 1;
    this.#releaseAlgo(algo);
    this.#algoChanged(algo);
    this.#lock(order, market);
    this.#remember(order);
    this.#work(order, market);
    this.#changed(order, undefined);
  }

  #releaseAlgo(algo: AlgoOrder): void {
    const balance = this.#balance(algo.accountId, this.market(algo.market).options.base);
    balance.locked = subtract(balance.locked, algo.locked);
    balance.free = add(balance.free, algo.locked);
    algo.locked = ZERO;
  }

  #algoChanged(algo: AlgoOrder): void {
    this.algos.set(algo.id, algo);
    this.options.store.append({ account: { accountId: algo.accountId, balances: this.balances(algo.accountId) }, algo });
  }

  /** What the others of its list hold back is this order's now. */
  #endSiblings(order: ExchangeOrder, status: "cancelled" | "expired"): void {
    if (order.listId === undefined) return;
    for (const sibling of [...this.#open.values()].filter((other) => other.listId === order.listId && other.id !== order.id)) {
      order.locked = add(order.locked, sibling.locked);
      sibling.locked = ZERO;
      sibling.status = status;
      this.market(sibling.market).book.remove(sibling.id);
      this.#changed(sibling, undefined);
    }
  }

  #execute(order: ExchangeOrder, { price, quantity, maker }: { price: Decimal; quantity: Decimal; maker: boolean }): void {
    const { base, quote } = this.market(order.market).options;
    this.#endSiblings(order, "expired");
    const cost = multiply(price, quantity, order.side === "buy" ? "up" : "down");
    const [given, givenAmount, received, receivedAmount] =
      order.side === "buy" ? [quote, cost, base, quantity] : [base, quantity, quote, cost];
    const giving = this.#balance(order.accountId, given);
    const fromLock = minimum(order.locked, givenAmount);
    order.locked = subtract(order.locked, fromLock);
    giving.locked = subtract(giving.locked, fromLock);
    giving.free = subtract(giving.free, subtract(givenAmount, fromLock));
    const receiving = this.#balance(order.accountId, received);
    receiving.free = add(receiving.free, receivedAmount);
    const { fee, feeAsset } = this.#charge(order.accountId, { asset: received, amount: receivedAmount, cost });

    order.filled = add(order.filled, quantity);
    order.turnover = add(order.turnover, cost);
    order.status = order.filled === order.quantity ? "filled" : "partiallyFilled";
    if (order.status === "filled") this.#release(order);
    const trade: Trade = {
      id: this.#nextTradeId,
      orderId: order.id,
      accountId: order.accountId,
      market: order.market,
      side: order.side,
      price,
      quantity,
      fee,
      feeAsset,
      maker,
      timeMs: this.options.now(),
    };
    this.#nextTradeId += 1;
    this.#rememberTrade(trade);
    this.#changed(order, trade);
  }

  #charge(accountId: string, received: { asset: string; amount: Decimal; cost: Decimal }): { fee: Decimal; feeAsset: string } {
    const { feeAsset } = this.options;
    if (feeAsset) {
      const purse = this.#balance(accountId, feeAsset.asset);
      const feeQuote = multiply(received.cost, this.#feeRate, "down");
      const fee = roundToDecimals(((feeQuote * 10n ** 18n) / parseDecimal(feeAsset.price)) as Decimal, 8, "down");
      if (purse.free >= fee) {
        purse.free = subtract(purse.free, fee);
        return { fee, feeAsset: feeAsset.asset };
      }
    }
    const fee = roundToDecimals(multiply(received.amount, this.#feeRate, "down"), 8, "down");
    const purse = this.#balance(accountId, received.asset);
    purse.free = subtract(purse.free, fee);
    return { fee, feeAsset: received.asset };
  }

  #end(order: ExchangeOrder, status: "cancelled" | "expired"): void {
    order.status = status;
    this.#release(order);
  }

  #release(order: ExchangeOrder): void {
    const { base, quote } = this.market(order.market).options;
    const balance = this.#balance(order.accountId, order.side === "buy" ? quote : base);
    balance.locked = subtract(balance.locked, order.locked);
    balance.free = add(balance.free, order.locked);
    order.locked = ZERO;
  }

  #balance(accountId: string, asset: string): Balance {
    const assets = this.#balances.get(accountId) ?? new Map<string, Balance>();
    this.#balances.set(accountId, assets);
    const balance = assets.get(asset) ?? { free: ZERO, locked: ZERO };
    assets.set(asset, balance);
    return balance;
  }

  #remember(order: ExchangeOrder): void {
    if (!this.orders.has(order.id)) this.placements.set(order.clientOrderId, (this.placements.get(order.clientOrderId) ?? 0) + 1);
    this.orders.set(order.id, order);
    this.#byClientOrderId.set(`${order.accountId} ${order.clientOrderId}`, order);
    if (isOpen(order)) this.#open.set(order.id, order);
    else this.#open.delete(order.id);
  }

  #rememberTrade(trade: Trade): void {
    this.trades.push(trade);
    this.#tradesByOrder.set(trade.orderId, [...this.tradesOf(trade.orderId), trade]);
  }

  #changed(order: ExchangeOrder, trade: Trade | undefined): void {
    order.updatedMs = this.options.now();
    if (!isOpen(order)) this.#open.delete(order.id);
    this.#store(order.accountId, [order], trade);
    for (const listener of this.#listeners) listener(order, trade);
  }

  #store(accountId: string, orders: readonly ExchangeOrder[], trade?: Trade): void {
    this.options.store.append({
      account: { accountId, balances: this.balances(accountId) },
      orders,
      ...(trade ? { trade } : {}),
    });
  }

  #restore(): boolean {
    const records = this.options.store.read();
    for (const { account, orders = [], algo, trade, price } of records) {
      if (algo) this.algos.set(algo.id, algo);
      if (price) this.markets.get(price.symbol)?.path.set(price);
      for (const { asset, free, locked } of account?.balances ?? []) {
        const balance = this.#balance(account?.accountId ?? "", asset);
        balance.free = parseDecimal(free);
        balance.locked = parseDecimal(locked);
      }
      for (const order of orders) {
        this.#remember(order);
      }
      if (trade) this.#rememberTrade(trade);
    }
    for (const { clientOrderId } of this.algos.values())
      this.placements.set(clientOrderId, (this.placements.get(clientOrderId) ?? 0) + 1);
    this.#nextOrderId = 1 + Math.max(0, ...this.orders.keys(), ...this.algos.keys());
    this.#nextTradeId = 1 + Math.max(0, ...this.trades.map((trade) => trade.id));
    for (const order of this.#open.values()) {
      if (order.price === undefined || (order.triggerPrice !== undefined && !order.triggered)) continue;
      const { book } = this.market(order.market);
      book.rest(order.side, { price: order.price, remaining: subtract(order.quantity, order.filled), orderId: order.id });
    }
    return records.length > 0;
  }
}

/** A stop sells when the price has fallen to it, a take-profit when it has risen to it; buys the other way round. */
function isTriggered({ kind, side, triggerPrice }: ExchangeOrder, price: Decimal): boolean {
  if (triggerPrice === undefined) return false;
  const onFall = (kind === "stop") === (side === "sell");
  return onFall ? price <= triggerPrice : price >= triggerPrice;
}
