import { createHmac, timingSafeEqual } from "node:crypto";
import { type Decimal, divide, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { Exchange, KeyOptions, Market } from "./exchange.ts";
import { type ExchangeOrder, type NewOrder, type Trade, type RefusalCode, Refusal } from "./orders.ts";
import { type Dialect, type WireReply, type WireRequest, listed } from "./wire.ts";

const intervalsMs: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
  "4h": 14_400_000,
  "1d": 86_400_000,
};

/** Binance's words for what the exchange decides, with the code of its documentation. */
const refusals: Readonly<Record<RefusalCode, readonly [code: number, msg: string]>> = {
  UNKNOWN_MARKET: [-1121, "Invalid symbol."],
  MARKET_CLOSED: [-1013, "Market is closed."],
  LOT_SIZE: [-1013, "Filter failure: LOT_SIZE"],
  PRICE_FILTER: [-1013, "Filter failure: PRICE_FILTER"],
  NOTIONAL: [-1013, "Filter failure: NOTIONAL"],
  INSUFFICIENT_BALANCE: [-2010, "Account has insufficient balance for requested action."],
  DUPLICATE_CLIENT_ORDER_ID: [-2010, "Duplicate order sent."],
  WOULD_TRADE_AS_MAKER_ONLY: [-2010, "Order would immediately match and take."],
  WOULD_TRIGGER_IMMEDIATELY: [-2010, "Stop price would trigger immediately."],
  LIST_PRICES: [-2010, "The relationship of the prices for the orders is not correct."],
  UNKNOWN_ORDER: [-2011, "Unknown order sent."],
};
const statuses = {
  new: "NEW",
  partiallyFilled: "PARTIALLY_FILLED",
  filled: "FILLED",
  cancelled: "CANCELED",
  expired: "EXPIRED",
} as const;

class Refused extends Error {
  readonly reply: WireReply;
  constructor(code: number, msg: string, status = 400) {
    super(msg);
    this.name = "Refused";
    this.reply = { status, body: { code, msg } };
  }
}

interface Signed {
  readonly exchange: Exchange;
  readonly key: KeyOptions;
  readonly values: URLSearchParams;
  readonly request: WireRequest;
}
type PublicRoute = (exchange: Exchange, request: WireRequest) => unknown;
type SignedRoute = (call: Signed) => unknown;

/** What a request weighs against the minute's limit. */
const weights: Readonly<Record<string, number>> = {
  "GET /api/v3/exchangeInfo": 20,
  "GET /api/v3/klines": 2,
  "GET /api/v3/depth": 5,
  "GET /api/v3/ticker/price": 2,
  "GET /api/v3/ticker/24hr": 2,
  "GET /api/v3/ticker/bookTicker": 2,
  "GET /api/v3/account": 20,
  "GET /api/v3/order": 4,
  "GET /api/v3/openOrders": 6,
  "GET /api/v3/allOrders": 20,
  "GET /api/v3/myTrades": 20,
};

const publicRoutes: Readonly<Record<string, PublicRoute>> = {
  "GET /api/v3/ping": () => ({}),
  "GET /api/v3/time": (exchange) => ({ serverTime: exchange.options.now() }),
  "GET /api/v3/exchangeInfo": (exchange, { query }) => exchangeInfo(exchange, query),
  "GET /api/v3/klines": klines,
  "GET /api/v3/depth": (exchange, { query }) => depth(marketOf(exchange, query), query),
  "GET /api/v3/ticker/price": (exchange, { query }) => ({
    symbol: query.get("symbol"),
    price: text(exchange.last(marketOf(exchange, query).options.symbol)),
  }),
  "GET /api/v3/ticker/bookTicker": (exchange, { query }) => bookTicker(marketOf(exchange, query)),
};

