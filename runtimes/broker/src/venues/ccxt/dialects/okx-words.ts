import { z } from "zod";
import type { RawOrder } from "./dialect.ts";
import { type RefusalCodes, leftOpen } from "./refusals.ts";

export const okxValidity = { windowMs: 5_000, marginMs: 2_000 };

export const amount = z.string().regex(/^-?\d+(\.\d+)?$/);
export const orderRow = z.looseObject({
  instId: z.string(),
  ordId: z.string(),
  clOrdId: z.string(),
  algoClOrdId: z.string().default(""),
  accFillSz: amount,
  state: z.string(),
});
export const listOf = <Row extends z.ZodType>(row: Row) => z.looseObject({ data: z.array(row) });

const states: Readonly<Record<string, RawOrder["state"]>> = {
  live: "Working",
  partially_filled: "Working",
  filled: "Filled",
  canceled: "Cancelled",
  mmp_canceled: "Cancelled",
};

/** Time-outs, busy systems and internal faults: whether the order was taken is not said. 51016: one with this id is there, found by asking. */
const undecided = new Set(["50001", "50004", "50013", "50026", "50061", "51016", "1", "2"]);
export const okxCodes: RefusalCodes = {
  exchange: "OKX",
  undecided: ({ code }) => undecided.has(code),
  // Too far off to be signed, or past its deadline when it came.
  clock: (code) => code === "50102" || code === "50036",
  credentials: new Set(["50100", "50101", "50103", "50104", "50105", "50110", "50111", "50113", "50114", "50030"]),
  noSuchOrder: new Set(["51603", "51400", "51401", "51402", "51410"]),
};

/** An order as OKX lists it; one that a trigger has made is known by the id of its trigger. */
export function rawOrder(row: z.output<typeof orderRow>): RawOrder {
  const state = states[row.state];
  if (!state) throw leftOpen(okxCodes, `unknown order state ${row.state}`);
  return {
    venueOrderId: row.ordId,
    clientId: row.clOrdId === "" ? row.algoClOrdId : row.clOrdId,
    marketId: row.instId,
    state,
    filledQuantity: row.accFillSz,
  };
}

export function first<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw leftOpen(okxCodes, "an empty answer");
  return row;
}
