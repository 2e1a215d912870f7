import type { Clock } from "@bellwether/service-kit/clock";
import type { Copy } from "../copies/copy.ts";
import { type CopyFault, copyFaultOf, objectFaultOf } from "../copies/faults.ts";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";
import type { Envelope } from "../format/envelope.ts";
import { compactTime, prefixes } from "../format/object-keys.ts";

/** An object that was found damaged on a copy, and what became of it. */
export interface Damage extends CopyFault {
  readonly copy: string;
  readonly key: string;
  /** The damaged bytes were put aside and sound ones, from another copy, stand in their place. */
  readonly rebuilt: boolean;
}

export interface SoundObjectsOptions {
  /** In the order they are asked. */
  readonly copies: readonly Copy[];
  readonly envelope: Envelope;
  readonly clock: Pick<Clock, "nowMs">;
  /** Rebuild what is damaged from a copy that is not. */
  readonly heal: boolean;
}

/** As many as are worth telling; the rest is counted. */
const mostDamagesTold = 1_000;
/** A copy that does not answer as often in a row is not asked again: each time would take until its time-out. */
const mostFailuresInRow = 3;

/** Reads objects from whichever copy has them sound; no byte is handed out unchecked, and what is found damaged is rebuilt at once. */
export class SoundObjects {
  readonly #options: SoundObjectsOptions;
  readonly #failures = new Map<Copy, number>();
  readonly damages: Damage[] = [];
  damaged = 0;

  constructor(options: SoundObjectsOptions) {
    this.#options = options;
  }

  /**
   * @param contentId what the content must be named; undefined for objects that are not named by it
   * @throws CodedError CONTENT_LOST when no copy has it sound; KEY_UNKNOWN, FORMAT_NEWER or a copy's code when that is all there is to say
   */
  async read(key: string, contentId?: string): Promise<Buffer> {
    const faults: { copy: Copy; fault: CopyFault; bytes?: Buffer }[] = [];
    for (const copy of this.#options.copies) {
      if ((this.#failures.get(copy) ?? 0) >= mostFailuresInRow) continue;
      const bytes = await this.#fetch(copy, key, (fault) => faults.push({ copy, fault }));
      if (!bytes) continue;
      try {
        const content = await this.#options.envelope.open(key, bytes, contentId);
        for (const damage of faults) if (damage.bytes) await this.#mend(key, damage.copy, { ...damage, sound: bytes });
        return content;
      } catch (error) {
        faults.push({ copy, fault: objectFaultOf(error), bytes });
      }
    }
    for (const { copy, fault, bytes } of faults) if (bytes) this.#tell({ ...fault, copy: copy.name, key, rebuilt: false });
    throw lost(key, faults);
  }

  async #fetch(copy: Copy, key: string, failed: (fault: CopyFault) => void): Promise<Buffer | undefined> {
    try {
      const bytes = await copy.get(key);
      this.#failures.set(copy, 0);
      return bytes;
    } catch (error) {
      const fault = objectFaultOf(error);
      if (fault.code.startsWith("COPY_")) this.#failures.set(copy, (this.#failures.get(copy) ?? 0) + 1);
      failed(fault);
      return undefined;
    }
  }

  async #mend(key: string, copy: Copy, found: { fault: CopyFault; bytes?: Buffer; sound: Buffer }): Promise<void> {
    const { fault, bytes, sound } = found;
    const rebuilt = this.#options.heal && bytes !== undefined && (await this.#rebuilt(copy, key, { bytes, sound }));
    this.#tell({ ...fault, copy: copy.name, key, rebuilt });
  }

  /** The copy may be read-only or full: then what could be read is handed out all the same, and the damage told. */
  async #rebuilt(copy: Copy, key: string, { bytes, sound }: { bytes: Buffer; sound: Buffer }): Promise<boolean> {
    try {
      await rebuild(copy, { key, bytes, sound, nowMs: this.#options.clock.nowMs() });
      return true;
    } catch (error) {
      if (copyFaultOf(error)) return false;
      throw error;
    }
  }

  #tell(damage: Damage): void {
    this.damaged += 1;
    if (this.damages.length < mostDamagesTold) this.damages.push(damage);
  }
}

interface Rebuilding {
  readonly key: string;
  /** What stands there now; put aside before it is replaced. Undefined: nothing. */
  readonly bytes: Buffer | undefined;
  readonly sound: Buffer;
  readonly nowMs: number;
}

/** Puts what is damaged aside, then sound bytes in its place, and reads them back. @throws CodedError of the copy, COPY_READ_BACK_DIFFERS */
export async function rebuild(copy: Copy, { key, bytes, sound, nowMs }: Rebuilding): Promise<void> {
  if (bytes) {
    const aside = `${prefixes.quarantine}${compactTime(nowMs)}-${key.replaceAll("/", "_")}`;
    await copy.put(aside, bytes, { ifAbsent: true });
  }
  await copy.put(key, sound, { ifAbsent: false });
  const back = await copy.get(key);
  if (!back?.equals(sound)) throw readBackDiffers(copy, key);
}

export function readBackDiffers(copy: Copy, key: string): Error {
  const message = `${key} was written to ${copy.name} and does not come back as it was written`;
  return checkpointError("COPY_READ_BACK_DIFFERS", message, { context: { copy: copy.name, key } });
}

function lost(key: string, faults: readonly { copy: Copy; fault: CopyFault }[]): Error {
  const codes = new Set(faults.map(({ fault }) => fault.code));
  const [only] = codes;
  const code: CheckpointErrorCode = codes.size === 1 && only !== undefined && !damageCodes.has(only) ? only : "CONTENT_LOST";
  const each = faults.map(({ copy, fault }) => `${copy.name}: ${fault.message}`);
  const message = each.length > 0 ? `no copy has ${key} unharmed: ${each.join("; ")}` : `no copy has ${key}`;
  return checkpointError(code, message, { context: { key } });
}

/** Of the object itself: another copy might have helped, and none did. */
const damageCodes = new Set<CheckpointErrorCode>(["OBJECT_CORRUPT", "OBJECT_TOO_LARGE"]);
