import type { Clock } from "@bellwether/service-kit/clock";
import type { Copy, CopyIdentity, StoredObject } from "../copies/copy.ts";
import { type CopyFault, copyFaultOf, objectFaultOf } from "../copies/faults.ts";
import type { Envelope } from "../format/envelope.ts";
import { chunkIdOf, prefixes } from "../format/object-keys.ts";
import { CopyLock, type Lock, type LockRequest } from "./lock.ts";
import { readBackDiffers, rebuild } from "./sound-objects.ts";

export interface ListedChunk extends StoredObject {
  readonly id: string;
}

interface Parts {
  readonly envelope: Envelope;
  readonly nowMs: () => number;
}

/**
 * What one run does to one copy. The first thing the copy refuses ends its part in the run; the others go on, and whoever started the run learns what was
 * said.
 */
export class CopySession {
  readonly copy: Copy;
  readonly #parts: Parts;
  readonly #lock: CopyLock;
  /** Those that stood there at the beginning, by key; and those that were stored since. */
  readonly chunks = new Map<string, ListedChunk>();
  #held: Lock | undefined;
  identity: CopyIdentity | undefined;
  fault: CopyFault | undefined;
  /** Bytes that were stored anew, as they are stored. */
  storedBytes = 0;
  mended = 0;

  constructor(copy: Copy, parts: Parts) {
    this.copy = copy;
    this.#parts = parts;
    this.#lock = new CopyLock(copy, { envelope: parts.envelope, clock: { nowMs: parts.nowMs } });
  }

  get alive(): boolean {
    return this.fault === undefined;
  }

  /** Does `work` unless the copy has failed before; a copy's own fault is kept, anything else goes on to the caller. */
  async attempt(work: () => Promise<void>): Promise<void> {
    if (!this.alive) return;
    try {
      await work();
    } catch (error) {
      this.fault ??= copyFaultOf(error);
      if (!this.fault) throw error;
    }
  }

  /** Takes the lock and learns which chunks are there. @throws CodedError COPIES_BUSY */
  begin(request: LockRequest): Promise<void> {
    return this.attempt(async () => {
      this.identity = await this.copy.identity();
      this.#held = await this.#lock.take(request);
      for await (const object of this.copy.list(prefixes.chunks)) {
        const id = chunkIdOf(object.key);
        if (id !== undefined) this.chunks.set(object.key, { id, ...object });
      }
    });
  }

  /** What the copy's clock said at the beginning, epoch milliseconds. */
  get copyNowMs(): number {
    return this.#lock.copyNowMs;
  }

  /** @returns false when the lock has run out, or a later run of the same owner has taken it over */
  async stillHeld(): Promise<boolean> {
    return this.#held !== undefined && (await this.#lock.holds(this.#held));
  }

  /** Lets the lock go, also on a copy that has failed in between; where that fails too it runs out by itself. */
  async end(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    try {
      await this.#lock.release(held);
    } catch (error) {
      const fault = copyFaultOf(error);
      if (!fault) throw error;
      this.fault ??= fault;
    }
  }

  /** Sees to it that the chunk stands there and comes back as it should: what is known to be there is read too, and rebuilt when it is damaged. */
  storeChunk(key: string, sealed: Buffer, contentId: string): Promise<void> {
    return this.attempt(async () => {
      if (this.chunks.has(key) && (await this.#standsSound(key, sealed, contentId))) return;
      await this.#write(key, sealed, false);
      this.chunks.set(key, { key, id: contentId, bytes: sealed.length, modifiedMs: this.copyNowMs });
    });
  }

  /** All chunks must have been stored: from here on the snapshot can be chosen. */
  storeManifest(key: string, sealed: Buffer): Promise<void> {
    return this.attempt(() => this.#write(key, sealed, true));
  }

  async #write(key: string, sealed: Buffer, ifAbsent: boolean): Promise<void> {
    if (await this.copy.put(key, sealed, { ifAbsent })) this.storedBytes += sealed.length;
    const back = await this.copy.get(key);
    if (!back?.equals(sealed)) throw readBackDiffers(this.copy, key);
  }

  async #standsSound(key: string, sealed: Buffer, contentId: string): Promise<boolean> {
    const found = await this.copy.get(key);
    if (!found) return false;
    // The same content sealed by another version of zstd has other bytes, and is as good.
    if (found.equals(sealed)) return true;
    try {
      await this.#parts.envelope.open(key, found, contentId);
      return true;
    } catch (error) {
      objectFaultOf(error);
      await rebuild(this.copy, { key, bytes: found, sound: sealed, nowMs: this.#parts.nowMs() });
      this.mended += 1;
      this.storedBytes += sealed.length;
      return true;
    }
  }
}

/** What every run over the copies is given. */
export interface RunParts {
  readonly copies: readonly Copy[];
  readonly envelope: Envelope;
  readonly clock: Pick<Clock, "nowMs">;
  /** The Checkpoint's uid, and this run among its runs. */
  readonly owner: string;
  readonly run: string;
}

/**
 * Takes the locks of all copies for one run, and gives them back whatever comes of it.
 *
 * @throws CodedError COPIES_BUSY, or what `work` threw; what a copy says is in its session
 */
export async function withSessions<T>(
  { copies, envelope, clock, owner, run }: RunParts,
  lock: Pick<LockRequest, "kind" | "holdMs">,
  work: (sessions: readonly CopySession[]) => Promise<T>,
): Promise<T> {
  const sessions = copies.map((copy) => new CopySession(copy, { envelope, nowMs: () => clock.nowMs() }));
  try {
    await Promise.all(sessions.map((session) => session.begin({ ...lock, owner, run })));
    return await work(sessions);
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
}
