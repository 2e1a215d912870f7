import { type Clock, CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";

export interface RiskWatchOptions {
  readonly clock: Clock;
  /** Wall milliseconds without a word after which risk counts as silent. */
  readonly silenceMs: number;
}

/**
 * When this broker last heard from risk. A risk that was silent may have lost the account's state in between: until it has read the account again,
 * nothing that adds exposure is sent, not even with a fresh approval. Not armed before the first word: there is nothing to be sent before it.
 */
export class RiskWatch {
  readonly #options: RiskWatchOptions;
  #heardAtMs: number | undefined;
  #silent = false;

  constructor(options: RiskWatchOptions) {
    this.#options = options;
  }

  /** A call of risk has come in. `readsAccount`: it asks how the account stands. */
  heard(readsAccount: boolean): void {
    if (this.silentMs > this.#options.silenceMs) this.#silent = true;
    this.#heardAtMs = this.#options.clock.nowMs();
    if (readsAccount) this.#silent = false;
  }

  /** Wall milliseconds since the last word; 0 before the first. */
  get silentMs(): number {
    return this.#heardAtMs === undefined ? 0 : Math.max(0, this.#options.clock.nowMs() - this.#heardAtMs);
  }

  get silent(): boolean {
    return this.#silent || this.silentMs > this.#options.silenceMs;
  }

  /** @throws CodedError RISK_SILENT */
  requireHeard(): void {
    if (!this.silent) return;
    const seconds = this.#options.silenceMs / 1_000;
    const message = `RiskSilent: risk had nothing to say for more than ${seconds} s and has not read the account since`;
    throw new CodedError<BrokerErrorCode>("RISK_SILENT", message);
  }
}
