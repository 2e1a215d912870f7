import { formatDecimal, negate, parseDecimal } from "@bellwether/trading";
import { z } from "zod";
import { VenueAnswer } from "../../../feeds/ccxt/venue-answer.ts";
import { type Ask, type ExchangeDialect, type PlaceRequest, type RawOrder, type RawTrade, headersOf } from "./dialect.ts";
import { okxLegs, pendingAlgos } from "./okx-legs.ts";
import { okxNews } from "./okx-news.ts";
import { amount, first, listOf, okxCodes, okxValidity, orderRow, rawOrder } from "./okx-words.ts";
import { allPages } from "./pages.ts";
import { leftOpen, refusedPlacement, unlessAbsent } from "./refusals.ts";

/** Orders that were cancelled without a fill can be asked for during two hours. */
const rememberedMs = 110 * 60_000;
const pageLimit = 100;

const fillRow = z.looseObject({
  instId: z.string(),
  tradeId: z.string(),
  billId: z.string(),
  ordId: z.string(),
  side: z.enum(["buy", "sell"]),
  fillPx: amount,
  fillSz: amount,
  fee: amount,
  feeCcy: z.string(),
  ts: z.coerce.number(),
});
const refusal = z.looseObject({
  code: z.string(),
  msg: z.string().default(""),
  data: z.array(z.looseObject({ sCode: z.string().optional(), sMsg: z.string().optional() })).optional(),
});
const placedRow = z.looseObject({ ordId: z.string(), clOrdId: z.string() });
const balanceRow = z.looseObject({
  details: z.array(z.looseObject({ ccy: z.string(), availBal: amount, frozenBal: amount })),
});

/** OKX spot in cash mode, REST version 5. */
export const okxDialect: ExchangeDialect = {
  credentialNames: ["apiKey", "secret", "password"],
  validity: okxValidity,
  legs: okxLegs,
  news: okxNews,
  // ccxt's unit is a tenth of a second of OKX's general limit; the order endpoints have limits of their own.
  rate: { perSecond: 8, burst: 160 },
  forgottenUntilMs: (nowMs) => nowMs - rememberedMs,
  marketId: (symbol) => symbol.replace("/", "-"),
  clockRefusal: okxCodes.clock,

  refusalIn(body) {
    const read = refusal.safeParse(body);
    if (!read.success || read.data.code === "0") return undefined;
    const { code, msg, data } = read.data;
    // An order's own code says more than that of the request.
    const [own] = data ?? [];
    return own?.sCode === undefined || own.sCode === "0" ? { code, message: msg } : { code: own.sCode, message: own.sMsg ?? "" };
  },

  async serverTimeMs(ask) {
    const row = z.looseObject({ ts: z.coerce.number() });
    return first(listOf(row).parse(await ask("publicGetPublicTime", {})).data).ts;
  },

  async permissions(ask) {
    const row = z.looseObject({ perm: z.string() });
    const { perm } = first(listOf(row).parse(await ask("privateGetAccountConfig", {})).data);
    const granted = perm.split(",").map((name) => name.trim());
    return { mayTrade: granted.includes("trade"), mayWithdraw: granted.includes("withdraw") };
  },

  async place(ask, request) {
    try {
      const answer = await ask("privatePostTradeOrder", placeParameters(request), { urgent: true });
      const row = first(listOf(placedRow).parse(answer).data);
      return { accepted: true, order: workingOrder(row.ordId, request), outdated: true };
    } catch (error) {
      if (error instanceof VenueAnswer) return refusedPlacement(error, okxCodes);
      throw error;
    }
  },

  async find(ask, { marketId, clientId }) {
    const answer = await unlessAbsent(ask("privateGetTradeOrder", { instId: marketId, clOrdId: clientId }), okxCodes);
    if (answer === undefined) return undefined;
    return rawOrder(first(listOf(orderRow).parse(answer).data));
  },

  async findInHistory(ask, { marketId, clientId, sinceMs }) {
    const parameters = { instType: "SPOT", instId: marketId, begin: String(sinceMs), limit: String(pageLimit) };
    const rows = listOf(orderRow).parse(await ask("privateGetTradeOrdersHistory", parameters)).data;
    const found = rows.find((row) => row.clOrdId === clientId);
    // A full page may end before the order: that proves nothing.
    if (!found && rows.length >= pageLimit) throw leftOpen(okxCodes, "more orders than one page holds");
    return found && rawOrder(found);
  },

  async cancel(ask, { marketId, clientId }) {
    await unlessAbsent(ask("privatePostTradeCancelOrder", { instId: marketId, clOrdId: clientId }, { urgent: true }), okxCodes);
  },

  async open(ask) {
    const rows = await allPages({
      exchange: okxCodes.exchange,
      limit: pageLimit,
      read: async (before: readonly z.output<typeof orderRow>[]) => {
        const after = before.length === 0 ? {} : { after: lowest(before.map(({ ordId }) => ordId)) };
        const parameters = { instType: "SPOT", ...after, limit: String(pageLimit) };
        return listOf(orderRow).parse(await ask("privateGetTradeOrdersPending", parameters)).data;
      },
    });
    return [...rows.map(rawOrder), ...(await pendingAlgos(ask))];
  },

  tradesOf: (ask, { marketId, venueOrderId }) => fillsOf(ask, { instId: marketId, ordId: venueOrderId }),

  tradesSince: (ask, { marketId, sinceMs }) => fillsOf(ask, { instId: marketId, begin: String(sinceMs) }),

  async balances(ask) {
    const { details } = first(listOf(balanceRow).parse(await ask("privateGetAccountBalance", {})).data);
    return details.map(({ ccy, availBal, frozenBal }) => ({ asset: ccy, free: availBal, locked: frozenBal }));
  },

  async cancelAllAfter(ask, timeoutMs) {
    // 0, or 10 to 120 seconds.
    const timeOut = timeoutMs === 0 ? 0 : Math.min(120, Math.max(10, Math.round(timeoutMs / 1_000)));
    await ask("privatePostTradeCancelAllAfter", { timeOut: String(timeOut) }, { urgent: true });
  },
};

