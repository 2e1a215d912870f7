import { z } from "zod";
import type { ProtectiveReport } from "../../venue.ts";
import { type Ask, type LegsDialect, type LegsRequest, type RawOrder, signedAt } from "./dialect.ts";
import { first, listOf, okxCodes, orderRow, rawOrder } from "./okx-words.ts";
import { leftOpen, takenOrRefused, unlessAbsent } from "./refusals.ts";

const algoRow = z.looseObject({
  algoId: z.string(),
  algoClOrdId: z.string(),
  instId: z.string(),
  state: z.string(),
  ordId: z.string().default(""),
  ordIdList: z.array(z.string()).default([]),
  /** Which trigger went off: `sl` or `tp`. */
  actualSide: z.string().default(""),
  failCode: z.string().default(""),
});
type AlgoRow = z.output<typeof algoRow>;
const lastRow = z.looseObject({ last: z.string() });

const kinds = ["conditional", "oco"] as const;
const endings = ["effective", "canceled", "order_failed"] as const;
const resting = new Set(["live", "pause"]);
const triggered = new Set(["effective", "partially_effective"]);
const cancelled = new Set(["canceled"]);
const failed = new Set(["order_failed", "partially_failed"]);
const pageLimit = "100";

/**
 * One algo order for all legs: `conditional` for one, `oco` for two. It holds the units back, and sells at the market when a trigger goes off: a limit
 * behind the target could be left unfilled with the stop already gone.
 */
export const okxLegs: LegsDialect = {
  // Algo orders take no expTime: what bounds them is the age of the signature, counted from "about to send".
  validity: { windowMs: 30_000, marginMs: 2_000 },

  place(ask, request) {
    return takenOrRefused(ask("privatePostTradeOrderAlgo", placeParameters(request), { urgent: true }), okxCodes);
  },

  async find(ask, { marketId, legs }) {
    const answer = await unlessAbsent(ask("privateGetTradeOrderAlgo", { algoClOrdId: nameOf(legs) }), okxCodes);
    if (answer === undefined) return undefined;
    const row = first(listOf(algoRow).parse(answer).data);
    const all = (state: ProtectiveReport["state"], reason?: string): readonly ProtectiveReport[] =>
      legs.map(({ leg }) => ({ leg, state, filledQuantity: "0", ...(reason === undefined ? {} : { reason }) }));
    if (resting.has(row.state)) return all("Working");
    if (cancelled.has(row.state)) return all("Cancelled");
    if (failed.has(row.state)) return all("Rejected", `order failed: ${row.failCode}`);
    if (!triggered.has(row.state)) throw leftOpen(okxCodes, `unknown state ${row.state} of an algo order`);
    return executing(ask, { marketId, legs, row });
  },

  async absent(ask, { marketId, legs }) {
    const name = nameOf(legs);
    const ordType = legs.length > 1 ? "oco" : "conditional";
    const pending = await algos(ask, "privateGetTradeOrdersAlgoPending", { ordType, instId: marketId });
    if (pending.some((row) => row.algoClOrdId === name)) return false;
    for (const state of endings) {
      const ended = await algos(ask, "privateGetTradeOrdersAlgoHistory", { ordType, instId: marketId, state });
      if (ended.some((row) => row.algoClOrdId === name)) return false;
    }
    return true;
  },

  async cancel(ask, { marketId, legs }) {
    await unlessAbsent(
      ask("privatePostTradeCancelAlgos", [{ instId: marketId, algoClOrdId: nameOf(legs) }], { urgent: true }),
      okxCodes,
    );
  },

  async lastPrice(ask, marketId) {
    return first(listOf(lastRow).parse(await ask("publicGetMarketTicker", { instId: marketId })).data).last;
  },
};

/** Algo orders that rest, of other hands, too. */
export async function pendingAlgos(ask: Ask): Promise<readonly RawOrder[]> {
  const found: RawOrder[] = [];
  for (const ordType of kinds) {
    const rows = await algos(ask, "privateGetTradeOrdersAlgoPending", { ordType, instType: "SPOT" });
    found.push(
      ...rows.map((row) => ({
        venueOrderId: row.algoId,
        clientId: row.algoClOrdId,
        marketId: row.instId,
        state: "Working" as const,
        filledQuantity: "0",
      })),
    );
  }
  return found;
}

async function algos(ask: Ask, method: string, parameters: Record<string, string>): Promise<readonly AlgoRow[]> {
  return listOf(algoRow).parse(await ask(method, { ...parameters, limit: pageLimit })).data;
}

/** The order that a trigger has placed; the other leg went with the trigger. */
async function executing(
  ask: Ask,
  { marketId, legs, row }: { marketId: string; legs: LegsRequest["legs"]; row: AlgoRow },
): Promise<readonly ProtectiveReport[]> {
  const sold = legs.length === 1 ? legs[0]?.leg : row.actualSide === "tp" ? "takeProfit" : "stopLoss";
  const ordId = row.ordIdList[0] ?? row.ordId;
  const answer =
    ordId === "" ? undefined : await unlessAbsent(ask("privateGetTradeOrder", { instId: marketId, ordId }), okxCodes);
  const order = answer === undefined ? undefined : rawOrder(first(listOf(orderRow).parse(answer).data));
  return legs.map(({ leg }) => {
    if (leg !== sold) return { leg, state: "Expired", filledQuantity: "0" };
    if (!order) return { leg, state: "Working", filledQuantity: "0" };
    return { leg, state: order.state, filledQuantity: order.filledQuantity, venueOrderId: order.venueOrderId };
  });
}

const nameOf = (legs: LegsRequest["legs"]): string => legs[0]?.id ?? "";

function placeParameters({ marketId, quantity, legs, timestampMs }: LegsRequest): Record<string, unknown> {
  const [stop, target] = [legs.find(({ leg }) => leg === "stopLoss"), legs.find(({ leg }) => leg === "takeProfit")];
  return {
    instId: marketId,
    tdMode: "cash",
    side: "sell",
    ordType: legs.length > 1 ? "oco" : "conditional",
    sz: quantity,
    algoClOrdId: nameOf(legs),
    // ccxt puts a name and a tag of its own into an order without one.
    clOrdId: nameOf(legs),
    ...(stop ? { slTriggerPx: stop.price, slOrdPx: "-1", slTriggerPxType: "last" } : {}),
    ...(target ? { tpTriggerPx: target.price, tpOrdPx: "-1", tpTriggerPxType: "last" } : {}),
    ...signedAt(timestampMs),
  };
}
