import { messageOf } from "@bellwether/service-kit";
import type { Copy } from "../copies/copy.ts";
import { checkpointError } from "../errors.ts";
import type { Envelope } from "../format/envelope.ts";
import type { ShippedJournal } from "./replay.ts";
import type { ShippingTarget } from "./shipper.ts";

/** A copy as a target of shipping: a segment is sealed like every object, and counts once it has been read back. */
export function sealedTarget(copy: Copy, envelope: Envelope): ShippingTarget {
  return {
    name: copy.name,
    async put(key, bytes) {
      const sealed = await envelope.seal(key, bytes);
      await copy.put(key, sealed, { ifAbsent: false });
      const stored = await copy.get(key);
      if (stored?.equals(sealed) === true) return;
      throw checkpointError("COPY_READ_BACK_DIFFERS", `${copy.name}: ${key} does not come back as it was written`, {
        context: { copy: copy.name, key },
      });
    },
  };
}

/** The segments of all copies as one journal: each is taken from the first copy that has it unharmed; a copy that is away is passed over. */
export function sealedJournal(copies: readonly Copy[], envelope: Envelope): ShippedJournal {
  return {
    async *list(prefix) {
      const seen = new Set<string>();
      const faults: unknown[] = [];
      for (const copy of copies) {
        try {
          for await (const { key } of copy.list(prefix)) {
            if (seen.has(key)) continue;
            seen.add(key);
            yield { key };
          }
        } catch (error) {
          faults.push(error);
        }
      }
      // Where nobody can say what was shipped, "nothing" would be a guess.
      if (faults.length === copies.length && faults.length > 0) throw faults[0];
    },
    get: (key) => firstSound(copies, envelope, key),
  };
}

async function firstSound(copies: readonly Copy[], envelope: Envelope, key: string): Promise<Buffer | undefined> {
  const faults: string[] = [];
  for (const copy of copies) {
    try {
      const sealed = await copy.get(key);
      if (sealed) return await envelope.open(key, sealed);
    } catch (error) {
      faults.push(`${copy.name}: ${messageOf(error)}`);
    }
  }
  if (faults.length > 0) throw checkpointError("CONTENT_LOST", `${key}: ${faults.join("; ")}`, { context: { key } });
  return undefined;
}