const signedRoutes: Readonly<Record<string, SignedRoute>> = {
  "GET /api/v3/account": account,
  "POST /api/v3/order": placed,
  "GET /api/v3/order": (call) => orderRow(call.exchange, requiredOrder(call, -2013, "Order does not exist.")),
  "DELETE /api/v3/order": cancelled,
  "POST /api/v3/orderList/oco": placedPair,
  "GET /api/v3/openOrders": openOrders,
  "GET /api/v3/allOrders": allOrders,
  "GET /api/v3/myTrades": myTrades,
  "GET /sapi/v1/account/apiRestrictions": ({ key }) => ({
    ipRestrict: true,
    createTime: 1_600_000_000_000,
    enableReading: true,
    enableSpotAndMarginTrading: key.canTrade,
    enableWithdrawals: key.canWithdraw,
    enableInternalTransfer: false,
    permitsUniversalTransfer: false,
    enableMargin: false,
    enableFutures: false,
  }),
};

/** Binance's spot REST API, version 3, as its documentation describes it. */
export class BinanceDialect implements Dialect {
  readonly name = "binance";
  readonly #weightPerMinute: number;
  #minute = 0;
  #used = 0;

  constructor(options: { weightPerMinute?: number } = {}) {
    this.#weightPerMinute = options.weightPerMinute ?? 6_000;
  }

