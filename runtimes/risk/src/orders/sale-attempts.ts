import type { CommittedOrder } from "./dispatch.ts";

const firstPauseMs = 250;
const longestPauseMs = 8_000;

/** Sales that are older than this, milliseconds, pace nothing any more. */
export const paceMemoryMs = 2 * longestPauseMs;

interface Attempts {
  readonly made: number;
  readonly atMs: number;
}

/**
 * How often each strategy's sells by risk have ended without selling everything, and when the next one is due. A venue that refuses a sale refuses the next
 * one, too, for a while; asked thirty times a second it bans whoever asks.
 */
export class SaleAttempts {
  readonly #attempts = new Map<string, Attempts>();

  /**
   * Sells, if it is time to, and says what was committed. What the journal did not take, or a verdict denied, has shown nothing of the market: it counts as no
   * sell, and is tried again after the same pause.
   *
   * @param sell told how many sells have been made before
   */
  async sell(
    uid: string,
    nowMs: number,
    sell: (made: number) => Promise<readonly CommittedOrder[]>,
  ): Promise<readonly CommittedOrder[]> {
    const { made, atMs } = this.#attempts.get(uid) ?? { made: 0, atMs: Number.NEGATIVE_INFINITY };
    if (nowMs - atMs < Math.min(firstPauseMs * 2 ** made, longestPauseMs)) return [];
    this.#attempts.set(uid, { made, atMs: nowMs });
    const sold = await sell(made);
    if (sold.length > 0) this.#attempts.set(uid, { made: made + 1, atMs: nowMs });
    return sold;
  }

  /**
   * A start is no reason to ask the venue again at once.
   *
   * @param sales what was committed before the start, in any order; `atMs` on the clock that `sell` is given
   */
  restore(sales: readonly { readonly uid: string; readonly atMs: number }[]): void {
    for (const [uid, ofStrategy] of Map.groupBy(sales, (sale) => sale.uid)) {
      // One attempt sells every market in one transaction.
      const times = new Set(ofStrategy.map(({ atMs }) => atMs));
      this.#attempts.set(uid, { made: times.size, atMs: Math.max(...times) });
    }
  }

  forget(uid: string): void {
    this.#attempts.delete(uid);
  }

  clear(): void {
    this.#attempts.clear();
  }
}
