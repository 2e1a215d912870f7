import type { CodedError } from "@bellwether/service-kit";
import type { BrokerAccount, Decimal, MarketRules, WireBar } from "@bellwether/trading";
import type { MarketFeed } from "./feed.ts";

/** Stands where a market should be that cannot be played: says why, and has no bars. */
export class FailedFeed implements MarketFeed {
  readonly #error: CodedError;

  constructor(error: CodedError) {
    this.#error = error;
  }

  state(): BrokerAccount["feed"] {
    return { state: "failed", message: `${this.#error.code}: ${this.#error.message}`.slice(0, 500) };
  }

  /** No time at all: a cancel stamped with the wall's would push the account's market time beyond the data's. */
  marketTimeMs(): number {
    return 0;
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
