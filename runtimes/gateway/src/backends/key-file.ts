import { readFileSync, statSync } from "node:fs";
import type { Clock } from "@bellwether/service-kit";
import { BackendFailure } from "./failure.ts";

const lookAgainAfterMs = 2_000;

/** A mounted key; read again when the file has changed, as it does when a Secret is rotated. */
export class KeyFile {
  readonly #file: string;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #onKey: (key: string) => void;
  #key = "";
  #stamp = "";
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** `onKey` hears of every key there ever was: what shows up in a text from then on is taken out of it. */
  constructor(file: string, parts: { clock: Pick<Clock, "nowMs">; onKey: (key: string) => void }) {
    this.#file = file;
    this.#clock = parts.clock;
    this.#onKey = parts.onKey;
  }

  /** @throws BackendFailure MODEL_KEY_MISSING */
  read(): string {
    this.#look();
    if (this.#key !== "") return this.#key;
    throw new BackendFailure("MODEL_KEY_MISSING", "the file with the model's key is missing or empty", { mayBeBilled: false });
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lookedMs < lookAgainAfterMs) return;
    this.#lookedMs = nowMs;
    try {
      const { mtimeMs, size, ino } = statSync(this.#file);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (stamp === this.#stamp) return;
      this.#key = readFileSync(this.#file, "utf8").trim();
      this.#stamp = stamp;
      if (this.#key !== "") this.#onKey(this.#key);
    } catch {
      // A Secret being swapped, or one that is not there: the key in hand is good until it is refused, and without one `read` says what is missing.
      this.#stamp = "";
    }
  }
}
