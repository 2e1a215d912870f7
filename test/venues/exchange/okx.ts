import { createHmac, timingSafeEqual } from "node:crypto";
import { type Decimal, formatDecimal, negate, parseDecimal } from "@bellwether/trading";
import { averagePrice } from "./binance.ts";
import type { Exchange, KeyOptions, Market } from "./exchange.ts";
import { type AlgoOrder, type ExchangeOrder, type NewOrder, type RefusalCode, type Trade, Refusal } from "./orders.ts";
import { type Dialect, type WireReply, type WireRequest, listed } from "./wire.ts";

const barsMs: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1H": 3_600_000,
  "4H": 14_400_000,
  "1D": 86_400_000,
  "1Dutc": 86_400_000,
};
const states = {
  new: "live",
  partiallyFilled: "partially_filled",
  filled: "filled",
  cancelled: "canceled",
  expired: "canceled",
} as const;
const refusals: Readonly<Record<RefusalCode, readonly [code: string, msg: string]>> = {
  UNKNOWN_MARKET: ["51001", "Instrument ID does not exist"],
  MARKET_CLOSED: ["51027", "The instrument is not open"],
  LOT_SIZE: ["51121", "Order quantity must be a multiple of the lot size"],
  PRICE_FILTER: ["51006", "Order price is not within the price limit"],
  NOTIONAL: ["51020", "Order amount should be greater than the min available amount"],
  INSUFFICIENT_BALANCE: ["51008", "Order failed. Insufficient balance"],
  DUPLICATE_CLIENT_ORDER_ID: ["51016", "Client order ID already exists"],
  WOULD_TRADE_AS_MAKER_ONLY: ["51124", "Post-only order would take"],
  WOULD_TRIGGER_IMMEDIATELY: ["51280", "SL trigger price can not be higher than the last price"],
  LIST_PRICES: ["51279", "TP trigger price can not be lower than the last price"],
  UNKNOWN_ORDER: ["51400", "Cancellation failed as the order has been filled, canceled or does not exist"],
};

/** OKX's way: 200 with a code in the body, and for orders a code for each of them inside. */
class Refused extends Error {
  readonly reply: WireReply;
  constructor(code: string, msg: string, status = 200) {
    super(msg);
    this.name = "Refused";
    this.reply = { status, body: { code, msg, data: [] } };
  }
}

type Values = Readonly<Record<string, string | undefined>>;
const algoStates = new Set(["effective", "canceled", "order_failed"]);
interface Signed {
  readonly exchange: Exchange;
  readonly key: KeyOptions;
  readonly values: Values;
  /** A body that is a list. */
  readonly list: readonly Values[];
  readonly request: WireRequest;
}

const publicRoutes: Readonly<Record<string, (exchange: Exchange, values: Values) => unknown[]>> = {
  "GET /api/v5/public/time": (exchange) => [{ ts: String(exchange.options.now()) }],
  "GET /api/v5/public/instruments": (exchange) => [...exchange.markets.values()].map(instrument),
  "GET /api/v5/market/candles": candles,
  "GET /api/v5/market/history-candles": candles,
  "GET /api/v5/market/books": books,
  "GET /api/v5/market/ticker": (exchange, values) => {
    const market = marketOf(exchange, values);
    return [
      { instId: idOf(market), last: formatDecimal(exchange.last(market.options.symbol)), ts: String(exchange.options.now()) },
    ];
  },
};

