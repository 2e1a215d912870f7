import { TradingError } from "../trading-error.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** Weeks begin on Monday; the epoch was a Thursday. */
const WEEK_OFFSET_MS = 4 * 86_400_000;

/** `1m`, `4h`, `1d` → milliseconds. Throws BACKTEST_INVALID. */
export function timeframeMs(timeframe: string): number {
  const match = /^([1-9]\d{0,3})([smhdw])$/.exec(timeframe);
  const unit = unitMs[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new TradingError("BACKTEST_INVALID", `${JSON.stringify(timeframe)} is not a timeframe such as 1m, 4h or 1d`, {
      context: { timeframe },
    });
  }
  return Number(match[1]) * unit;
}

/** The opening time of the bar of `lengthMs` that `timeMs` falls into: counted from the epoch, weeks from Monday. */
export function barOpening(timeMs: number, lengthMs: number): number {
  const offset = lengthMs % (unitMs["w"] ?? 1) === 0 ? WEEK_OFFSET_MS : 0;
  return Math.floor((timeMs - offset) / lengthMs) * lengthMs + offset;
}
