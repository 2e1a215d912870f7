import type { Clock } from "@bellwether/service-kit";

export interface RateLimiterOptions {
  readonly clock: Clock;
  /** Cost units the venue allows in a second, as ccxt weighs its endpoints. */
  readonly perSecond: number;
  /** Cost units that may be spent at once after a pause. */
  readonly burst: number;
}

/** Reads leave what comes back in this time to orders and cancels. */
const reservedMs = 1_000;
/** A venue that says "slower" without saying for how long. */
const defaultPauseMs = 60_000;
const longestPauseMs = 3 * 86_400_000;
const mostWaiting = 1_000;

interface Waiting {
  readonly cost: number;
  readonly urgent: boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** What a limiter says when it lets nothing through: nothing has left this process. */
export class Held extends Error {
  readonly untilMs: number;
  constructor(message: string, untilMs: number) {
    super(message);
    this.name = "Held";
    this.untilMs = untilMs;
  }
}

/**
 * The one way out for all requests of an account: limits are counted per address, and a venue that bans it bans the orders with it. Orders and
 * cancels go before reads and may use what reads must leave; after 418 or 429 nothing leaves until the time the venue has named.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #waiting: Waiting[] = [];
  #tokens: number;
  #filledAtMs: number;
  #pausedUntilMs = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledAtMs = options.clock.nowMs();
  }

  /** Wall time until which nothing leaves; in the past when all is well. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /** Resolves when a request of this cost may leave. @throws Held while the venue wants to be left alone, or too much waits */
  take(cost: number, urgent: boolean): Promise<void> {
    const held = this.#held();
    if (held) return Promise.reject(held);
    if (this.#waiting.length >= mostWaiting)
      return Promise.reject(new Held("too many requests wait for the venue's limit", this.#options.clock.nowMs() + 1_000));
    return new Promise((resolve, reject) => {
      const entry: Waiting = { cost: Math.min(cost, this.#options.burst - this.#reserve), urgent, resolve, reject };
      const behind = urgent ? this.#waiting.findIndex((other) => !other.urgent) : -1;
      this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, entry);
      this.#release();
    });
  }

  /** The venue has answered 418 or 429. */
  pause(retryAfterMs: number | undefined): void {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + Math.min(longestPauseMs, Math.max(1_000, retryAfterMs ?? defaultPauseMs));
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    this.#tokens = 0;
    const held = this.#held();
    for (const entry of this.#waiting.splice(0)) if (held) entry.reject(held);
  }

  get #reserve(): number {
    return Math.min(this.#options.burst / 2, (this.#options.perSecond * reservedMs) / 1_000);
  }

  #held(): Held | undefined {
    const leftMs = this.#pausedUntilMs - this.#options.clock.nowMs();
    if (leftMs <= 0) return undefined;
    return new Held(`the venue has asked to be left alone for another ${Math.ceil(leftMs / 1_000)} s`, this.#pausedUntilMs);
  }

  #release(): void {
    this.#refill();
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const missing = next.cost + (next.urgent ? 0 : this.#reserve) - this.#tokens;
      if (missing > 1e-9) return this.#wait((missing / this.#options.perSecond) * 1_000);
      this.#tokens -= next.cost;
      this.#waiting.shift();
      next.resolve();
    }
  }

  #refill(): void {
    const nowMs = this.#options.clock.nowMs();
    // The wall clock may step back; it must not take tokens away.
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = nowMs;
    this.#tokens = Math.min(this.#options.burst, this.#tokens + (elapsedMs / 1_000) * this.#options.perSecond);
  }

  #wait(delayMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.setTimeout(() => this.#release(), Math.ceil(delayMs));
  }
}
