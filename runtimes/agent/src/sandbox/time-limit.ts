import type { Cancel, Clock } from "@bellwether/service-kit/clock";

export interface TimeLimitOptions {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Called once, when the time is over. */
  readonly onOver: () => void;
}

/** A limit of wall time that can stand still: what has passed before a pause still counts after it. */
export class TimeLimit {
  readonly #options: TimeLimitOptions;
  #leftMs: number;
  /** Wall time since when it runs; undefined while it stands still. */
  #sinceMs: number | undefined;
  #cancel: Cancel = () => undefined;

  /** It stands still until `resume` is called. */
  constructor(options: TimeLimitOptions) {
    this.#options = options;
    this.#leftMs = options.limitMs;
  }

  /** All of the time is there again. */
  renew(): void {
    const runs = this.#sinceMs !== undefined;
    this.pause();
    this.#leftMs = this.#options.limitMs;
    if (runs) this.resume();
  }

  pause(): void {
    if (this.#sinceMs === undefined) return;
    this.#cancel();
    this.#leftMs = Math.max(0, this.#leftMs - (this.#options.clock.nowMs() - this.#sinceMs));
    this.#sinceMs = undefined;
  }

  resume(): void {
    if (this.#sinceMs !== undefined) return;
    const { clock, onOver } = this.#options;
    this.#sinceMs = clock.nowMs();
    this.#cancel = clock.setTimeout(onOver, this.#leftMs);
  }
}