const signedRoutes: Readonly<Record<string, (call: Signed) => unknown[]>> = {
  "GET /api/v5/account/config": ({ key }) => [
    {
      uid: key.accountId,
      acctLv: "1",
      perm: ["read_only", ...(key.canTrade ? ["trade"] : []), ...(key.canWithdraw ? ["withdraw"] : [])].join(","),
    },
  ],
  "GET /api/v5/account/balance": ({ exchange, key }) => [
    {
      details: exchange.balances(key.accountId).map(({ asset, free, locked }) => ({
        ccy: asset,
        availBal: free,
        frozenBal: locked,
        cashBal: formatDecimal((parseDecimal(free) + parseDecimal(locked)) as Decimal),
      })),
    },
  ],
  "POST /api/v5/trade/order": placed,
  "POST /api/v5/trade/cancel-order": (call) => {
    const order = requiredOrder(call, "51400");
    call.exchange.cancel(order);
    return [{ ordId: String(order.id), clOrdId: order.clientOrderId, sCode: "0", sMsg: "" }];
  },
  "POST /api/v5/trade/cancel-all-after": ({ exchange, key, values }) => {
    const seconds = Number(values["timeOut"]);
    if (seconds !== 0 && !(seconds >= 10 && seconds <= 120)) throw new Refused("51000", "Parameter timeOut error");
    const atMs = exchange.options.now() + seconds * 1_000;
    if (seconds === 0) exchange.deadlines.delete(key.accountId);
    else exchange.deadlines.set(key.accountId, atMs);
    return [{ triggerTime: seconds === 0 ? "0" : String(atMs), tag: "", ts: String(exchange.options.now()) }];
  },
  "GET /api/v5/trade/order": (call) => [orderRow(call.exchange, requiredOrder(call, "51603"))],
  "GET /api/v5/trade/orders-pending": ({ exchange, key, values }) =>
    page(exchange.openOrders(key.accountId).toReversed(), values).map((order) => orderRow(exchange, order)),
  "GET /api/v5/trade/orders-history": ({ exchange, key, values }) => {
    const market = marketOf(exchange, values).options.symbol;
    return [...exchange.orders.values()]
      .filter((order) => order.accountId === key.accountId && order.market === market)
      .filter((order) => order.createdMs >= Number(values["begin"] ?? 0))
      .map((order) => orderRow(exchange, order));
  },
  "GET /api/v5/trade/fills": fills,
  "POST /api/v5/trade/order-algo": placedAlgo,
  "POST /api/v5/trade/cancel-algos": ({ exchange, key, list }) =>
    list.map((values) => {
      const algo = requiredAlgo({ exchange, key, values });
      exchange.cancelAlgo(algo);
      return { algoId: String(algo.id), algoClOrdId: algo.clientOrderId, sCode: "0", sMsg: "" };
    }),
  "GET /api/v5/trade/order-algo": (call) => [algoRow(call.exchange, requiredAlgo(call))],
  "GET /api/v5/trade/orders-algo-pending": ({ exchange, key, values }) =>
    exchange
      .pendingAlgos(key.accountId)
      .filter((algo) => algoKind(algo) === kindAsked(values))
      .map((algo) => algoRow(exchange, algo)),
  "GET /api/v5/trade/orders-algo-history": ({ exchange, key, values }) => {
    if (!algoStates.has(values["state"] ?? "")) throw new Refused("51000", "Parameter state error");
    return [...exchange.algos.values()]
      .filter((algo) => algo.accountId === key.accountId && algo.status === values["state"])
      .filter((algo) => algoKind(algo) === kindAsked(values))
      .map((algo) => algoRow(exchange, algo));
  },
};

/** OKX's REST API, version 5, spot in cash mode: the dialect with a dead-man switch. */
export class OkxDialect implements Dialect {
  readonly name = "okx";

  answer(exchange: Exchange, request: WireRequest): WireReply {
    const route = `${request.method} ${request.path}`;
    try {
      const found = publicRoutes[route];
      if (found) return ok(found(exchange, Object.fromEntries(request.query)));
      const signed = signedRoutes[route];
      if (!signed) return { status: 404, body: { code: "50404", msg: "no such path", data: [] } };
      return ok(signed(authenticated(exchange, request)));
    } catch (error) {
      if (error instanceof Refused) return error.reply;
      if (!(error instanceof Refusal)) throw error;
      const [code, msg] = refusals[error.code];
      if (request.method === "GET") return { status: 200, body: { code, msg, data: [] } };
      return { status: 200, body: { code: "1", msg: "All operations failed", data: [{ sCode: code, sMsg: msg }] } };
    }
  }

  /** Private channel: a login, and after it a subscription. */
  subscribe(exchange: Exchange, message: string, session: Map<string, string>): { accountId?: string; reply: unknown } {
    if (message === "ping") return { reply: "pong" };
    const { op, args = [] } = JSON.parse(message) as { op: string; args?: Record<string, string>[] };
    const [first = {}] = args;
    if (op === "login") {
      const key = exchange.options.keys.find((known) => known.apiKey === first["apiKey"]);
      const expected =
        key && createHmac("sha256", key.secret).update(`${first["timestamp"]}GET/users/self/verify`).digest("base64");
      const inTime = Math.abs(exchange.options.now() - Number(first["timestamp"]) * 1_000) <= 30_000;
      if (!key || expected !== first["sign"] || key.passphrase !== first["passphrase"] || !inTime)
        return { reply: { event: "error", code: "60009", msg: "Login failed." } };
      session.set("accountId", key.accountId);
      return { reply: { event: "login", code: "0", msg: "" } };
    }
    const accountId = session.get("accountId");
    if (accountId === undefined) return { reply: { event: "error", code: "60011", msg: "Please log in" } };
    if (op !== "subscribe" || first["channel"] !== "orders")
      return { reply: { event: "error", code: "60018", msg: "Wrong URL or channel" } };
    return { accountId, reply: { event: "subscribe", arg: first } };
  }

