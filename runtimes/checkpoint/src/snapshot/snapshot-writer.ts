import { createHash } from "node:crypto";
import type { CopyIdentity } from "../copies/copy.ts";
import { type CopyFault, snapshotFaultOf } from "../copies/faults.ts";
import { checkpointError } from "../errors.ts";
import { chunksOf } from "../format/chunker.ts";
import type { Envelope } from "../format/envelope.ts";
import { type Manifest, type ManifestFile, encodeManifest, isFilePath, mostChunks, mostFiles } from "../format/manifest.ts";
import { chunkKey, manifestKey, parseManifestKey } from "../format/object-keys.ts";
import type { Captured, Source, SourceFile } from "../source.ts";
import { BoundedWork } from "./bounded-work.ts";
import { listManifests, readManifest } from "./catalogue.ts";
import { type CopySession, type RunParts, withSessions } from "./copy-session.ts";
import { SoundObjects } from "./sound-objects.ts";

export interface SnapshotParts extends Omit<RunParts, "owner"> {
  readonly sources: readonly Source[];
  /** Whose uid owns the run. */
  readonly checkpoint: Manifest["checkpoint"];
  /** Told now and then how much of the state has been read, in bytes. */
  readonly onProgress?: (bytes: number) => void;
}

export interface CopyOutcome {
  readonly name: string;
  readonly state: "Verified" | "Failed" | "Unreachable";
  readonly fault?: CopyFault;
  readonly identity?: CopyIdentity;
  readonly storedBytes: number;
  /** Chunks that were there, damaged, and were rebuilt. */
  readonly mended: number;
}

export interface SnapshotOutcome {
  /** Undefined when no copy has it: then nothing was made. */
  readonly id: string | undefined;
  readonly takenAtMs: number;
  readonly sequence: number;
  readonly bytes: number;
  readonly chunks: number;
  readonly sources: readonly { readonly name: string; readonly bytes: number; readonly absent?: string }[];
  readonly copies: readonly CopyOutcome[];
  readonly warnings: readonly CopyFault[];
}

/** Plain bytes of the chunks under way: sealed, read back and held for each copy they are some five times as much. */
const mostInFlightBytes = 8 * 1024 * 1024;
/** A snapshot that takes longer is given up: its chunks could be collected. */
const holdMs = 2 * 3_600_000;

/**
 * Takes a snapshot: captures all sources, writes what is new to all copies side by side, reads every chunk back from every copy, and last of all writes
 * the manifest to those copies that have all of it. A crash at any step leaves the snapshots before it as they were, and chunks that a later prune collects.
 *
 * @throws CodedError COPIES_BUSY, SNAPSHOT_OVERDUE, SNAPSHOT_TOO_LARGE, SOURCE_INVALID, or what a source threw; what a copy says is in the outcome
 */
export function takeSnapshot(parts: SnapshotParts, signal: AbortSignal): Promise<SnapshotOutcome> {
  const { envelope, clock, checkpoint } = parts;
  return withSessions({ ...parts, owner: checkpoint.uid }, { kind: "snapshot", holdMs }, async (sessions) => {
    const before = await predecessor(parts, sessions);
    const opened = await openAll(parts.sources, signal);
    try {
      shutOutSources(sessions, opened);
      const takenAtMs = Math.max(clock.nowMs(), before.takenAtMs + 1);
      const writer = new StateWriter(parts, sessions, signal);
      const sources = await writer.write(opened);
      const { sequence, previous } = before;
      const bytes = sources.reduce((sum, source) => sum + bytesOf(source), 0);
      const manifest: Manifest = { format: 1, checkpoint, sequence, takenAtMs, previous, sources, bytes };
      const id = await storeManifest(manifest, envelope, sessions);
      return outcome({ id, manifest, sessions, warnings: before.warnings, chunks: writer.chunks });
    } finally {
      await closeAll(opened);
    }
  });
}

interface Predecessor {
  readonly previous: string | null;
  readonly takenAtMs: number;
  readonly sequence: number;
  readonly warnings: readonly CopyFault[];
}

/** The newest manifest of all copies that can be read: an unreadable one is passed over here, for a new snapshot is what is needed most then. */
async function predecessor({ envelope, clock }: SnapshotParts, sessions: readonly CopySession[]): Promise<Predecessor> {
  const copies = sessions.filter(({ alive }) => alive).map(({ copy }) => copy);
  const { entries } = await listManifests(copies);
  const objects = new SoundObjects({ copies, envelope, clock, heal: true });
  const [newest] = entries;
  if (!newest) return { previous: null, takenAtMs: 0, sequence: 1, warnings: [] };
  const warnings: CopyFault[] = [];
  if (newest.takenAtMs > clock.nowMs()) {
    const message = `the newest snapshot is of ${new Date(newest.takenAtMs).toISOString()}, this clock says ${new Date(clock.nowMs()).toISOString()}`;
    warnings.push({ code: "CLOCK_BEHIND", message });
  }
  for (const entry of entries) {
    try {
      const { sequence } = await readManifest(objects, entry);
      return { previous: entry.key, takenAtMs: newest.takenAtMs, sequence: sequence + 1, warnings };
    } catch (error) {
      warnings.push(snapshotFaultOf(error));
    }
  }
  return { previous: null, takenAtMs: newest.takenAtMs, sequence: 1, warnings };
}

