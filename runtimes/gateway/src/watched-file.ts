import { readFileSync, statSync } from "node:fs";
import { type Clock, messageOf } from "@bellwether/service-kit";

const lookAgainAfterMs = 2_000;

/** A mounted file; looked at when it is asked for, at most every two seconds, and read again when it has changed. */
export class WatchedFile<T> {
  readonly #file: string;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #parse: (text: string) => T;
  #value: T | undefined;
  #fault: string | undefined;
  #stamp = "";
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(file: string, parts: { clock: Pick<Clock, "nowMs">; parse: (text: string) => T }) {
    this.#file = file;
    this.#clock = parts.clock;
    this.#parse = parts.parse;
  }

  /** What could be read of it last; undefined when it never could. */
  value(): T | undefined {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lookedMs >= lookAgainAfterMs) {
      this.#lookedMs = nowMs;
      this.#look();
    }
    return this.#value;
  }

  /** Why the file as it is now cannot be used. */
  fault(): string | undefined {
    this.value();
    return this.#fault;
  }

  #look(): void {
    try {
      const { mtimeMs, size, ino } = statSync(this.#file);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (stamp === this.#stamp) return;
      this.#value = this.#parse(readFileSync(this.#file, "utf8"));
      this.#stamp = stamp;
      this.#fault = undefined;
    } catch (error) {
      // A volume being swapped, or a file that is not there: what is in hand holds until there is better, and the next look tries again.
      this.#stamp = "";
      this.#fault = messageOf(error);
    }
  }
}