  news(order: ExchangeOrder): unknown {
    return {
      arg: { channel: "orders", instType: "SPOT" },
      data: [{ ...namesOf(order), state: states[order.status] }],
    };
  }

  limited(status: number): WireReply {
    return { status, body: { code: "50011", msg: "Too Many Requests", data: [] } };
  }
}

const ok = (data: unknown[]): WireReply => ({ status: 200, body: { code: "0", msg: "", data } });

function authenticated(exchange: Exchange, request: WireRequest): Signed {
  const header = (name: string): string => {
    const value = request.headers[name];
    return typeof value === "string" ? value : "";
  };
  const key = exchange.options.keys.find((known) => known.apiKey === header("ok-access-key"));
  if (!key) throw new Refused("50111", "Invalid OK-ACCESS-KEY", 401);
  if (key.passphrase !== header("ok-access-passphrase")) throw new Refused("50105", "OK-ACCESS-PASSPHRASE incorrect", 401);
  const timestamp = header("ok-access-timestamp");
  const path = request.path + (request.rawQuery === "" ? "" : `?${request.rawQuery}`);
  const expected = createHmac("sha256", key.secret)
    .update(timestamp + request.method + path + request.body)
    .digest();
  const given = Buffer.from(header("ok-access-sign"), "base64");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Refused("50113", "Invalid Sign", 401);
  const now = exchange.options.now();
  if (!(Math.abs(now - Date.parse(timestamp)) <= 30_000)) throw new Refused("50102", "Timestamp request expired", 401);
  const expires = header("exptime");
  if (expires !== "" && Number(expires) < now)
    throw new Refused("50036", "The expTime can't be earlier than the current system time");
  if (request.method === "GET") return { exchange, key, values: Object.fromEntries(request.query), list: [], request };
  const body = JSON.parse(request.body || "{}") as Values | Values[];
  return { exchange, key, values: Array.isArray(body) ? {} : body, list: Array.isArray(body) ? body : [], request };
}

function placed({ exchange, key, values }: Signed): unknown[] {
  if (!key.canTrade) throw new Refused("50030", "You don't have permission to use this API endpoint", 401);
  const order = exchange.place(key.accountId, newOrder(exchange, values));
  return [{ ordId: String(order.id), clOrdId: order.clientOrderId, tag: "", sCode: "0", sMsg: "" }];
}

function newOrder(exchange: Exchange, values: Values): NewOrder {
  const { side, ordType, clOrdId = "", tdMode, tgtCcy } = values;
  if (tdMode !== "cash") throw new Refused("51000", "Parameter tdMode error");
  if (side !== "buy" && side !== "sell") throw new Refused("51000", "Parameter side error");
  if (!/^[A-Za-z0-9]{0,32}$/.test(clOrdId)) throw new Refused("51000", "Parameter clOrdId error");
  if (ordType === "market" && side === "buy" && tgtCcy !== "base_ccy") throw new Refused("51000", "Parameter tgtCcy error");
  const forces: Readonly<Record<string, NewOrder["timeInForce"]>> = {
    limit: "GTC",
    post_only: "GTC",
    fok: "FOK",
    ioc: "IOC",
    market: "IOC",
  };
  const timeInForce = forces[ordType ?? ""];
  if (!timeInForce) throw new Refused("51000", "Parameter ordType error");
  return {
    clientOrderId: clOrdId === "" ? `auto${exchange.orders.size + 1}` : clOrdId,
    market: marketOf(exchange, values).options.symbol,
    side,
    kind: ordType === "market" ? "market" : "limit",
    timeInForce,
    postOnly: ordType === "post_only",
    quantity: decimalOf(values, "sz"),
    ...(ordType === "market" ? {} : { price: decimalOf(values, "px") }),
  };
}

