import { formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import { TradingError } from "../trading-error.ts";
import type { PaperVenueState } from "./paper-state.ts";

const FORMAT = "bellwether-paper-venue/1";
const DECIMAL_MARK = "d:";

/** The state as JSON text; decimals become `"d:<decimal>"`. `parseVenue(serialiseVenue(s))` equals `s`. */
export function serialiseVenue(state: PaperVenueState): string {
  return JSON.stringify({ format: FORMAT, state }, (_key, value: unknown) =>
    typeof value === "bigint" ? DECIMAL_MARK + formatDecimal(value as Decimal) : typeof value === "string" ? `s:${value}` : value,
  );
}

/**
 * The state that serialiseVenue wrote. Only for text of this program (a file on the broker's volume): its shape is not checked
 * beyond the format mark. Throws VENUE_STATE_INVALID.
 */
export function parseVenue(text: string): PaperVenueState {
  try {
    const read = JSON.parse(text, (_key, value: unknown) => {
      if (typeof value !== "string") return value;
      return value.startsWith(DECIMAL_MARK) ? parseDecimal(value.slice(DECIMAL_MARK.length)) : value.slice(2);
    }) as { format: string; state: PaperVenueState };
    if (read.format !== FORMAT) throw new Error(`the format is ${read.format}, not ${FORMAT}`);
    return { ...read.state, orders: read.state.orders.map((order) => ({ ...order, request: { ...ABSENT, ...order.request } })) };
  } catch (cause) {
    throw new TradingError("VENUE_STATE_INVALID", "the serialised state of a paper venue cannot be read", { cause });
  }
}

/** JSON drops undefined members; the state has them, always. */
const ABSENT = { limit: undefined, stopLoss: undefined, takeProfit: undefined, maxCost: undefined, expiresAt: undefined };
