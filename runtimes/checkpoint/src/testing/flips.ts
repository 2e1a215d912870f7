import { hasCode } from "@bellwether/service-kit/coded-error";
import { type Random, seededRandom } from "@bellwether/service-kit/random";
import type { OpenedSnapshot } from "../source.ts";
import { GivenCheckpoint } from "./given-checkpoint.ts";
import { givenSource } from "./given-source.ts";
import { MemoryCopy } from "./memory-copy.ts";
import { dumpLike, randomBytes } from "./random-bytes.ts";

export interface FlipsResult {
  readonly tried: number;
  /** Refused by a code of the registry. */
  readonly detected: number;
  /** Pieces handed out that were not what had been captured. */
  readonly handedOut: number;
  /** Times the other copies gave back the state whole, and the damaged object was rebuilt as it had been. */
  readonly healed: number;
  /** Objects that the damages were spread over. */
  readonly objects: number;
}

const files: Readonly<Record<string, Buffer>> = {
  "journal/intents.copy": dumpLike(6_000, seededRandom(1)),
  "journal/verdicts.copy": randomBytes(3_000, seededRandom(2)),
  "journal/one-byte.copy": Buffer.from("1"),
  "journal/folds/positions.copy": dumpLike(900, seededRandom(3)),
};

/**
 * Damages one object of a snapshot at a time, by one flipped bit or a cut, uniform over every stored object, and restores all of it: from that copy alone, which
 * must be refused, and every so often from three copies, which must give it back.
 *
 * @param key the encryption key; null: not encrypted
 */
export async function tryFlips({
  count,
  random,
  key,
}: {
  count: number;
  random: Random;
  key: Buffer | null;
}): Promise<FlipsResult> {
  const checkpoint = new GivenCheckpoint({ key });
  const copies = [new MemoryCopy("disk"), new MemoryCopy("bucket"), new MemoryCopy("database")] as const;
  const [damaged] = copies;
  await checkpoint.snapshot(copies, [givenSource("Journal", files)]);
  const keys = damaged.keys();
  const result = { tried: 0, detected: 0, handedOut: 0, healed: 0, objects: keys.length };
  for (; result.tried < count; result.tried++) {
    const at = keys[Math.floor(random.next() * keys.length)] ?? "";
    const sound = (await damaged.get(at)) ?? Buffer.alloc(0);
    damaged.damage(at, (bytes) => damagedBytes(bytes, random));
    const alone = await restored(() => checkpoint.open([damaged]));
    result.detected += alone.refused ? 1 : 0;
    result.handedOut += alone.wrong;
    if (result.tried % healedEvery === 0) {
      const together = await restored(() => checkpoint.open(copies));
      const rebuilt = (await damaged.get(at))?.equals(sound) ?? false;
      result.handedOut += together.wrong;
      result.healed += !together.refused && rebuilt ? 1 : 0;
      for (const aside of damaged.keys("quarantine/")) await damaged.delete(aside);
    }
    damaged.damage(at, () => sound);
  }
  return result;
}

/** Of so many damages one is healed as well. */
export const healedEvery = 10;

function damagedBytes(bytes: Buffer, random: Random): Buffer {
  if (random.next() < 0.5) return bytes.subarray(0, Math.floor(random.next() * bytes.length));
  const bit = Math.floor(random.next() * bytes.length * 8);
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return bytes;
}

async function restored(open: () => Promise<OpenedSnapshot>): Promise<{ refused: boolean; wrong: number }> {
  let wrong = 0;
  try {
    const snapshot = await open();
    for await (const { path, content } of snapshot.files("Journal")) {
      let at = 0;
      for await (const piece of content) {
        const expected = files[path]?.subarray(at, (at += piece.length));
        if (!expected?.equals(piece)) wrong += 1;
      }
    }
    return { refused: false, wrong };
  } catch (error) {
    if (hasCode(error)) return { refused: true, wrong };
    throw error;
  }
}
