import type { Shipped } from "../source-postgres/position.ts";
import { segmentPlace } from "./segment.ts";

export interface StoredSegment {
  readonly key: string;
  /** By the clock of the copy, epoch milliseconds. */
  readonly modifiedMs: number;
}

/**
 * Segments that no snapshot can be brought up to date with any more: those up to the place where the oldest snapshot that is kept was taken, and series that
 * no snapshot names. One that is being taken right now is not among those kept yet: what is younger than the grace stays.
 *
 * @param kept where shipping stood at each snapshot that is kept
 * @returns keys that may be deleted
 */
export function unneededSegments(
  stored: readonly StoredSegment[],
  kept: readonly (readonly Shipped[])[],
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): string[] {
  const oldest = new Map<string, number>();
  for (const { series, sequence } of kept.flat()) oldest.set(series, Math.min(sequence, oldest.get(series) ?? sequence));
  return stored.flatMap(({ key, modifiedMs }) => {
    const place = segmentPlace(key);
    if (!place || nowMs - modifiedMs < graceMs) return [];
    return place.sequence <= (oldest.get(place.series) ?? Infinity) ? [key] : [];
  });
}
