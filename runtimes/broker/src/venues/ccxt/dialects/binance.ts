import { createHmac } from "node:crypto";
import { z } from "zod";
import { VenueAnswer } from "../../../feeds/ccxt/venue-answer.ts";
import type { ExchangeDialect, PlaceReply, PlaceRequest, RawOrder, RawTrade } from "./dialect.ts";
import { type RefusalCodes, leftOpen, refusedPlacement, unlessAbsent } from "./refusals.ts";

const validity = { windowMs: 5_000, marginMs: 2_000 };
/** Orders that were cancelled without a fill are archived after 90 days. */
const rememberedMs = 80 * 86_400_000;
const pageLimit = 1_000;

const amount = z.string().regex(/^-?\d+(\.\d+)?$/);
const orderRow = z.looseObject({
  symbol: z.string(),
  orderId: z.union([z.string(), z.number()]).transform(String),
  clientOrderId: z.string(),
  executedQty: amount,
  status: z.string(),
});
const fillRow = z.looseObject({
  tradeId: z.union([z.string(), z.number()]).transform(String),
  price: amount,
  qty: amount,
  commission: amount,
  commissionAsset: z.string(),
});
const placedRow = orderRow.extend({ transactTime: z.coerce.number(), fills: z.array(fillRow).default([]) });
const tradeRow = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  orderId: z.union([z.string(), z.number()]).transform(String),
  price: amount,
  qty: amount,
  commission: amount,
  commissionAsset: z.string(),
  time: z.coerce.number(),
  isBuyer: z.boolean(),
});
const accountRow = z.looseObject({ balances: z.array(z.looseObject({ asset: z.string(), free: amount, locked: amount })) });
const newsRow = z.looseObject({
  event: z.looseObject({ e: z.literal("executionReport"), c: z.string(), C: z.string().optional() }),
});
const restrictions = z.looseObject({ enableSpotAndMarginTrading: z.boolean(), enableWithdrawals: z.boolean() });

const states: Readonly<Record<string, RawOrder["state"]>> = {
  PENDING_NEW: "Working",
  NEW: "Working",
  PARTIALLY_FILLED: "Working",
  PENDING_CANCEL: "Working",
  FILLED: "Filled",
  CANCELED: "Cancelled",
  EXPIRED: "Expired",
  EXPIRED_IN_MATCH: "Expired",
  REJECTED: "Rejected",
};

/** Of these nobody knows what became of the request: internal faults and time-outs between Binance's front and its engine. */
const undecided = new Set(["-1000", "-1001", "-1006", "-1007", "-1008"]);
const codes: RefusalCodes = {
  exchange: "Binance",
  // A duplicate: an order with this id rests there, found by asking, not by guessing that it is ours.
  undecided: ({ code, venueMessage }) => undecided.has(code) || (code === "-2010" && venueMessage.startsWith("Duplicate order")),
  clock: (code) => code === "-1021",
  credentials: new Set(["-2014", "-2015", "-1022", "-1002"]),
  noSuchOrder: new Set(["-2013", "-2011"]),
};

