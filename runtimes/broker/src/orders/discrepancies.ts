import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";

/** Most that are told one by one. */
const remembered = 1_000;

/**
 * Orders on which journal and venue disagree, as far as they were seen: an order the venue has taken back or forgotten, one it holds that nobody
 * here has sent. None is resolved by guessing; while there is one, nothing that adds exposure is sent.
 */
export class Discrepancies {
  readonly #byOrder = new Map<string, string>();
  #foreign: readonly string[] = [];

  note(clientOrderId: string, message: string): void {
    if (this.#byOrder.size < remembered) this.#byOrder.set(clientOrderId, message);
  }

  settled(clientOrderId: string): void {
    this.#byOrder.delete(clientOrderId);
  }

  /** Orders at the venue that nobody here has sent, as the last audit saw them. */
  foreignAre(clientOrderIds: readonly string[]): void {
    this.#foreign = clientOrderIds.slice(0, remembered);
  }

  get foreign(): readonly string[] {
    return this.#foreign;
  }

  get size(): number {
    return this.#byOrder.size + this.#foreign.length;
  }

  /** The first of them, in words; undefined when journal and venue agree. */
  get message(): string | undefined {
    const [noted] = this.#byOrder;
    const [foreign] = this.#foreign;
    const more = this.size > 1 ? ` (and ${this.size - 1} more)` : "";
    if (noted) return `order ${noted[0]}: ${noted[1]}${more}`;
    return foreign === undefined ? undefined : `order ${foreign}: the venue holds it and this broker has not sent it${more}`;
  }

  /** @throws CodedError VENUE_INCONSISTENT */
  requireNone(): void {
    const { message } = this;
    if (message !== undefined)
      throw new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", `journal and venue disagree: ${message}`);
  }
}
