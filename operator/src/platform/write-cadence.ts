import type { Clock } from "@bellwether/service-kit";

/** When live figures of an object may be written again: at most once in an interval, and at once the first time. */
export class WriteCadence {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #writtenMs = new Map<string, number>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** 0 when they are due. */
  dueInMs(uid: string): number {
    const writtenMs = this.#writtenMs.get(uid);
    return writtenMs === undefined ? 0 : Math.max(0, writtenMs + this.#intervalMs - this.#clock.nowMs());
  }

  wrote(uid: string): void {
    this.#writtenMs.set(uid, this.#clock.nowMs());
  }

  forget(uid: string): void {
    this.#writtenMs.delete(uid);
  }
}
