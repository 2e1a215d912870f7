import { z } from "zod";
import type { ProtectiveReport } from "../../venue.ts";
import { binanceCodes, binanceState, binanceValidity, orderRow, receiveWindow } from "./binance-words.ts";
import type { Ask, LegsDialect, LegsRequest } from "./dialect.ts";
import { leftOpen, takenOrRefused, unlessAbsent } from "./refusals.ts";

type Leg = LegsRequest["legs"][number];
const historyMarginMs = 60_000;
const pageLimit = 1_000;

/**
 * A stop alone is STOP_LOSS, a target alone TAKE_PROFIT_LIMIT at its own price. Both are an order list (OCO): the target above as LIMIT_MAKER, the stop
 * below; the first execution or trigger of one expires the other, and cancelling one cancels both. A stop sells at the market: an exit is not bounded.
 */
export const binanceLegs: LegsDialect = {
  validity: binanceValidity,

  place(ask, request) {
    const call =
      request.legs.length > 1
        ? ask("privatePostOrderListOco", listParameters(request), { urgent: true })
        : ask("privatePostOrder", singleParameters(request), { urgent: true });
    return takenOrRefused(call, binanceCodes);
  },

  async find(ask, { marketId, legs }) {
    const reports: ProtectiveReport[] = [];
    for (const leg of legs) {
      const found = await findLeg(ask, marketId, leg);
      if (!found) return undefined;
      // As long as the stop rests untouched, so does the target: what happens to one ends the other.
      if (found.state === "Working" && leg.leg === "stopLoss" && Number(found.filledQuantity) === 0)
        return legs.map((one) => ({ leg: one.leg, state: "Working", filledQuantity: "0" }));
      reports.push(found);
    }
    return reports;
  },

  async absent(ask, { marketId, legs, timestampMs }) {
    const ids = new Set(legs.map(({ id }) => id));
    const isOurs = ({ clientOrderId }: { clientOrderId: string }): boolean => ids.has(clientOrderId);
    const rows = z.array(orderRow);
    if (rows.parse(await ask("privateGetOpenOrders", { symbol: marketId, ...receiveWindow() })).some(isOurs)) return false;
    const since = {
      symbol: marketId,
      startTime: Math.max(0, timestampMs - historyMarginMs),
      limit: pageLimit,
      ...receiveWindow(),
    };
    const history = rows.parse(await ask("privateGetAllOrders", since));
    if (history.some(isOurs)) return false;
    // A full page may end before them: that proves nothing.
    if (history.length >= pageLimit) throw leftOpen(binanceCodes, "more orders than one page holds");
    return true;
  },

  async cancel(ask, { marketId, legs }) {
    // One of them takes the other along. The first may have ended by itself while the second still executes.
    for (const { id } of legs) {
      const parameters = { symbol: marketId, origClientOrderId: id, ...receiveWindow() };
      if ((await unlessAbsent(ask("privateDeleteOrder", parameters, { urgent: true }), binanceCodes)) !== undefined) return;
    }
  },

  async lastPrice(ask, marketId) {
    return z.looseObject({ price: z.string() }).parse(await ask("publicGetTickerPrice", { symbol: marketId })).price;
  },
};

function listParameters({ marketId, quantity, legs, timestampMs }: LegsRequest): Record<string, unknown> {
  const [stop, target] = [legs.find(({ leg }) => leg === "stopLoss"), legs.find(({ leg }) => leg === "takeProfit")];
  return {
    symbol: marketId,
    side: "SELL",
    quantity,
    aboveType: "LIMIT_MAKER",
    abovePrice: target?.price,
    aboveClientOrderId: target?.id,
    belowType: "STOP_LOSS",
    belowStopPrice: stop?.price,
    belowClientOrderId: stop?.id,
    newOrderRespType: "ACK",
    timestamp: timestampMs,
    ...receiveWindow(),
  };
}

function singleParameters({ marketId, quantity, legs, timestampMs }: LegsRequest): Record<string, unknown> {
  const [only] = legs;
  const kind =
    only?.leg === "stopLoss" ? { type: "STOP_LOSS" } : { type: "TAKE_PROFIT_LIMIT", price: only?.price, timeInForce: "GTC" };
  return {
    symbol: marketId,
    side: "SELL",
    ...kind,
    quantity,
    stopPrice: only?.price,
    newClientOrderId: only?.id,
    newOrderRespType: "ACK",
    timestamp: timestampMs,
    ...receiveWindow(),
  };
}

async function findLeg(ask: Ask, marketId: string, { id, leg }: Leg): Promise<ProtectiveReport | undefined> {
  const parameters = { symbol: marketId, origClientOrderId: id, ...receiveWindow() };
  const answer = await unlessAbsent(ask("privateGetOrder", parameters), binanceCodes);
  if (answer === undefined) return undefined;
  const row = orderRow.parse(answer);
  const { state, reason } = binanceState(row.status);
  return {
    leg,
    state,
    filledQuantity: row.executedQty,
    venueOrderId: row.orderId,
    ...(reason === undefined ? {} : { reason }),
  };
}
