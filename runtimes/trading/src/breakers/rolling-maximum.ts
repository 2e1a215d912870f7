/**
 * The largest value of a rolling window in at most {@link RESOLUTION} + 2 entries, whatever comes in: `[slot, value]`, slots rising, values falling. A value
 * counts for the window and for at most one slot (a 60th of it) more.
 */
export type RollingMaximum = readonly (readonly [slot: number, value: number])[];

const RESOLUTION = 60;

function slotOf(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / (windowMs / RESOLUTION));
}

export function withValue(
  window: RollingMaximum,
  value: number,
  { timeMs, windowMs }: { timeMs: number; windowMs: number },
): RollingMaximum {
  const slot = slotOf(timeMs, windowMs);
  const oldest = slotOf(timeMs - windowMs, windowMs);
  let end = window.length;
  while (end > 0 && (window[end - 1]?.[1] ?? 0) <= value) end--;
  // A larger value of the same slot leaves together with this one: this one would never be the largest.
  const hidden = end > 0 && window[end - 1]?.[0] === slot;
  let begin = 0;
  while (begin < end && (window[begin]?.[0] ?? 0) < oldest) begin++;
  if (hidden && begin === 0 && end === window.length) return window;
  const kept = window.slice(begin, end);
  return hidden ? kept : [...kept, [slot, value]];
}

/** The largest value that still counts; undefined when none does. */
export function maximumOf(
  window: RollingMaximum,
  { timeMs, windowMs }: { timeMs: number; windowMs: number },
): number | undefined {
  const oldest = slotOf(timeMs - windowMs, windowMs);
  return window.find(([slot]) => slot >= oldest)?.[1];
}
