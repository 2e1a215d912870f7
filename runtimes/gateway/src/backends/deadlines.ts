import type { Cancel, Clock } from "@bellwether/service-kit";
import { BackendFailure } from "./failure.ts";

/**
 * The signal that one attempt runs under: a wall of silence, measured from the last sign of life, or the caller's own end. It carries the failure that
 * is told about it.
 */
export class AttemptSignal {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  #cancel: Cancel = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives up after this much silence from now on. */
  expectWithin(silenceMs: number, begun: boolean): void {
    this.#cancel();
    this.#cancel = this.#clock.setTimeout(() => {
      const code = begun ? "MODEL_BROKE_OFF" : "MODEL_TIMEOUT";
      this.abort(new BackendFailure(code, `the model said nothing for ${silenceMs} ms`, { mayBeBilled: true }));
    }, silenceMs);
  }

  abort(reason: BackendFailure): void {
    this.#cancel();
    this.#controller.abort(reason);
  }

  done(): void {
    this.#cancel();
  }
}