/** Youngest first; `after` is the id of the bill that a page ended with. */
async function fillsOf(ask: Ask, of: Record<string, string>): Promise<readonly RawTrade[]> {
  const rows = await allPages({
    exchange: okxCodes.exchange,
    limit: pageLimit,
    read: async (before: readonly z.output<typeof fillRow>[]) => {
      const after = before.length === 0 ? {} : { after: lowest(before.map(({ billId }) => billId)) };
      const parameters = { instType: "SPOT", ...of, ...after, limit: String(pageLimit) };
      return listOf(fillRow).parse(await ask("privateGetTradeFills", parameters)).data;
    },
  });
  return rows.map(rawTrade);
}

/** Ids rise with time. */
const lowest = (ids: readonly string[]): string => String(ids.map(BigInt).reduce((least, id) => (id < least ? id : least)));

function placeParameters(request: PlaceRequest): Record<string, unknown> {
  const { marketId, side, type, quantity, price, timeInForce, postOnly, clientId, timestampMs } = request;
  const kinds = { GTC: "limit", IOC: "ioc", FOK: "fok" } as const;
  return {
    instId: marketId,
    tdMode: "cash",
    side,
    ordType: type === "market" ? "market" : postOnly ? "post_only" : kinds[timeInForce],
    sz: quantity,
    clOrdId: clientId,
    ...(type === "market" ? { tgtCcy: "base_ccy" } : { px: price }),
    // The time stamp of the signature is that of signing; this one is the instant after which the venue must not take the order any more.
    ...headersOf({ expTime: String(timestampMs + okxValidity.windowMs) }),
  };
}

/** The answer names the order and not what has become of it: asked for at once, as news. */
function workingOrder(ordId: string, { marketId, clientId }: PlaceRequest): RawOrder {
  return { venueOrderId: ordId, clientId, marketId, state: "Working", filledQuantity: "0" };
}

function rawTrade(row: z.output<typeof fillRow>): RawTrade {
  return {
    tradeId: `${row.instId}-${row.tradeId}`,
    venueOrderId: row.ordId,
    marketId: row.instId,
    side: row.side,
    quantity: row.fillSz,
    price: row.fillPx,
    // What is charged is negative there.
    fee: formatDecimal(negate(parseDecimal(row.fee))),
    feeAsset: row.feeCcy,
    timeMs: row.ts,
  };
}