/** TP/SL to sell, at the market once triggered: `conditional` with one trigger, `oco` with both. */
function placedAlgo({ exchange, key, values }: Signed): unknown[] {
  if (!key.canTrade) throw new Refused("50030", "You don't have permission to use this API endpoint", 401);
  const { side, tdMode, ordType, algoClOrdId = "", slTriggerPx, slOrdPx, tpTriggerPx, tpOrdPx } = values;
  if (tdMode !== "cash") throw new Refused("51000", "Parameter tdMode error");
  if (side !== "sell") throw new Refused("51000", "Parameter side error");
  if (!/^[A-Za-z0-9]{1,32}$/.test(algoClOrdId)) throw new Refused("51000", "Parameter algoClOrdId error");
  const triggers = [slTriggerPx, tpTriggerPx].filter((price) => price !== undefined).length;
  if (ordType !== (triggers === 2 ? "oco" : "conditional") || triggers === 0)
    throw new Refused("51000", "Parameter ordType error");
  if ((slTriggerPx !== undefined && slOrdPx !== "-1") || (tpTriggerPx !== undefined && tpOrdPx !== "-1"))
    throw new Refused("51000", "Parameter ordPx error: only sales at the market are played here");
  const algo = exchange.placeAlgo(key.accountId, {
    clientOrderId: algoClOrdId,
    market: marketOf(exchange, values).options.symbol,
    quantity: decimalOf(values, "sz"),
    stop: slTriggerPx === undefined ? undefined : decimalOf(values, "slTriggerPx"),
    target: tpTriggerPx === undefined ? undefined : decimalOf(values, "tpTriggerPx"),
  });
  return [{ algoId: String(algo.id), algoClOrdId: algo.clientOrderId, clOrdId: "", sCode: "0", sMsg: "", tag: "" }];
}

function requiredAlgo({ exchange, key, values }: Pick<Signed, "exchange" | "key" | "values">): AlgoOrder {
  const { algoId, algoClOrdId } = values;
  const found =
    algoId === undefined ? exchange.algoByClientOrderId(key.accountId, algoClOrdId ?? "") : exchange.algos.get(Number(algoId));
  if (found?.accountId === key.accountId) return found;
  throw new Refused("51603", "Order does not exist");
}

const algoKind = ({ stop, target }: AlgoOrder): string => (stop !== undefined && target !== undefined ? "oco" : "conditional");

function kindAsked({ ordType = "" }: Values): string {
  if (ordType === "oco" || ordType === "conditional") return ordType;
  throw new Refused("51000", "Parameter ordType error");
}

function algoRow(exchange: Exchange, algo: AlgoOrder): Record<string, unknown> {
  const child = algo.orderId === undefined ? [] : [String(algo.orderId)];
  const price = (value: Decimal | undefined): string => (value === undefined ? "" : formatDecimal(value));
  return {
    instType: "SPOT",
    instId: idOf(exchange.market(algo.market)),
    algoId: String(algo.id),
    algoClOrdId: algo.clientOrderId,
    ordType: algoKind(algo),
    side: "sell",
    sz: formatDecimal(algo.quantity),
    state: algo.status,
    slTriggerPx: price(algo.stop),
    slOrdPx: algo.stop === undefined ? "" : "-1",
    tpTriggerPx: price(algo.target),
    tpOrdPx: algo.target === undefined ? "" : "-1",
    actualSide: algo.side ?? "",
    ordId: child[0] ?? "",
    ordIdList: child,
    failCode: "",
    cTime: String(algo.createdMs),
  };
}

function requiredOrder({ exchange, key, values }: Signed, code: string): ExchangeOrder {
  const { ordId, clOrdId } = values;
  const found = ordId === undefined ? exchange.byClientOrderId(key.accountId, clOrdId ?? "") : exchange.orders.get(Number(ordId));
  if (found && found.accountId === key.accountId && found.market === marketOf(exchange, values).options.symbol) return found;
  if (code === "51603") throw new Refused(code, "Order does not exist");
  throw new Refusal("UNKNOWN_ORDER");
}

function fills({ exchange, key, values, request }: Signed): unknown[] {
  const market = marketOf(exchange, values).options.symbol;
  const { ordId } = values;
  const pool = ordId === undefined ? exchange.trades : exchange.tradesOf(Number(ordId));
  const rows = pool
    .filter((trade) => trade.accountId === key.accountId && trade.market === market)
    .filter((trade) => trade.timeMs >= Number(values["begin"] ?? 0))
    .toReversed();
  return listed(page(rows, values), request.fault).map((trade) => fillRow(exchange, trade));
}

/** Youngest first, older than `after`, at most a hundred. */
function page<Row extends { readonly id: number }>(rows: readonly Row[], { after, limit }: Values): readonly Row[] {
  const older = rows.filter(({ id }) => after === undefined || id < Number(after));
  return older.slice(0, Math.min(100, Number(limit ?? 100)));
}

