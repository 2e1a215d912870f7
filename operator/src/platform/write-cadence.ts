import type { Clock } from "@bellwether/service-kit";

/** How an object's status is made and written. */
export interface StatusWork<Status> {
  readonly uid: string;
  /** `figuresDue` false: live figures stay as they were written last. */
  readonly statusOf: (figuresDue: boolean) => Status;
  /** Whether `write` would write it. */
  readonly differs: (next: Status) => boolean;
  /** Resolves with whether anything differed. */
  readonly write: (next: Status) => Promise<boolean>;
  readonly hasFigures: (status: Status) => boolean;
  /** None were ever written: they are due, whatever was written of an earlier object. */
  readonly isFirst?: boolean;
}

/** When live figures of an object may be written again: at most once in an interval, and at once the first time. */
export class WriteCadence {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #writtenMs = new Map<string, number>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /**
   * Writes a status: with its live figures where they are due, and where something else is written anyway: who reads that a strategy has been paused
   * shall not read a position beside it that was sold since.
   *
   * @returns milliseconds until figures that were held back are due
   */
  async write<Status>(work: StatusWork<Status>): Promise<number | undefined> {
    const { uid, statusOf, differs, write, hasFigures, isFirst = false } = work;
    const dueInMs = isFirst ? 0 : this.dueInMs(uid);
    const next = statusOf(true);
    if (dueInMs > 0) {
      const still = statusOf(false);
      if (!differs(still)) return JSON.stringify(next) === JSON.stringify(still) ? undefined : dueInMs;
    }
    if ((await write(next)) && hasFigures(next)) this.#writtenMs.set(uid, this.#clock.nowMs());
    return undefined;
  }

  /** 0 when they are due. */
  dueInMs(uid: string): number {
    const writtenMs = this.#writtenMs.get(uid);
    return writtenMs === undefined ? 0 : Math.max(0, writtenMs + this.#intervalMs - this.#clock.nowMs());
  }

  forget(uid: string): void {
    this.#writtenMs.delete(uid);
  }
}