  answer(exchange: Exchange, request: WireRequest): WireReply {
    const route = `${request.method} ${request.path}`;
    const limit = this.#count(exchange.options.now(), weights[route] ?? 1);
    if (limit) return limit;
    const headers = { "x-mbx-used-weight-1m": String(this.#used) };
    try {
      const found = publicRoutes[route];
      if (found) return { status: 200, body: found(exchange, request), headers };
      const signed = signedRoutes[route];
      if (!signed) return { status: 404, body: { code: -1000, msg: "no such path" }, headers };
      return { status: 200, body: signed(authenticated(exchange, request)), headers };
    } catch (error) {
      if (error instanceof Refused) return { ...error.reply, headers };
      if (!(error instanceof Refusal)) throw error;
      const [code, msg] = refusals[error.code];
      return { status: 400, body: { code, msg }, headers };
    }
  }

  /** WebSocket API, method userDataStream.subscribe.signature: the same signature over the sorted parameters. */
  subscribe(exchange: Exchange, message: string): { accountId?: string; reply: unknown } {
    const {
      id,
      method,
      params = {},
    } = JSON.parse(message) as { id: unknown; method: string; params?: Record<string, string | number> };
    const { signature, ...rest } = params;
    const key = exchange.options.keys.find((known) => known.apiKey === rest["apiKey"]);
    const text = Object.keys(rest)
      .sort()
      .map((name) => `${name}=${rest[name]}`)
      .join("&");
    const expected = key && createHmac("sha256", key.secret).update(text).digest("hex");
    if (method !== "userDataStream.subscribe.signature" || !key || expected !== signature)
      return { reply: { id, status: 400, error: { code: -1022, msg: "Signature for this request is not valid." } } };
    return { accountId: key.accountId, reply: { id, status: 200, result: { subscriptionId: 0 } } };
  }

  news(order: ExchangeOrder, trade: Trade | undefined): unknown {
    const event = {
      e: "executionReport",
      E: order.updatedMs,
      s: order.market.replace("/", ""),
      c: order.clientOrderId,
      S: order.side.toUpperCase(),
      x: trade ? "TRADE" : statuses[order.status],
      X: statuses[order.status],
      i: order.id,
      l: text(trade?.quantity),
      z: text(order.filled),
      L: text(trade?.price),
      t: trade?.id ?? -1,
    };
    return { subscriptionId: 0, event };
  }

  limited(status: number): WireReply {
    const msg = status === 418 ? "Way too much request weight used; IP banned." : "Too much request weight used.";
    return { status, body: { code: -1003, msg } };
  }

  #count(nowMs: number, weight: number): WireReply | undefined {
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) [this.#minute, this.#used] = [minute, 0];
    this.#used += weight;
    if (this.#used <= this.#weightPerMinute) return undefined;
    const status = this.#used > 2 * this.#weightPerMinute ? 418 : 429;
    const retryAfter = String(Math.ceil((60_000 - (nowMs % 60_000)) / 1_000));
    return { ...this.limited(status), headers: { "retry-after": retryAfter } };
  }
}

/** Key, signature over query and body as they came, time stamp within the receive window. */
function authenticated(exchange: Exchange, request: WireRequest): Signed {
  const apiKey = request.headers["x-mbx-apikey"];
  if (typeof apiKey !== "string" || apiKey === "") throw new Refused(-2014, "API-key format invalid.", 401);
  const key = exchange.options.keys.find((known) => known.apiKey === apiKey);
  if (!key) throw new Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401);
  const payload = request.rawQuery + request.body;
  const [signedText = "", signature = ""] = payload.split(/&signature=(?=[^&]*$)/);
  const expected = createHmac("sha256", key.secret).update(signedText).digest();
  const given = Buffer.from(signature, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new Refused(-1022, "Signature for this request is not valid.");
  const values = new URLSearchParams(signedText);
  const timestamp = Number(values.get("timestamp"));
  const window = Number(values.get("recvWindow") ?? 5_000);
  if (!Number.isInteger(timestamp) || timestamp <= 0) throw new Refused(-1102, "Mandatory parameter 'timestamp' was not sent.");
  if (!(window > 0 && window <= 60_000)) throw new Refused(-1131, "recvWindow must be less than 60000.");
  const now = exchange.options.now();
  if (timestamp >= now + 1_000) throw new Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.");
  if (now - timestamp > window) throw new Refused(-1021, "Timestamp for this request is outside of the recvWindow.");
  return { exchange, key, values, request };
}

function placed({ exchange, key, values }: Signed): unknown {
  if (!key.canTrade) throw new Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401);
  const order = exchange.place(key.accountId, newOrder(exchange, values));
  const row = orderRow(exchange, order);
  const answer = { ...row, transactTime: order.createdMs };
  if (values.get("newOrderRespType") === "ACK") {
    const { symbol, orderId, clientOrderId, transactTime } = answer;
    return { symbol, orderId, orderListId: -1, clientOrderId, transactTime };
  }
  const fills = exchange.tradesOf(order.id).map((trade) => ({
    price: text(trade.price),
    qty: text(trade.quantity),
    commission: text(trade.fee),
    commissionAsset: trade.feeAsset,
    tradeId: trade.id,
  }));
  return { ...answer, fills };
}

/** An OCO to sell: the target above as LIMIT_MAKER, the stop below as STOP_LOSS; other shapes are refused by name. */
function placedPair({ exchange, key, values }: Signed): unknown {
  if (!key.canTrade) throw new Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401);
  if (required(values, "side") !== "SELL") throw new Refused(-1117, "Invalid side.");
  if (required(values, "aboveType") !== "LIMIT_MAKER" || required(values, "belowType") !== "STOP_LOSS")
    throw new Refused(-1158, "This order type is not played here: above LIMIT_MAKER, below STOP_LOSS.");
  for (const name of ["belowPrice", "belowTimeInForce", "aboveStopPrice", "aboveTimeInForce"])
    if (values.has(name)) throw new Refused(-1106, `Parameter '${name}' sent when not required.`);
  const like = {
    market: marketOf(exchange, values).options.symbol,
    side: "sell",
    timeInForce: "GTC",
    quantity: decimalOf(values, "quantity"),
  } as const;
  const pair = exchange.placePair(key.accountId, [
    {
      ...like,
      kind: "stop",
      postOnly: false,
      clientOrderId: clientIdOf(exchange, values, "belowClientOrderId"),
      triggerPrice: decimalOf(values, "belowStopPrice"),
    },
    {
      ...like,
      kind: "limit",
      postOnly: true,
      clientOrderId: clientIdOf(exchange, values, "aboveClientOrderId"),
      price: decimalOf(values, "abovePrice"),
    },
  ]);
  const symbol = idOf(exchange.market(pair[0].market));
  return {
    orderListId: pair[0].listId,
    contingencyType: "OCO",
    listStatusType: "EXEC_STARTED",
    listOrderStatus: "EXECUTING",
    listClientOrderId: values.get("listClientOrderId") ?? `list-${pair[0].listId}`,
    transactionTime: pair[0].createdMs,
    symbol,
    orders: pair.map((order) => ({ symbol, orderId: order.id, clientOrderId: order.clientOrderId })),
    orderReports: values.get("newOrderRespType") === "ACK" ? [] : pair.map((order) => orderRow(exchange, order)),
  };
}