function fillRow(exchange: Exchange, trade: Trade): Record<string, string> {
  return {
    instType: "SPOT",
    instId: idOf(exchange.market(trade.market)),
    tradeId: String(trade.id),
    billId: String(trade.id),
    ordId: String(trade.orderId),
    side: trade.side,
    fillPx: formatDecimal(trade.price),
    fillSz: formatDecimal(trade.quantity),
    // What is charged is negative.
    fee: formatDecimal(negate(trade.fee)),
    feeCcy: trade.feeAsset,
    execType: trade.maker ? "M" : "T",
    ts: String(trade.timeMs),
  };
}

/** An order that a trigger has placed has no client order id of its own. */
function namesOf({ clientOrderId, algo }: ExchangeOrder): { clOrdId: string; algoClOrdId: string } {
  return algo ? { clOrdId: "", algoClOrdId: algo.clientOrderId } : { clOrdId: clientOrderId, algoClOrdId: "" };
}

function orderRow(exchange: Exchange, order: ExchangeOrder): Record<string, string> {
  const word = order.kind === "market" ? "market" : order.postOnly ? "post_only" : order.timeInForce.toLowerCase();
  return {
    instType: "SPOT",
    instId: idOf(exchange.market(order.market)),
    ordId: String(order.id),
    ...namesOf(order),
    px: order.price === undefined ? "" : formatDecimal(order.price),
    sz: formatDecimal(order.quantity),
    ordType: word === "gtc" ? "limit" : word,
    side: order.side,
    state: states[order.status],
    accFillSz: formatDecimal(order.filled),
    avgPx: formatDecimal(averagePrice(order)),
    cTime: String(order.createdMs),
    uTime: String(order.updatedMs),
  };
}

/** Newest first, as the real one; `before` and `after` are exclusive and named from the list's point of view. */
function candles(exchange: Exchange, values: Values): unknown[] {
  const { path } = marketOf(exchange, values);
  const frameMs = barsMs[values["bar"] ?? "1m"];
  if (frameMs === undefined) throw new Refused("51000", "Parameter bar error");
  const now = exchange.options.now();
  const limit = Math.min(300, Number(values["limit"] ?? 100));
  const until = Math.min(now, Number(values["after"] ?? Number.MAX_SAFE_INTEGER) - 1);
  const since = Math.max(Number(values["before"] ?? -1) + 1, until - limit * frameMs);
  const rows: unknown[] = [];
  for (let time = Math.floor(until / frameMs) * frameMs; time >= since && rows.length < limit; time -= frameMs) {
    const row = path.candle(time, frameMs, now);
    if (!row) continue;
    const [, open, high, low, close, volume] = row;
    const confirm = time + frameMs <= now ? "1" : "0";
    rows.push([String(time), `${open}`, `${high}`, `${low}`, `${close}`, `${volume}`, "0", "0", confirm]);
  }
  return rows;
}

function books(exchange: Exchange, values: Values): unknown[] {
  const { bids, asks } = marketOf(exchange, values).book.depth(Math.min(400, Number(values["sz"] ?? 1)));
  const rows = (side: [Decimal, Decimal][]): string[][] =>
    side.map(([price, quantity]) => [formatDecimal(price), formatDecimal(quantity), "0", "1"]);
  return [{ bids: rows(bids), asks: rows(asks), ts: String(exchange.options.now()) }];
}

function instrument({ options }: Market): Record<string, string> {
  return {
    instType: "SPOT",
    instId: `${options.base}-${options.quote}`,
    baseCcy: options.base,
    quoteCcy: options.quote,
    tickSz: options.priceStep,
    lotSz: options.quantityStep,
    minSz: options.minQuantity,
    state: options.open === false ? "suspend" : "live",
    listTime: "1600000000000",
  };
}

const idOf = ({ options }: Market): string => `${options.base}-${options.quote}`;

function marketOf(exchange: Exchange, values: Values): Market {
  const found = [...exchange.markets.values()].find((market) => idOf(market) === values["instId"]);
  if (!found) throw new Refused("51001", "Instrument ID does not exist");
  return found;
}

function decimalOf(values: Values, name: string): Decimal {
  const value = values[name] ?? "";
  if (!/^\d{1,20}(\.\d{1,18})?$/.test(value)) throw new Refused("51000", `Parameter ${name} error`);
  return parseDecimal(value);
}
