const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const weekMs = 7 * dayMs;
/** 1 January 1970 was a Thursday; weeks begin on Monday. */
const mondayOffsetMs = 3 * dayMs;

export interface Retention {
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
}

export interface Kept {
  readonly key: string;
  /** Epoch milliseconds. */
  readonly takenAtMs: number;
}

export interface RetentionPlan<Snapshot extends Kept> {
  /** Newest first. */
  readonly keep: readonly Snapshot[];
  readonly remove: readonly Snapshot[];
}

/**
 * Grandfather, father, son: of the latest `hourly` hours that have a snapshot the newest in each, and the same for days and weeks (UTC, from Monday). The
 * newest of all always stays, whatever the numbers say; so does what is dated in the future, for a clock that was wrong must not cost a state.
 */
export function planRetention<Snapshot extends Kept>(
  snapshots: readonly Snapshot[],
  retention: Retention,
  nowMs: number,
): RetentionPlan<Snapshot> {
  const newestFirst = snapshots.toSorted((a, b) => b.takenAtMs - a.takenAtMs || b.key.localeCompare(a.key));
  const keep = new Set(newestFirst.filter(({ takenAtMs }, index) => index === 0 || takenAtMs > nowMs));
  const spans = [
    { most: retention.hourly, of: (timeMs: number) => Math.floor(timeMs / hourMs) },
    { most: retention.daily, of: (timeMs: number) => Math.floor(timeMs / dayMs) },
    { most: retention.weekly, of: (timeMs: number) => Math.floor((timeMs + mondayOffsetMs) / weekMs) },
  ];
  for (const { most, of } of spans) {
    const seen = new Set<number>();
    for (const snapshot of newestFirst) {
      const span = of(snapshot.takenAtMs);
      if (seen.has(span)) continue;
      if (seen.size >= most) break;
      seen.add(span);
      keep.add(snapshot);
    }
  }
  return {
    keep: newestFirst.filter((snapshot) => keep.has(snapshot)),
    remove: newestFirst.filter((snapshot) => !keep.has(snapshot)),
  };
}

export interface OrphanFacts {
  /** Chunks as the copy lists them. */
  readonly chunks: readonly { readonly key: string; readonly id: string; readonly modifiedMs: number }[];
  /** Ids of every chunk that a manifest of any copy names, those that retention removes now left out. */
  readonly named: ReadonlySet<string>;
  /** By the clock of the copy: its newest object's time, or this machine's, whichever is earlier. */
  readonly nowMs: number;
  readonly graceMs: number;
}

export type OrphanPlan =
  | { readonly collect: readonly string[] }
  | { readonly collect: readonly []; readonly because: "SNAPSHOT_RUNNING" | "COPY_UNKNOWN" | "MANIFEST_UNREADABLE" };

/** What stands in the way of collecting anything at all. */
export interface Obstacles {
  /** A snapshot is being taken: its manifest is not there yet, and it names chunks. */
  readonly snapshotRunning: boolean;
  /** A copy does not answer: nobody knows what its manifests name. */
  readonly copyUnknown: boolean;
  /** A manifest cannot be read on any copy: nobody knows what it names. */
  readonly manifestUnreadable: boolean;
}

/** Chunks that nothing needs: named by no manifest of any copy, and older than any snapshot that could be about to name them. */
export function planOrphans(facts: OrphanFacts, obstacles: Obstacles): OrphanPlan {
  if (obstacles.snapshotRunning) return { collect: [], because: "SNAPSHOT_RUNNING" };
  if (obstacles.copyUnknown) return { collect: [], because: "COPY_UNKNOWN" };
  if (obstacles.manifestUnreadable) return { collect: [], because: "MANIFEST_UNREADABLE" };
  const { chunks, named, nowMs, graceMs } = facts;
  return {
    collect: chunks.filter(({ id, modifiedMs }) => !named.has(id) && modifiedMs + graceMs < nowMs).map(({ key }) => key),
  };
}