function clientIdOf(exchange: Exchange, values: URLSearchParams, name: string): string {
  const clientOrderId = values.get(name) ?? `auto-${exchange.orders.size + 1}`;
  if (!/^[.A-Z:/a-z0-9_-]{1,36}$/.test(clientOrderId))
    throw new Refused(-1100, `Illegal characters found in parameter '${name}'.`);
  return clientOrderId;
}

function newOrder(exchange: Exchange, values: URLSearchParams): NewOrder {
  const type = required(values, "type");
  const side = required(values, "side");
  if (side !== "BUY" && side !== "SELL") throw new Refused(-1117, "Invalid side.");
  const kinds = { LIMIT: "limit", LIMIT_MAKER: "limit", MARKET: "market", STOP_LOSS: "stop", STOP_LOSS_LIMIT: "stop" } as const;
  const more = { TAKE_PROFIT: "takeProfit", TAKE_PROFIT_LIMIT: "takeProfit" } as const;
  const kind = { ...kinds, ...more }[type];
  if (!kind) throw new Refused(-1116, "Invalid orderType.");
  const priced = type === "LIMIT_MAKER" || type.endsWith("LIMIT");
  if (!priced && values.has("price")) throw new Refused(-1106, "Parameter 'price' sent when not required.");
  const timed = type === "LIMIT" || type.endsWith("_LIMIT");
  const timeInForce = timed ? required(values, "timeInForce") : "GTC";
  if (timeInForce !== "GTC" && timeInForce !== "IOC" && timeInForce !== "FOK") throw new Refused(-1115, "Invalid timeInForce.");
  return {
    clientOrderId: clientIdOf(exchange, values, "newClientOrderId"),
    market: marketOf(exchange, values).options.symbol,
    side: side === "BUY" ? "buy" : "sell",
    kind,
    timeInForce,
    postOnly: type === "LIMIT_MAKER",
    quantity: decimalOf(values, "quantity"),
    ...(priced ? { price: decimalOf(values, "price") } : {}),
    ...(kind === "stop" || kind === "takeProfit" ? { triggerPrice: decimalOf(values, "stopPrice") } : {}),
  };
}

function cancelled(call: Signed): unknown {
  const order = requiredOrder(call, -2011, "Unknown order sent.");
  call.exchange.cancel(order);
  return { ...orderRow(call.exchange, order), origClientOrderId: order.clientOrderId };
}

function requiredOrder({ exchange, key, values }: Signed, code: number, msg: string): ExchangeOrder {
  const market = marketOf(exchange, values).options.symbol;
  const id = values.get("orderId");
  const clientId = values.get("origClientOrderId");
  if (id === null && clientId === null)
    throw new Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!");
  const found = id === null ? exchange.byClientOrderId(key.accountId, clientId ?? "") : exchange.orders.get(Number(id));
  if (!found || found.accountId !== key.accountId || found.market !== market) throw new Refused(code, msg);
  return found;
}

function openOrders({ exchange, key, values }: Signed): unknown {
  const symbol = values.has("symbol") ? marketOf(exchange, values).options.symbol : undefined;
  return exchange.openOrders(key.accountId, symbol).map((order) => orderRow(exchange, order));
}

function allOrders({ exchange, key, values }: Signed): unknown {
  const market = marketOf(exchange, values).options.symbol;
  const from = Number(values.get("startTime") ?? 0);
  const rows = [...exchange.orders.values()].filter(
    (order) => order.accountId === key.accountId && order.market === market && order.createdMs >= from,
  );
  return rows.slice(-Number(values.get("limit") ?? 500)).map((order) => orderRow(exchange, order));
}

