import { z } from "zod";
import { instantMs, symbol } from "./decimal-string.ts";

export const timeframe = z.string().regex(/^[1-9]\d{0,3}[smhdw]$/, "must be a timeframe such as 1m, 5m, 1h or 1d");

/** One closed bar. `time` is its opening time (market time); it closes at `time` + timeframe. Prices are floats: for indicators and marks, never for money. */
export const bar = z.strictObject({
  time: instantMs,
  open: z.number().positive(),
  high: z.number().positive(),
  low: z.number().positive(),
  close: z.number().positive(),
  volume: z.number().nonnegative(),
});
export type WireBar = z.infer<typeof bar>;

/** What a venue says of a market. Steps are decimal strings; 1e-8 where none is known. */
export const marketRules = z.strictObject({
  symbol,
  base: z.string().max(40),
  quote: z.string().max(40),
  quantityStep: z.string(),
  priceStep: z.string(),
  minQuantity: z.string().optional(),
  minNotional: z.string().optional(),
});
export type MarketRules = z.infer<typeof marketRules>;

/** GET broker /v1/bars?market=&timeframe=&limit=&until= → oldest first, closed bars only. `gaps` are intervals the source has no bars for. */
export const barsReply = z.strictObject({ market: symbol, timeframe, bars: z.array(bar).max(5000) });

/** Server-sent event `bar` of broker and risk. Its SSE id is `<market>|<timeframe>|<time>`. `revision` true: a late change of a bar already sent. */
export const barEvent = z.strictObject({ market: symbol, timeframe, bar, revision: z.boolean() });
export type BarEvent = z.infer<typeof barEvent>;
