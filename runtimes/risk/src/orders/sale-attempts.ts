const firstPauseMs = 250;
const longestPauseMs = 8_000;

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

  /** How many sells have been made, if another one is due; undefined: not yet. */
  due(uid: string, nowMs: number): number | undefined {
    const { made, atMs } = this.#of(uid);
    return nowMs - atMs < Math.min(firstPauseMs * 2 ** made, longestPauseMs) ? undefined : made;
  }

  /** One is tried; whether the journal takes it and a verdict allows it is not known yet. */
  tried(uid: string, nowMs: number): void {
    this.#attempts.set(uid, { made: this.#of(uid).made, atMs: nowMs });
  }

  /** The one tried last goes to the venue. */
  made(uid: string): void {
    const { made, atMs } = this.#of(uid);
    this.#attempts.set(uid, { made: made + 1, atMs });
  }

  forget(uid: string): void {
    this.#attempts.delete(uid);
  }

  clear(): void {
    this.#attempts.clear();
  }

  #of(uid: string): Attempts {
    return this.#attempts.get(uid) ?? { made: 0, atMs: Number.NEGATIVE_INFINITY };
  }
}
