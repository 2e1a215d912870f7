import { type Clock, CodedError } from "@bellwether/service-kit";
import type { GatewayErrorCode } from "../errors.ts";

const minuteMs = 60_000;

/**
 * A limit of something a minute, as a bucket that fills evenly and holds a minute's worth. What is known afterwards only, such as tokens, may overdraw it:
 * then nobody is let in until it is above nothing again.
 */
export class RateLimit {
  readonly #perMinute: number;
  readonly #what: string;
  readonly #clock: Pick<Clock, "nowMs">;
  #level: number;
  #filledMs: number;

  constructor(perMinute: number, parts: { what: string; clock: Pick<Clock, "nowMs"> }) {
    this.#perMinute = perMinute;
    this.#what = parts.what;
    this.#clock = parts.clock;
    this.#level = perMinute;
    this.#filledMs = parts.clock.nowMs();
  }

  /** @throws CodedError RATE_LIMITED with how long to wait, unless `amount` is there */
  admit(amount: number): void {
    this.#fill();
    if (this.#level >= amount) return;
    const retryAfterMs = Math.ceil(((amount - this.#level) * minuteMs) / this.#perMinute);
    throw new CodedError<GatewayErrorCode>("RATE_LIMITED", `the route's ${this.#perMinute} ${this.#what} a minute are used up`, {
      context: { limit: this.#perMinute, what: this.#what, retryAfterMs },
    });
  }

  take(amount: number): void {
    this.#fill();
    this.#level -= amount;
  }

  #fill(): void {
    const nowMs = this.#clock.nowMs();
    this.#level = Math.min(this.#perMinute, this.#level + ((nowMs - this.#filledMs) * this.#perMinute) / minuteMs);
    this.#filledMs = nowMs;
  }
}
