import type { Copy } from "../copies/copy.ts";
import { type CopyFault, objectFaultOf, snapshotFaultOf } from "../copies/faults.ts";
import { type Fork, forksOf } from "../format/chain.ts";
import { type Manifest, chunksNamed } from "../format/manifest.ts";
import { chunkKey, isOurs } from "../format/object-keys.ts";
import { BoundedWork } from "../snapshot/bounded-work.ts";
import { type CatalogueEntry, listManifests, readManifest } from "../snapshot/catalogue.ts";
import { type CopySession, type RunParts, withSessions } from "../snapshot/copy-session.ts";
import { SoundObjects, rebuild } from "../snapshot/sound-objects.ts";

/** One part of all chunks, chosen by their ids: parts 0 to `of` − 1 together are everything. `{ part: 0, of: 1 }` is all. */
export interface Share {
  readonly part: number;
  readonly of: number;
}

export interface VerifyParts extends RunParts {
  readonly share: Share;
  readonly onProgress?: (chunks: number) => void;
}

export interface VerifiedCopy {
  readonly name: string;
  /** Verified: it holds the newest snapshot whole, and what was read of it was sound or is now. */
  readonly state: "Verified" | "Failed" | "Unreachable";
  readonly fault?: CopyFault;
  readonly checked: number;
  readonly damaged: number;
  readonly missing: number;
  readonly rebuilt: number;
  /** Objects that are none of ours; they are left alone. */
  readonly foreign: number;
}

export interface VerifyOutcome {
  readonly snapshots: number;
  /** The newest snapshot that can be read, and how many copies hold it whole. */
  readonly newest: string | undefined;
  readonly verifiedCopies: number;
  readonly copies: readonly VerifiedCopy[];
  /** Snapshots that no copy, nor all together, can give back, with why. */
  readonly lost: readonly { readonly id: string; readonly fault: CopyFault }[];
  readonly forks: readonly Fork[];
}

/** Heaviest chunks of all copies under way at once; what is compared is held for each copy. */
const chunksAtOnce = 2;
const holdMs = 6 * 3_600_000;
const mostTold = 100;

/**
 * Reads every manifest and a share of all chunks from every copy, and makes whole what is not: the damaged is put aside and rebuilt, the missing is brought,
 * each from a copy that has it sound; manifests last, so that none names what is not there.
 *
 * @throws CodedError COPIES_BUSY; what a copy says is in the outcome
 */
export function verifyCopies(parts: VerifyParts, signal: AbortSignal): Promise<VerifyOutcome> {
  return withSessions(parts, { kind: "verify", holdMs }, async (sessions) => {
    const states = sessions.map((session) => new CopyState(session));
    await Promise.all(states.map((state) => state.countForeign()));
    return new Verification(parts, states, signal).run();
  });
}

class CopyState {
  readonly session: CopySession;
  checked = 0;
  damaged = 0;
  missing = 0;
  rebuilt = 0;
  foreign = 0;
  /** Chunks that are not there, or not sound, and could not be brought. */
  readonly wanting = new Set<string>();
  /** Keys of manifests of which the same is true. */
  readonly lacking = new Set<string>();

  constructor(session: CopySession) {
    this.session = session;
  }

  countForeign(): Promise<void> {
    return this.session.attempt(async () => {
      for await (const { key } of this.session.copy.list("")) if (!isOurs(key)) this.foreign += 1;
    });
  }
}

interface ReadSnapshot {
  readonly entry: CatalogueEntry;
  readonly manifest: Manifest;
}

class Verification {
  readonly #parts: VerifyParts;
  readonly #states: readonly CopyState[];
  readonly #signal: AbortSignal;
  readonly #objects: SoundObjects;
  #done = 0;

  constructor(parts: VerifyParts, states: readonly CopyState[], signal: AbortSignal) {
    this.#parts = parts;
    this.#states = states;
    this.#signal = signal;
    const copies = states.filter(({ session }) => session.alive).map(({ session }) => session.copy);
    this.#objects = new SoundObjects({ copies, envelope: parts.envelope, clock: parts.clock, heal: true });
  }

  async run(): Promise<VerifyOutcome> {
    const alive = this.#states.filter(({ session }) => session.alive).map(({ session }) => session.copy);
    const { entries } = await listManifests(alive);
    const { read, lost } = await this.#readManifests(entries);
    const named = new Set(read.flatMap(({ manifest }) => [...chunksNamed(manifest).keys()]));
    await this.#checkChunks(named);
    for (const { entry, manifest } of read) await this.#bringManifest(entry, manifest);
    const wanting = this.#wantingEverywhere(named);
    const broken = read.filter(({ manifest }) => [...chunksNamed(manifest).keys()].some((id) => wanting.has(id)));
    const lostChunks = broken.map(({ entry }) => ({ id: entry.id, fault: lostFault(entry.id) }));
    const newest = read[0];
    const copies = this.#states.map((state) => verifiedCopy(state, newest));
    return {
      snapshots: entries.length,
      newest: newest?.entry.id,
      verifiedCopies: newest ? copies.filter(({ state }) => state === "Verified").length : 0,
      copies,
      lost: [...lost, ...lostChunks].slice(0, mostTold),
      forks: forksOf(read.map(({ entry, manifest }) => ({ key: entry.key, previous: manifest.previous }))),
    };
  }

