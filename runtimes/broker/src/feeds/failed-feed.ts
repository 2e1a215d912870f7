import { type Clock, CodedError } from "@bellwether/service-kit";
import type { BrokerAccount, Decimal, MarketRules, WireBar } from "@bellwether/trading";
import type { MarketFeed } from "./feed.ts";

/** Stands where a market should be that cannot be played: says why, and has no bars. */
export class FailedFeed implements MarketFeed {
  readonly #error: CodedError;
  readonly #clock: Clock;

  constructor(error: CodedError, clock: Clock) {
    this.#error = error;
    this.#clock = clock;
  }

  state(): BrokerAccount["feed"] {
    return { state: "failed", message: `${this.#error.code}: ${this.#error.message}`.slice(0, 500) };
  }

  marketTimeMs(): number {
    return this.#clock.nowMs();
  }

  ended(): boolean {
    return false;
  }

  rules(): MarketRules | undefined {
    return undefined;
  }

  markets(): readonly MarketRules[] {
    return [];
  }

  lastPrice(): Decimal | undefined {
    return undefined;
  }

  watch(): void {
    throw this.#error;
  }

  follow(): void {}

  async bars(): Promise<readonly WireBar[]> {
    throw this.#error;
  }

  async run(): Promise<void> {}
}
