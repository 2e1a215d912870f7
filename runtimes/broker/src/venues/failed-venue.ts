import { CodedError } from "@bellwether/service-kit";
import type { BrokerAccount, MarketRules } from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";
import type { SubmitReply, Venue, VenueHealth, VenueOrder, VenueTrade } from "./venue.ts";

/** Stands where a venue should be that cannot be opened: says why, sends nothing, and knows nothing of what was sent before. */
export class FailedVenue implements Venue {
  readonly kind: BrokerAccount["kind"];
  readonly holdsExpiry = true;
  readonly #error: CodedError<BrokerErrorCode>;

  constructor(kind: BrokerAccount["kind"], error: CodedError<BrokerErrorCode>) {
    this.kind = kind;
    this.#error = error;
  }

  async connect(): Promise<void> {}

  health(): VenueHealth {
    return { accepts: "none", code: this.#error.code, message: this.#error.message.slice(0, 500) };
  }

  submit(): Promise<SubmitReply> {
    return this.#fail();
  }

  cancel(): Promise<void> {
    return this.#fail();
  }

  lookup(): Promise<VenueOrder | undefined> {
    return this.#fail();
  }

  openOrders(): Promise<readonly VenueOrder[]> {
    return this.#fail();
  }

  trades(): Promise<readonly VenueTrade[]> {
    return this.#fail();
  }

  tradesSince(): Promise<readonly VenueTrade[]> {
    return this.#fail();
  }

  forgottenUntilMs(): Promise<number> {
    return this.#fail();
  }

  async balances(): Promise<BrokerAccount["balances"]> {
    return [];
  }

  rules(): MarketRules | undefined {
    return undefined;
  }

  markets(): readonly MarketRules[] {
    return [];
  }

  onChange(): void {}

  async close(): Promise<void> {}

  /** As if it could not be reached: orders of an account that lost its credentials stay as they were, nothing is concluded. */
  #fail(): Promise<never> {
    return Promise.reject(new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", this.#error.message, { cause: this.#error }));
  }
}
