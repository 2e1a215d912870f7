import type { Random } from "@bellwether/service-kit/random";

export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * Delay before attempt `failures + 1`: base × 2^(failures − 1), at most `maxMs`, scattered over its upper half so that
 * many waiters do not return at once.
 * @param failures failures in a row so far, ≥ 1
 */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: Random): number {
  // 2^30 is past every maximum and keeps the product finite.
  const fullMs = Math.min(maxMs, baseMs * 2 ** Math.min(30, failures - 1));
  return fullMs * (0.5 + random.next() / 2);
}
