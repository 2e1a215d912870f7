/**
 * The fees of a rolling window in at most {@link SLOTS} + 1 entries, `[slot, fee]`, slots rising: the first quote of each slot. However many quotes come in,
 * each stretch of time has one vote: to move the percentile somebody must keep fees up for a quarter of the window, not shout for a second.
 */
export type FeeHistory = readonly (readonly [slot: number, fee: number])[];

interface Window {
  readonly timeMs: number;
  readonly windowMs: number;
}

const SLOTS = 120;
/** A percentile of fewer says nothing. */
const MIN_SLOTS = 10;
export const USUAL_PERCENTILE = 75;

function slotOf(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / (windowMs / SLOTS));
}

export function withQuote(history: FeeHistory, fee: number, { timeMs, windowMs }: Window): FeeHistory {
  const slot = slotOf(timeMs, windowMs);
  if (history.at(-1)?.[0] === slot) return history;
  return [...history.filter(([at]) => at > slot - SLOTS), [slot, fee]];
}

/** The usual fee: the 75th percentile (nearest rank) of the slots before the present one; undefined while fewer than ten are known. */
export function percentileOf(
  history: FeeHistory,
  { timeMs, windowMs }: Window,
  percentile = USUAL_PERCENTILE,
): number | undefined {
  const slot = slotOf(timeMs, windowMs);
  const fees = history.filter(([at]) => at < slot && at > slot - SLOTS).map(([, fee]) => fee);
  if (fees.length < MIN_SLOTS) return undefined;
  return fees.toSorted((left, right) => left - right)[Math.ceil((percentile / 100) * fees.length) - 1];
}
