import { createHmac } from "node:crypto";
import { z } from "zod";
import { VenueAnswer } from "../../../feeds/ccxt/venue-answer.ts";
import { binanceLegs } from "./binance-legs.ts";
import { amount, binanceCodes, binanceState, binanceValidity, orderRow, receiveWindow } from "./binance-words.ts";
import type { Ask, ExchangeDialect, PlaceReply, PlaceRequest, RawOrder, RawTrade } from "./dialect.ts";
import { allPages } from "./pages.ts";
import { leftOpen, refusedPlacement, unlessAbsent } from "./refusals.ts";

/** Orders that were cancelled without a fill are archived after 90 days. */
const rememberedMs = 80 * 86_400_000;
const pageLimit = 1_000;

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

/** Binance spot, REST version 3. */
export const binanceDialect: ExchangeDialect = {
  credentialNames: ["apiKey", "secret"],
  validity: binanceValidity,
  legs: binanceLegs,
  // 6,000 weights a minute, of which ccxt makes five a unit; a fifth stays for whoever shares the address.
  rate: { perSecond: 16, burst: 100 },
  forgottenUntilMs: (nowMs) => nowMs - rememberedMs,
  marketId: (symbol) => symbol.replace("/", ""),
  refusalIn: () => undefined,
  clockRefusal: binanceCodes.clock,

  async serverTimeMs(ask) {
    return z.object({ serverTime: z.coerce.number() }).parse(await ask("publicGetTime", {})).serverTime;
  },

  async permissions(ask) {
    const row = restrictions.parse(await ask("sapiGetAccountApiRestrictions", receiveWindow()));
    return { mayTrade: row.enableSpotAndMarginTrading, mayWithdraw: row.enableWithdrawals };
  },

  async place(ask, request) {
    try {
      return placed(placedRow.parse(await ask("privatePostOrder", placeParameters(request), { urgent: true })), request);
    } catch (error) {
      if (error instanceof VenueAnswer) return refusedPlacement(error, binanceCodes);
      throw error;
    }
  },

  async find(ask, { marketId, clientId }) {
    const row = await unlessAbsent(
      ask("privateGetOrder", { symbol: marketId, origClientOrderId: clientId, ...receiveWindow() }),
      binanceCodes,
    );
    return row === undefined ? undefined : rawOrder(orderRow.parse(row));
  },

  async findInHistory(ask, { marketId, clientId, sinceMs }) {
    const parameters = { symbol: marketId, startTime: sinceMs, limit: pageLimit, ...receiveWindow() };
    const rows = z.array(orderRow).parse(await ask("privateGetAllOrders", parameters));
    const found = rows.findLast((row) => row.clientOrderId === clientId);
    // A full page may end before the order: that proves nothing.
    if (!found && rows.length >= pageLimit) throw leftOpen(binanceCodes, "more orders than one page holds");
    return found && rawOrder(found);
  },

  async cancel(ask, { marketId, clientId }) {
    await unlessAbsent(
      ask("privateDeleteOrder", { symbol: marketId, origClientOrderId: clientId, ...receiveWindow() }, { urgent: true }),
      binanceCodes,
    );
  },

  async open(ask) {
    return z
      .array(orderRow)
      .parse(await ask("privateGetOpenOrders", receiveWindow()))
      .map(rawOrder);
  },

  tradesOf: (ask, { marketId, venueOrderId }) => tradesFrom(ask, marketId, { orderId: venueOrderId, fromId: "0" }),

  tradesSince: (ask, { marketId, sinceMs }) => tradesFrom(ask, marketId, { startTime: sinceMs }),

  /** WebSocket API, one signed subscription. A Secret with a PEM key has no HMAC to sign it with, and does without news. */
  news({ credentials, sandbox, baseUrl }) {
    const host = sandbox ? "wss://ws-api.testnet.binance.vision" : "wss://ws-api.binance.com:443";
    const url = `${baseUrl === undefined ? host : baseUrl.replace(/^http/, "ws").replace(/\/$/, "")}/ws-api/v3`;
    return {
      url,
      subscribe: (nowMs) => {
        const parameters = { apiKey: credentials.apiKey, recvWindow: binanceValidity.windowMs, timestamp: nowMs };
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
    const { balances } = accountRow.parse(await ask("privateGetAccount", { omitZeroBalances: "true", ...receiveWindow() }));
    return balances;
  },
};

/** Oldest first; further pages go on from the last id, for which a start in time is given up. */
async function tradesFrom(
  ask: Ask,
  marketId: string,
  from: { readonly orderId: string; readonly fromId: string } | { readonly startTime: number },
): Promise<readonly RawTrade[]> {
  const rows = await allPages({
    exchange: binanceCodes.exchange,
    limit: pageLimit,
    read: async (before: readonly z.output<typeof tradeRow>[]) => {
      const last = before.reduce((highest, { id }) => (BigInt(id) > highest ? BigInt(id) : highest), -1n);
      const start = before.length === 0 ? from : { ...("orderId" in from ? from : {}), fromId: String(last + 1n) };
      const parameters = { symbol: marketId, ...start, limit: pageLimit, ...receiveWindow() };
      return z.array(tradeRow).parse(await ask("privateGetMyTrades", parameters));
    },
  });
  return rows.map((row) => rawTrade(row, marketId));
}

function placeParameters(request: PlaceRequest): Record<string, unknown> {
  const { marketId, side, type, quantity, price, timeInForce, postOnly, clientId, timestampMs } = request;
  const kind = type === "market" ? "MARKET" : postOnly ? "LIMIT_MAKER" : "LIMIT";
  return {
    symbol: marketId,
    side: side === "buy" ? "BUY" : "SELL",
    type: kind,
    quantity,
    newClientOrderId: clientId,
    newOrderRespType: "FULL",
    timestamp: timestampMs,
    ...receiveWindow(),
    ...(kind === "LIMIT" || kind === "LIMIT_MAKER" ? { price } : {}),
    ...(kind === "LIMIT" ? { timeInForce } : {}),
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
  return {
    venueOrderId: row.orderId,
    clientId: row.clientOrderId,
    marketId: row.symbol,
    filledQuantity: row.executedQty,
    ...binanceState(row.status),
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
