import type { Clock } from "@bellwether/service-kit/clock";
import type { Random } from "@bellwether/service-kit/random";

const firstMs = 100;
const longestMs = 2_000;

/** Waits that double from 100 ms to 2 s, each shortened by up to half at random, so that agents do not come back in step. */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: Random;
  #nextMs = firstMs;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** @throws the signal's reason */
  async wait(signal: AbortSignal): Promise<void> {
    const delayMs = this.#nextMs * (1 - this.#random.next() / 2);
    this.#nextMs = Math.min(this.#nextMs * 2, longestMs);
    await this.#clock.sleep(delayMs, signal);
  }

  reset(): void {
    this.#nextMs = firstMs;
  }
}