  async #readManifests(
    entries: readonly CatalogueEntry[],
  ): Promise<{ read: ReadSnapshot[]; lost: { id: string; fault: CopyFault }[] }> {
    const read: ReadSnapshot[] = [];
    const lost: { id: string; fault: CopyFault }[] = [];
    for (const entry of entries) {
      this.#signal.throwIfAborted();
      // Each copy's own, not only the first that has it: the damaged one is found, and rebuilt from the others.
      await Promise.all(this.#states.map((state) => this.#checkManifest(state, entry)));
      try {
        read.push({ entry, manifest: await readManifest(this.#objects, entry) });
      } catch (error) {
        lost.push({ id: entry.id, fault: snapshotFaultOf(error) });
      }
    }
    return { read, lost };
  }

  async #checkManifest(state: CopyState, { key, contentId, on }: CatalogueEntry): Promise<void> {
    const { session } = state;
    if (!on.includes(session.copy.name)) return;
    await session.attempt(async () => {
      const found = await this.#inspect(state, key, contentId);
      if (found.sound || !found.bytes) return;
      const sound = await this.#soundBytes(key, contentId, session.copy);
      if (sound) await this.#rebuild(state, key, { bytes: found.bytes, sound });
      else state.lacking.add(key);
    });
  }

  async #checkChunks(named: ReadonlySet<string>): Promise<void> {
    const work = new BoundedWork(chunksAtOnce);
    for (const id of [...named].toSorted()) {
      this.#signal.throwIfAborted();
      await work.add(1, () => this.#checkChunk(id));
    }
    await work.end();
  }

  async #checkChunk(id: string): Promise<void> {
    const key = chunkKey(id);
    const inShare = isInShare(id, this.#parts.share);
    await Promise.all(
      this.#states.map((state) =>
        state.session.attempt(async () => {
          const listed = state.session.chunks.has(key);
          if (listed && !inShare) return;
          const found = listed ? await this.#inspect(state, key, id) : { sound: false, bytes: undefined };
          if (found.sound) return;
          if (!found.bytes) state.missing += 1;
          const sound = await this.#soundBytes(key, id, state.session.copy);
          if (sound) await this.#rebuild(state, key, { bytes: found.bytes, sound });
          else state.wanting.add(id);
        }),
      ),
    );
    this.#parts.onProgress?.((this.#done += 1));
  }

  async #inspect(state: CopyState, key: string, contentId: string): Promise<{ sound: boolean; bytes: Buffer | undefined }> {
    const bytes = await state.session.copy.get(key);
    if (!bytes) return { sound: false, bytes };
    state.checked += 1;
    try {
      await this.#parts.envelope.open(key, bytes, contentId);
      return { sound: true, bytes };
    } catch (error) {
      objectFaultOf(error);
      state.damaged += 1;
      return { sound: false, bytes };
    }
  }

  /** The object as another copy has it, once it has been found sound. */
  async #soundBytes(key: string, contentId: string, except: Copy): Promise<Buffer | undefined> {
    for (const { session } of this.#states) {
      if (session.copy === except || !session.alive) continue;
      try {
        const bytes = await session.copy.get(key);
        if (!bytes) continue;
        await this.#parts.envelope.open(key, bytes, contentId);
        return bytes;
      } catch (error) {
        // What is wrong with that copy is found, and told, when its own turn comes.
        objectFaultOf(error);
      }
    }
    return undefined;
  }

  async #rebuild(state: CopyState, key: string, { bytes, sound }: { bytes: Buffer | undefined; sound: Buffer }): Promise<void> {
    await rebuild(state.session.copy, { key, bytes, sound, nowMs: this.#parts.clock.nowMs() });
    state.rebuilt += 1;
  }

  async #bringManifest({ key, contentId, on }: CatalogueEntry, manifest: Manifest): Promise<void> {
    const named = [...chunksNamed(manifest).keys()];
    for (const state of this.#states) {
      const { session, wanting } = state;
      if (on.includes(session.copy.name)) continue;
      state.missing += 1;
      state.lacking.add(key);
      if (named.some((id) => wanting.has(id))) continue;
      await session.attempt(async () => {
        const sound = await this.#soundBytes(key, contentId, session.copy);
        if (!sound) return;
        state.lacking.delete(key);
        await this.#rebuild(state, key, { bytes: undefined, sound });
      });
    }
  }

  /** What a copy that did not answer may still have is not lost. */
  #wantingEverywhere(named: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#states.some(({ session }) => !session.alive)) return new Set();
    return new Set([...named].filter((id) => this.#states.every(({ wanting }) => wanting.has(id))));
  }
}

function isInShare(id: string, { part, of }: Share): boolean {
  return Number.parseInt(id.slice(0, 8), 16) % of === part;
}

function lostFault(id: string): CopyFault {
  return { code: "CONTENT_LOST", message: `${id} names chunks that no copy has unharmed` };
}

function verifiedCopy(state: CopyState, newest: ReadSnapshot | undefined): VerifiedCopy {
  const { session, checked, damaged, missing, rebuilt, foreign, wanting, lacking } = state;
  const whole =
    newest !== undefined &&
    !lacking.has(newest.entry.key) &&
    ![...chunksNamed(newest.manifest).keys()].some((id) => wanting.has(id));
  const fault = session.fault ?? (whole || !newest ? undefined : lostFault(newest.entry.id));
  const name = fault?.code === "COPY_UNREACHABLE" ? "Unreachable" : fault ? "Failed" : "Verified";
  return { name: session.copy.name, state: name, ...(fault && { fault }), checked, damaged, missing, rebuilt, foreign };
}
