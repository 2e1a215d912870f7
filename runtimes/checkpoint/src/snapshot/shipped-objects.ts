import type { Logger } from "@bellwether/service-kit";
import type { Copy } from "../copies/copy.ts";
import { copyFaultOf, snapshotFaultOf } from "../copies/faults.ts";
import type { Envelope } from "../format/envelope.ts";
import type { SoundObjects } from "./sound-objects.ts";
import { readBackDiffers } from "./sound-objects.ts";

/** What was shipped to all copies together, opened and checked; what no copy has unharmed is as if it were not there. */
export class ShippedObjects {
  readonly #copies: readonly Copy[];
  readonly #objects: Pick<SoundObjects, "read">;
  readonly #log: Logger;

  constructor(copies: readonly Copy[], { objects, log }: { readonly objects: Pick<SoundObjects, "read">; readonly log: Logger }) {
    this.#copies = copies;
    this.#objects = objects;
    this.#log = log;
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string }> {
    const keys = new Set<string>();
    for (const copy of this.#copies) {
      try {
        for await (const { key } of copy.list(prefix)) keys.add(key);
      } catch (error) {
        const fault = copyFaultOf(error);
        if (!fault) throw error;
        this.#log.warn({ copy: copy.name, ...fault }, "what was shipped to this copy cannot be listed");
      }
    }
    for (const key of keys) yield { key };
  }

  async get(key: string): Promise<Buffer | undefined> {
    try {
      return await this.#objects.read(key);
    } catch (error) {
      this.#log.warn({ key, ...snapshotFaultOf(error) }, "a shipped segment cannot be read");
      return undefined;
    }
  }
}

/** Seals what is shipped to a copy, and counts it as shipped once it has been read back. */
export function shippingTarget(
  copy: Copy,
  envelope: Envelope,
): { readonly name: string; put(key: string, bytes: Buffer): Promise<void> } {
  return {
    name: copy.name,
    async put(key, bytes) {
      const sealed = await envelope.seal(key, bytes);
      await copy.put(key, sealed, { ifAbsent: false });
      const back = await copy.get(key);
      if (!back?.equals(sealed)) throw readBackDiffers(copy, key);
    },
  };
}