/** Binance spot, REST version 3. */
export const binanceDialect: ExchangeDialect = {
  credentialNames: ["apiKey", "secret"],
  validity,
  // 6,000 weights a minute, of which ccxt makes five a unit; a fifth stays for whoever shares the address.
  rate: { perSecond: 16, burst: 100 },
  forgottenUntilMs: (nowMs) => nowMs - rememberedMs,
  marketId: (symbol) => symbol.replace("/", ""),
  refusalIn: () => undefined,
  clockRefusal: codes.clock,

  async serverTimeMs(ask) {
    return z.object({ serverTime: z.coerce.number() }).parse(await ask("publicGetTime", {})).serverTime;
  },

  async permissions(ask) {
    const row = restrictions.parse(await ask("sapiGetAccountApiRestrictions", window()));
    return { mayTrade: row.enableSpotAndMarginTrading, mayWithdraw: row.enableWithdrawals };
  },

  async place(ask, request) {
    try {
      return placed(placedRow.parse(await ask("privatePostOrder", placeParameters(request), { urgent: true })), request);
    } catch (error) {
      if (error instanceof VenueAnswer) return refusedPlacement(error, codes);
      throw error;
    }
  },

  async find(ask, { marketId, clientId }) {
    const row = await unlessAbsent(ask("privateGetOrder", { symbol: marketId, origClientOrderId: clientId, ...window() }), codes);
    return row === undefined ? undefined : rawOrder(orderRow.parse(row));
  },

  async findInHistory(ask, { marketId, clientId, sinceMs }) {
    const parameters = { symbol: marketId, startTime: sinceMs, limit: pageLimit, ...window() };
    const rows = z.array(orderRow).parse(await ask("privateGetAllOrders", parameters));
    const found = rows.findLast((row) => row.clientOrderId === clientId);
    // A full page may end before the order: that proves nothing.
    if (!found && rows.length >= pageLimit) throw leftOpen(codes, "more orders than one page holds");
    return found && rawOrder(found);
  },

  async cancel(ask, { marketId, clientId }) {
    await unlessAbsent(
      ask("privateDeleteOrder", { symbol: marketId, origClientOrderId: clientId, ...window() }, { urgent: true }),
      codes,
    );
  },

  async open(ask) {
    return z
      .array(orderRow)
      .parse(await ask("privateGetOpenOrders", window()))
      .map(rawOrder);
  },

  async tradesOf(ask, { marketId, venueOrderId }) {
    const parameters = { symbol: marketId, orderId: venueOrderId, limit: pageLimit, ...window() };
    return z
      .array(tradeRow)
      .parse(await ask("privateGetMyTrades", parameters))
      .map((row) => rawTrade(row, marketId));
  },

  async tradesSince(ask, { marketId, sinceMs }) {
    const parameters = { symbol: marketId, startTime: sinceMs, limit: pageLimit, ...window() };
    return z
      .array(tradeRow)
      .parse(await ask("privateGetMyTrades", parameters))
      .map((row) => rawTrade(row, marketId));
  },

  /** WebSocket API, one signed subscription. A Secret with a PEM key has no HMAC to sign it with, and does without news. */
  news({ credentials, sandbox, baseUrl }) {
    const host = sandbox ? "wss://ws-api.testnet.binance.vision" : "wss://ws-api.binance.com:443";
    const url = `${baseUrl === undefined ? host : baseUrl.replace(/^http/, "ws").replace(/\/$/, "")}/ws-api/v3`;
    return {
      url,
      subscribe: (nowMs) => {
        const parameters = { apiKey: credentials.apiKey, recvWindow: validity.windowMs, timestamp: nowMs };
        const text = Object.entries(parameters)
          .map(([name, value]) => `${name}=${value}`)
          .join("&");
        const signature = createHmac("sha256", credentials.secret).update(text).digest("hex");
        return [
          JSON.stringify({ id: "news", method: "userDataStream.subscribe.signature", params: { ...parameters, signature } }),
        ];
      },
      idsIn: (message) => {
        const read = newsRow.safeParse(JSON.parse(message));
        // A cancelled order is told under the cancel's own id, its own stands beside it.
        return read.success
          ? [read.data.event.C, read.data.event.c].filter((id): id is string => id !== undefined && id !== "")
          : [];
      },
    };
  },

  async balances(ask) {
    const { balances } = accountRow.parse(await ask("privateGetAccount", { omitZeroBalances: "true", ...window() }));
    return balances;
  },
};

const window = (): { recvWindow: number } => ({ recvWindow: validity.windowMs });

function placeParameters(request: PlaceRequest): Record<string, unknown> {
  const { marketId, side, type, quantity, price, timeInForce, postOnly, clientId, timestampMs, trigger } = request;
  const kind = trigger
    ? trigger.on === "fall"
      ? "STOP_LOSS"
      : "TAKE_PROFIT"
    : type === "market"
      ? "MARKET"
      : postOnly
        ? "LIMIT_MAKER"
        : "LIMIT";
  return {
    symbol: marketId,
    side: side === "buy" ? "BUY" : "SELL",
    type: kind,
    quantity,
    newClientOrderId: clientId,
    newOrderRespType: "FULL",
    timestamp: timestampMs,
    ...window(),
    ...(kind === "LIMIT" || kind === "LIMIT_MAKER" ? { price } : {}),
    ...(kind === "LIMIT" ? { timeInForce } : {}),
    ...(trigger ? { stopPrice: trigger.price } : {}),
  };
}

function placed(row: z.output<typeof placedRow>, { side, marketId }: PlaceRequest): PlaceReply {
  const trades = row.fills.map((fill) => ({
    tradeId: `${marketId}-${fill.tradeId}`,
    venueOrderId: row.orderId,
    marketId,
    side,
    quantity: fill.qty,
    price: fill.price,
    fee: fill.commission,
    feeAsset: fill.commissionAsset,
    timeMs: row.transactTime,
  }));
  return { accepted: true, order: rawOrder(row), trades };
}

function rawOrder(row: z.output<typeof orderRow>): RawOrder {
  const state = states[row.status];
  if (!state) throw leftOpen(codes, `unknown order status ${row.status}`);
  return {
    venueOrderId: row.orderId,
    clientId: row.clientOrderId,
    marketId: row.symbol,
    state,
    filledQuantity: row.executedQty,
    ...(state === "Rejected" || state === "Expired" ? { reason: row.status } : {}),
  };
}

function rawTrade(row: z.output<typeof tradeRow>, marketId: string): RawTrade {
  return {
    tradeId: `${marketId}-${row.id}`,
    venueOrderId: row.orderId,
    marketId,
    side: row.isBuyer ? "buy" : "sell",
    quantity: row.qty,
    price: row.price,
    fee: row.commission,
    feeAsset: row.commissionAsset,
    timeMs: row.time,
  };
}
