import { type CopyFault, snapshotFaultOf } from "../copies/faults.ts";
import { checkpointError } from "../errors.ts";
import { chunksNamed } from "../format/manifest.ts";
import { prefixes } from "../format/object-keys.ts";
import { type CatalogueEntry, listManifests, readManifest } from "../snapshot/catalogue.ts";
import { type CopySession, type RunParts, withSessions } from "../snapshot/copy-session.ts";
import { SoundObjects } from "../snapshot/sound-objects.ts";
import { type OrphanPlan, type Retention, planOrphans, planRetention } from "./plan.ts";

export interface PruneParts extends RunParts {
  readonly retention: Retention;
  /** Chunks younger than this are never collected, milliseconds. */
  readonly graceMs: number;
}

export interface PrunedCopy {
  readonly name: string;
  readonly fault?: CopyFault;
  readonly chunks: number;
  /** Of the shipped journal: what the oldest snapshot that stays already holds. */
  readonly segments: number;
  /** Quarantined objects and half-written files of long ago. */
  readonly leftovers: number;
}

export interface PruneOutcome {
  readonly kept: readonly string[];
  readonly removed: readonly string[];
  readonly copies: readonly PrunedCopy[];
  /** Why no chunk was collected; undefined: those that nothing needs were. */
  readonly postponed?: string;
  /** Manifests that no copy can give back. */
  readonly unreadable: readonly { readonly id: string; readonly fault: CopyFault }[];
}

const holdMs = 3_600_000;
/** Between two looks at whether the lock is still ours. */
const deletionsBetweenLooks = 20;
const quarantineMs = 30 * 24 * 3_600_000;

/**
 * Removes the snapshots that retention no longer wants, then the chunks that nothing names any more. Manifests go first: a crash in between leaves chunks
 * that the next run collects, never a manifest without its chunks.
 *
 * @throws CodedError COPIES_BUSY; what a copy says is in the outcome
 */
export function pruneCopies(parts: PruneParts, signal: AbortSignal): Promise<PruneOutcome> {
  return withSessions(parts, { kind: "prune", holdMs }, (sessions) => {
    const pruned = sessions.map((session) => new PruneSession(session));
    return prune(parts, pruned, signal);
  });
}

class PruneSession {
  readonly session: CopySession;
  chunks = 0;
  segments = 0;
  leftovers = 0;

  constructor(session: CopySession) {
    this.session = session;
  }

  /** @throws CodedError COPIES_BUSY when the lock is no longer ours: somebody may be about to name what would be deleted */
  async deleteAll(keys: readonly string[], signal: AbortSignal): Promise<number> {
    let deleted = 0;
    const { session } = this;
    await session.attempt(async () => {
      for (const key of keys) {
        if (deleted % deletionsBetweenLooks === 0 && !(await session.stillHeld())) {
          throw checkpointError("COPIES_BUSY", `the lock on ${session.copy.name} ran out or was taken over while it was pruned`);
        }
        signal.throwIfAborted();
        await session.copy.delete(key);
        deleted += 1;
      }
    });
    return deleted;
  }
}

async function prune(parts: PruneParts, sessions: readonly PruneSession[], signal: AbortSignal): Promise<PruneOutcome> {
  const before = await catalogueOf(parts, sessions);
  const { keep, remove } = planRetention(before.entries, parts.retention, parts.clock.nowMs());
  // What stays must be worth staying: with nothing readable among it, the last readable snapshot may be among what would go.
  const anyReadable = keep.some(({ key }) => before.readable.has(key));
  const removed = anyReadable ? remove : [];
  for (const each of sessions) {
    const name = each.session.copy.name;
    const keys = removed.filter(({ on }) => on.includes(name)).map(({ key }) => key);
    await each.deleteAll(keys, signal);
  }
  const after = await catalogueOf(parts, sessions);
  const obstacles = {
    snapshotRunning: !(await allHeld(sessions)),
    copyUnknown: sessions.some(({ session }) => !session.alive),
    manifestUnreadable: after.unreadable.length > 0,
  };
  const oldestMs = Math.min(...after.entries.map(({ takenAtMs }) => takenAtMs)) - parts.graceMs;
  let postponed: string | undefined;
  for (const each of sessions) {
    const plan = orphansOf(parts, each.session, { named: after.named, obstacles });
    if ("because" in plan) postponed = plan.because;
    each.chunks = await each.deleteAll(plan.collect, signal);
    if (!("because" in plan)) each.segments = await each.deleteAll(await oldSegments(each.session, oldestMs), signal);
    await sweep(each, parts, signal);
  }
  return {
    kept: after.entries.map(({ id }) => id),
    removed: removed.map(({ id }) => id),
    copies: sessions.map(({ session: { copy, fault }, chunks, segments, leftovers }) => ({
      name: copy.name,
      ...(fault && { fault }),
      chunks,
      segments,
      leftovers,
    })),
    ...(postponed !== undefined && { postponed }),
    unreadable: after.unreadable,
  };
}