async function openAll(sources: readonly Source[], signal: AbortSignal): Promise<Opened[]> {
  const opened: Opened[] = [];
  try {
    for (const source of sources) {
      const state = await source.open(signal);
      opened.push("because" in state ? { name: source.name, absent: state.because } : { name: source.name, captured: state });
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

type Opened = { readonly name: Source["name"] } & ({ readonly captured: Captured } | { readonly absent: string });

async function closeAll(opened: readonly Opened[]): Promise<void> {
  for (const source of opened) if ("captured" in source) await source.captured.close();
}

/** A copy on the server that the state comes from is lost together with it. */
function shutOutSources(sessions: readonly CopySession[], opened: readonly Opened[]): void {
  const servers = opened.flatMap((source) => ("captured" in source ? [source.captured.position["systemIdentifier"]] : []));
  for (const session of sessions) {
    const server = session.identity?.systemIdentifier;
    if (server === undefined || !servers.includes(server)) continue;
    session.fault ??= { code: "COPY_IS_SOURCE", message: `${session.copy.name} is on the server that the state is taken from` };
  }
}

/** Reads the sources and stores their chunks. */
class StateWriter {
  readonly #parts: SnapshotParts;
  readonly #sessions: readonly CopySession[];
  readonly #signal: AbortSignal;
  readonly #work = new BoundedWork(mostInFlightBytes);
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(parts: SnapshotParts, sessions: readonly CopySession[], signal: AbortSignal) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#signal = signal;
  }

  get chunks(): number {
    return this.#seen.size;
  }

  async write(opened: readonly Opened[]): Promise<Manifest["sources"]> {
    const sources: Manifest["sources"] = [];
    for (const source of opened) {
      if ("absent" in source) sources.push(source);
      else sources.push({ name: source.name, position: source.captured.position, files: await this.#files(source.captured) });
    }
    await this.#work.end();
    return sources;
  }

  async #files(captured: Captured): Promise<ManifestFile[]> {
    const files: ManifestFile[] = [];
    const paths = new Set<string>();
    for await (const file of captured.files()) {
      if (!isFilePath(file.path) || paths.has(file.path)) {
        throw checkpointError("SOURCE_INVALID", `a source gave ${file.path}, which is no path or was given before`);
      }
      if (paths.size >= mostFiles) throw checkpointError("SNAPSHOT_TOO_LARGE", `a source has more than ${mostFiles} files`);
      paths.add(file.path);
      files.push(await this.#file(file));
    }
    return files;
  }

  async #file({ path, content }: SourceFile): Promise<ManifestFile> {
    const { envelope, onProgress } = this.#parts;
    const whole = createHash("sha256");
    const chunks: ManifestFile["chunks"] = [];
    let bytes = 0;
    for await (const chunk of chunksOf(content, envelope.gear)) {
      this.#signal.throwIfAborted();
      whole.update(chunk);
      bytes += chunk.length;
      const id = envelope.contentId(chunk);
      chunks.push({ id, bytes: chunk.length });
      onProgress?.((this.#bytes += chunk.length));
      if (!this.#isNew(id)) continue;
      await this.#work.add(chunk.length, () => this.#store(id, chunk));
    }
    return { path, bytes, sha256: whole.digest("hex"), chunks };
  }

  #isNew(id: string): boolean {
    if (this.#seen.has(id)) return false;
    if (this.#seen.size >= mostChunks)
      throw checkpointError("SNAPSHOT_TOO_LARGE", `the state has more than ${mostChunks} chunks`);
    this.#seen.add(id);
    return true;
  }

  async #store(id: string, chunk: Buffer): Promise<void> {
    const key = chunkKey(id);
    if (!this.#sessions.some(({ alive }) => alive)) return;
    const sealed = await this.#parts.envelope.seal(key, chunk);
    await Promise.all(this.#sessions.map((session) => session.storeChunk(key, sealed, id)));
  }
}

/** @returns the snapshot's id; undefined when no copy took part to the end */
async function storeManifest(
  manifest: Manifest,
  envelope: Envelope,
  sessions: readonly CopySession[],
): Promise<string | undefined> {
  const content = encodeManifest(manifest);
  const key = manifestKey(manifest.takenAtMs, envelope.contentId(content));
  const sealed = await envelope.seal(key, content);
  await Promise.all(
    sessions.map(async (session) => {
      await session.attempt(async () => {
        if (!(await session.stillHeld())) throw overdue(session);
      });
      await session.storeManifest(key, sealed);
    }),
  );
  return sessions.some(({ alive }) => alive) ? parseManifestKey(key)?.id : undefined;
}

function overdue({ copy }: CopySession): Error {
  return checkpointError("SNAPSHOT_OVERDUE", `the lock on ${copy.name} ran out or was taken over while the snapshot was taken`);
}

function bytesOf(source: Manifest["sources"][number]): number {
  return "files" in source ? source.files.reduce((sum, { bytes }) => sum + bytes, 0) : 0;
}

interface Made {
  readonly id: string | undefined;
  readonly manifest: Manifest;
  readonly sessions: readonly CopySession[];
  readonly warnings: readonly CopyFault[];
  readonly chunks: number;
}

function outcome({ id, manifest, sessions, warnings, chunks }: Made): SnapshotOutcome {
  const { takenAtMs, sequence, bytes } = manifest;
  const sources = manifest.sources.map((source) => ({
    name: source.name,
    bytes: bytesOf(source),
    ...("absent" in source && { absent: source.absent }),
  }));
  return { id, takenAtMs, sequence, bytes, chunks, sources, copies: sessions.map(copyOutcome), warnings };
}

function copyOutcome({ copy, fault, identity, storedBytes, mended }: CopySession): CopyOutcome {
  const state = fault === undefined ? "Verified" : fault.code === "COPY_UNREACHABLE" ? "Unreachable" : "Failed";
  return { name: copy.name, state, ...(fault && { fault }), ...(identity && { identity }), storedBytes, mended };
}
