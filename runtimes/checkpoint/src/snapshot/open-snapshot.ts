import type { Clock } from "@bellwether/service-kit/clock";
import type { Copy } from "../copies/copy.ts";
import { copyFaultOf, snapshotFaultOf } from "../copies/faults.ts";
import { checkpointError } from "../errors.ts";
import type { Envelope } from "../format/envelope.ts";
import { chunksNamed } from "../format/manifest.ts";
import { chunkIdOf, prefixes } from "../format/object-keys.ts";
import { listManifests } from "./catalogue.ts";
import { type Candidate, type Skipped, chooseNewest } from "./choose.ts";
import { SnapshotReader } from "./snapshot-reader.ts";
import { SoundObjects } from "./sound-objects.ts";

export interface OpenParts {
  /** In the order they are read from. */
  readonly copies: readonly Copy[];
  readonly envelope: Envelope;
  readonly clock: Pick<Clock, "nowMs">;
}

export interface Opened {
  readonly snapshot: SnapshotReader;
  /** What was found damaged while it is read grows in here. */
  readonly objects: SoundObjects;
  /** Newer snapshots that cannot be used, newest first. */
  readonly skipped: readonly Skipped[];
}

/**
 * Opens the newest snapshot that all copies together can give back whole, or the one of the given id.
 *
 * @throws CodedError SNAPSHOT_NOT_FOUND, which says what stands in the way of each
 */
export async function openSnapshot(parts: OpenParts, id?: string): Promise<Opened> {
  const objects = new SoundObjects({ ...parts, heal: true });
  const { entries, unknown } = await listManifests(parts.copies);
  const standing = await chunksOnAnyCopy(parts.copies);
  const candidates: Candidate[] = [];
  const wanted = entries.filter((entry) => id === undefined || entry.id === id);
  for (const entry of wanted) {
    try {
      const snapshot = await SnapshotReader.open(entry, objects);
      const missingChunks = [...chunksNamed(snapshot.manifest).keys()].filter((chunk) => !standing.has(chunk)).length;
      candidates.push({ ...entry, found: { readable: true, missingChunks } });
      const { key, skipped } = chooseNewest(candidates);
      if (key !== undefined) return { snapshot, objects, skipped };
    } catch (error) {
      candidates.push({ ...entry, found: { readable: false, ...snapshotFaultOf(error) } });
    }
  }
  const { skipped } = chooseNewest(candidates);
  const reasons = [...skipped, ...unknown.map((fault) => ({ id: fault.copy, ...fault }))];
  throw notFound(id, reasons);
}

async function chunksOnAnyCopy(copies: readonly Copy[]): Promise<ReadonlySet<string>> {
  const standing = new Set<string>();
  for (const copy of copies) {
    try {
      for await (const { key } of copy.list(prefixes.chunks)) {
        const id = chunkIdOf(key);
        if (id !== undefined) standing.add(id);
      }
    } catch (error) {
      if (!copyFaultOf(error)) throw error;
    }
  }
  return standing;
}

const mostReasons = 5;

function notFound(id: string | undefined, reasons: readonly { readonly id: string; readonly message: string }[]): Error {
  const what = id === undefined ? "no copy holds a snapshot that can be restored" : `no copy holds the snapshot ${id} whole`;
  const each = reasons.slice(0, mostReasons).map((reason) => `${reason.id}: ${reason.message}`);
  return checkpointError("SNAPSHOT_NOT_FOUND", each.length > 0 ? `${what}: ${each.join("; ")}` : what, { context: { id } });
}
