import type { Clock } from "@bellwether/service-kit";
import { WatchedFile } from "../watched-file.ts";
import { BackendFailure } from "./failure.ts";

/** A mounted key; read again when the file has changed, as it does when a Secret is rotated. */
export class KeyFile {
  readonly #file: WatchedFile<string>;

  /** `onKey` hears of every key there ever was: what shows up in a text from then on is taken out of it. */
  constructor(file: string, { clock, onKey }: { clock: Pick<Clock, "nowMs">; onKey: (key: string) => void }) {
    const parse = (text: string): string => {
      const key = text.trim();
      if (key !== "") onKey(key);
      return key;
    };
    this.#file = new WatchedFile(file, { clock, parse });
  }

  /** @throws BackendFailure MODEL_KEY_MISSING */
  read(): string {
    const key = this.#file.value();
    if (key !== undefined && key !== "") return key;
    throw new BackendFailure("MODEL_KEY_MISSING", "the file with the model's key is missing or empty", { mayBeBilled: false });
  }
}