function myTrades({ exchange, key, values, request }: Signed): unknown {
  const market = marketOf(exchange, values).options.symbol;
  const orderId = values.get("orderId");
  const fromId = Number(values.get("fromId") ?? 0);
  const startMs = Number(values.get("startTime") ?? 0);
  const pool = orderId === null ? exchange.trades : exchange.tradesOf(Number(orderId));
  const rows = pool.filter(
    (trade) => trade.accountId === key.accountId && trade.market === market && trade.id >= fromId && trade.timeMs >= startMs,
  );
  const limit = Math.min(1_000, Number(values.get("limit") ?? 500));
  // From an id or an instant onwards the oldest are given, otherwise the youngest.
  const page = values.has("fromId") || values.has("startTime") ? rows.slice(0, limit) : rows.slice(-limit);
  return listed(page, request.fault).map((trade) => tradeRow(exchange, trade));
}

function account({ exchange, key }: Signed): unknown {
  return {
    makerCommission: 10,
    takerCommission: 10,
    buyerCommission: 0,
    sellerCommission: 0,
    canTrade: key.canTrade,
    canWithdraw: key.canWithdraw,
    canDeposit: true,
    updateTime: exchange.options.now(),
    accountType: "SPOT",
    balances: exchange.balances(key.accountId).map(({ asset, free, locked }) => ({ asset, free, locked })),
    permissions: ["SPOT"],
    uid: key.accountId,
  };
}

function orderRow(
  exchange: Exchange,
  order: ExchangeOrder,
): Record<string, unknown> & { symbol: string; orderId: number; clientOrderId: string } {
  const limited = order.price !== undefined;
  const words = { limit: "LIMIT", market: "MARKET", stop: "STOP_LOSS", takeProfit: "TAKE_PROFIT" } as const;
  const type = order.postOnly ? "LIMIT_MAKER" : words[order.kind] + (limited && order.kind !== "limit" ? "_LIMIT" : "");
  return {
    symbol: idOf(exchange.market(order.market)),
    orderId: order.id,
    orderListId: order.listId ?? -1,
    clientOrderId: order.clientOrderId,
    price: text(order.price),
    origQty: text(order.quantity),
    executedQty: text(order.filled),
    cummulativeQuoteQty: text(order.turnover),
    status: statuses[order.status],
    timeInForce: order.timeInForce,
    type,
    side: order.side.toUpperCase(),
    stopPrice: text(order.triggerPrice),
    icebergQty: "0.00000000",
    time: order.createdMs,
    updateTime: order.updatedMs,
    isWorking: order.triggerPrice === undefined || order.triggered,
    workingTime: order.createdMs,
    origQuoteOrderQty: "0.00000000",
    selfTradePreventionMode: "NONE",
  };
}

function tradeRow(exchange: Exchange, trade: Trade): Record<string, unknown> {
  return {
    symbol: idOf(exchange.market(trade.market)),
    id: trade.id,
    orderId: trade.orderId,
    orderListId: -1,
    price: text(trade.price),
    qty: text(trade.quantity),
    quoteQty: text(((trade.price * trade.quantity) / 10n ** 18n) as Decimal),
    commission: text(trade.fee),
    commissionAsset: trade.feeAsset,
    time: trade.timeMs,
    isBuyer: trade.side === "buy",
    isMaker: trade.maker,
    isBestMatch: true,
  };
}

function klines(exchange: Exchange, { query, fault }: WireRequest): unknown {
  const { path } = marketOf(exchange, query);
  const frameMs = intervalsMs[query.get("interval") ?? ""];
  if (frameMs === undefined) throw new Refused(-1120, "Invalid interval.");
  const now = exchange.options.now();
  const limit = Math.min(1_000, Number(query.get("limit") ?? 500));
  const since = Number(query.get("startTime") ?? now - limit * frameMs);
  // The running candle is given, too, as the real one does.
  const newest = now - (fault === "late-candle" ? frameMs : 0);
  const rows: unknown[] = [];
  for (let time = Math.ceil(since / frameMs) * frameMs; time <= newest && rows.length < limit; time += frameMs) {
    const row = path.candle(time, frameMs, now);
    if (!row) continue;
    const [, open, high, low, close, volume] = row;
    rows.push([time, `${open}`, `${high}`, `${low}`, `${close}`, `${volume}`, time + frameMs - 1, "0", 1, "0", "0", "0"]);
  }
  return rows;
}