/** Others' snapshots keep this run from beginning; one of our own that has begun since has taken the lock over. */
async function allHeld(sessions: readonly PruneSession[]): Promise<boolean> {
  let held = true;
  for (const { session } of sessions) {
    await session.attempt(async () => {
      held &&= await session.stillHeld();
    });
  }
  return held;
}

interface ReadCatalogue {
  readonly entries: readonly CatalogueEntry[];
  /** Ids of chunks that any of them names. */
  readonly named: ReadonlySet<string>;
  /** Keys of those that could be read. */
  readonly readable: ReadonlySet<string>;
  readonly unreadable: readonly { readonly id: string; readonly fault: CopyFault }[];
}

async function catalogueOf({ envelope, clock }: PruneParts, sessions: readonly PruneSession[]): Promise<ReadCatalogue> {
  const alive = sessions.filter(({ session }) => session.alive);
  const copies = alive.map(({ session }) => session.copy);
  const { entries, unknown } = await listManifests(copies);
  for (const { session } of alive) session.fault ??= unknown.find(({ copy }) => copy === session.copy.name);
  const objects = new SoundObjects({ copies, envelope, clock, heal: true });
  const named = new Set<string>();
  const readable = new Set<string>();
  const unreadable: { id: string; fault: CopyFault }[] = [];
  for (const entry of entries) {
    try {
      for (const id of chunksNamed(await readManifest(objects, entry)).keys()) named.add(id);
      readable.add(entry.key);
    } catch (error) {
      unreadable.push({ id: entry.id, fault: snapshotFaultOf(error) });
    }
  }
  return { entries, named, readable, unreadable };
}

function orphansOf(
  { clock, graceMs }: PruneParts,
  session: CopySession,
  { named, obstacles }: { named: ReadonlySet<string>; obstacles: Parameters<typeof planOrphans>[1] },
): OrphanPlan {
  const nowMs = Math.min(clock.nowMs(), session.copyNowMs);
  return planOrphans({ chunks: [...session.chunks.values()], named, nowMs, graceMs }, obstacles);
}

/** Segments shipped before the oldest snapshot was taken; with no snapshot there is none that they could be replayed on, and all stay. */
async function oldSegments(session: CopySession, oldestMs: number): Promise<string[]> {
  const old: string[] = [];
  if (!Number.isFinite(oldestMs)) return old;
  await session.attempt(async () => {
    for await (const { key, modifiedMs } of session.copy.list(prefixes.journal)) if (modifiedMs < oldestMs) old.push(key);
  });
  return old;
}

/** Quarantined objects are kept for who wants to know what happened, not for ever. */
async function sweep(each: PruneSession, { clock, graceMs }: PruneParts, signal: AbortSignal): Promise<void> {
  const { session } = each;
  const nowMs = Math.min(clock.nowMs(), session.copyNowMs);
  const old: string[] = [];
  await session.attempt(async () => {
    for await (const { key, modifiedMs } of session.copy.list(prefixes.quarantine))
      if (modifiedMs + quarantineMs < nowMs) old.push(key);
    each.leftovers += await session.copy.sweep(nowMs - graceMs);
  });
  each.leftovers += await each.deleteAll(old, signal);
}
