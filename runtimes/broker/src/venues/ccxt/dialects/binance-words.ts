import { z } from "zod";
import type { RawOrder } from "./dialect.ts";
import { type RefusalCodes, leftOpen } from "./refusals.ts";

export const binanceValidity = { windowMs: 5_000, marginMs: 2_000 };
export const receiveWindow = (): { recvWindow: number } => ({ recvWindow: binanceValidity.windowMs });

export const amount = z.string().regex(/^-?\d+(\.\d+)?$/);
export const orderRow = z.looseObject({
  symbol: z.string(),
  orderId: z.union([z.string(), z.number()]).transform(String),
  clientOrderId: z.string(),
  executedQty: amount,
  status: z.string(),
});

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
export const binanceCodes: RefusalCodes = {
  exchange: "Binance",
  // A duplicate: an order with this id rests there, found by asking, not by guessing that it is ours.
  undecided: ({ code, venueMessage }) => undecided.has(code) || (code === "-2010" && venueMessage.startsWith("Duplicate order")),
  clock: (code) => code === "-1021",
  credentials: new Set(["-2014", "-2015", "-1022", "-1002"]),
  noSuchOrder: new Set(["-2013", "-2011"]),
};

/** What a status means; a reason where it is more than the state says. */
export function binanceState(status: string): { readonly state: RawOrder["state"]; readonly reason?: string } {
  const state = states[status];
  if (!state) throw leftOpen(binanceCodes, `unknown order status ${status}`);
  return { state, ...(state === "Rejected" || state === "Expired" ? { reason: status } : {}) };
}