function depth({ book }: Market, query: URLSearchParams): unknown {
  const { bids, asks } = book.depth(Math.min(5_000, Number(query.get("limit") ?? 100)));
  const rows = (side: [Decimal, Decimal][]): string[][] => side.map(([price, quantity]) => [text(price), text(quantity)]);
  return { lastUpdateId: 1, bids: rows(bids), asks: rows(asks) };
}

function bookTicker(market: Market): unknown {
  return { symbol: idOf(market), bidPrice: text(market.book.best("buy")), askPrice: text(market.book.best("sell")) };
}

function exchangeInfo(exchange: Exchange, query: URLSearchParams): unknown {
  const single = query.get("symbol");
  const many = query.get("symbols");
  const wanted = single === null ? (many === null ? undefined : new Set(JSON.parse(many) as string[])) : new Set([single]);
  const found = [...exchange.markets.values()].filter((market) => wanted?.has(idOf(market)) ?? true);
  if (wanted && found.length < wanted.size) throw new Refused(-1121, "Invalid symbol.");
  const symbols = found.map(symbolRow);
  return { timezone: "UTC", serverTime: exchange.options.now(), rateLimits: [], exchangeFilters: [], symbols };
}

function symbolRow({ options }: Market): unknown {
  const { base, quote, priceStep, quantityStep, minQuantity, minNotional } = options;
  return {
    symbol: `${base}${quote}`,
    status: options.open === false ? "BREAK" : "TRADING",
    baseAsset: base,
    baseAssetPrecision: 8,
    quoteAsset: quote,
    quotePrecision: 8,
    quoteAssetPrecision: 8,
    orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
    icebergAllowed: true,
    ocoAllowed: false,
    isSpotTradingAllowed: true,
    isMarginTradingAllowed: false,
    filters: [
      { filterType: "PRICE_FILTER", minPrice: priceStep, maxPrice: "1000000", tickSize: priceStep },
      { filterType: "LOT_SIZE", minQty: minQuantity, maxQty: "9000", stepSize: quantityStep },
      {
        filterType: "NOTIONAL",
        minNotional,
        applyMinToMarket: true,
        maxNotional: "9000000",
        applyMaxToMarket: false,
        avgPriceMins: 5,
      },
    ],
    permissions: [],
    permissionSets: [["SPOT"]],
  };
}

const idOf = ({ options }: Market): string => `${options.base}${options.quote}`;

function marketOf(exchange: Exchange, values: URLSearchParams): Market {
  const id = required(values, "symbol");
  const found = [...exchange.markets.values()].find((market) => idOf(market) === id);
  if (!found) throw new Refused(-1121, "Invalid symbol.");
  return found;
}

function required(values: URLSearchParams, name: string): string {
  const value = values.get(name);
  if (value === null || value === "")
    throw new Refused(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`);
  return value;
}

function decimalOf(values: URLSearchParams, name: string): Decimal {
  const value = required(values, name);
  if (!/^\d{1,20}(\.\d{1,20})?$/.test(value)) throw new Refused(-1100, `Illegal characters found in parameter '${name}'.`);
  if (/\.\d{9,}$/.test(value)) throw new Refused(-1111, "Parameter has too much precision.");
  return parseDecimal(value);
}

/** Eight decimals, as Binance writes every amount. */
function text(value: Decimal | undefined): string {
  const [whole = "0", fraction = ""] = formatDecimal(value ?? (0n as Decimal)).split(".");
  return `${whole}.${fraction.slice(0, 8).padEnd(8, "0")}`;
}

/** Average price of what filled. */
export function averagePrice({ turnover, filled }: ExchangeOrder): Decimal {
  return filled === 0n ? (0n as Decimal) : divide(turnover, filled, "halfEven");
}
