/** What is known of one RPC endpoint. Times are wall time. */
export interface SourceHistory {
  /** Its place in the configuration, never its address: providers put keys into addresses. */
  readonly name: string;
  readonly cluster: "not-asked" | "right" | "wrong";
  /** Newest processed slot it has told. */
  readonly slot?: number;
  /** When its slot last rose. */
  readonly advancedAtMs?: number;
  /** When it last answered. */
  readonly answeredAtMs?: number;
}

export type SourceVerdict =
  | { readonly name: string; readonly healthy: true; readonly slot: number }
  | { readonly name: string; readonly healthy: false; readonly reason: "NotAskedYet" | "WrongCluster" }
  | { readonly name: string; readonly healthy: false; readonly reason: "Unreachable"; readonly forMs: number }
  | {
      readonly name: string;
      readonly healthy: false;
      readonly reason: "NoSlotProgress";
      readonly forMs: number;
      readonly slot: number;
    }
  | { readonly name: string; readonly healthy: false; readonly reason: "Behind"; readonly slots: number; readonly slot: number };

export interface SourceLimits {
  /** Without an answer, or without a new slot, for longer than this a source counts as stale. */
  readonly staleAfterMs: number;
  /** Behind the best source by more than this. */
  readonly maxSlotsBehind: number;
}

/** Stale within 6 s of the last new slot, found out by asking every second: well below the 10 s that are promised. A slot takes 0.4 s. */
export const sourceLimits: SourceLimits = { staleAfterMs: 6_000, maxSlotsBehind: 25 };

/**
 * Which sources to believe: pure. What an endpoint says of its own health counts for nothing (a frozen one says "ok"); only whether its slot rises, and how far
 * it is from the others.
 */
export function judgeSources(
  histories: readonly SourceHistory[],
  nowMs: number,
  limits: SourceLimits = sourceLimits,
): readonly SourceVerdict[] {
  const alone = histories.map((history) => judgeAlone(history, nowMs, limits));
  const best = bestSlot(alone.flatMap((verdict) => (verdict.healthy ? [verdict.slot] : [])));
  return alone.map((verdict) => {
    if (!verdict.healthy || best === undefined || best - verdict.slot <= limits.maxSlotsBehind) return verdict;
    return { name: verdict.name, healthy: false, reason: "Behind", slots: best - verdict.slot, slot: verdict.slot };
  });
}

function judgeAlone(history: SourceHistory, nowMs: number, { staleAfterMs }: SourceLimits): SourceVerdict {
  const { name, cluster, slot, advancedAtMs, answeredAtMs } = history;
  if (cluster === "wrong") return { name, healthy: false, reason: "WrongCluster" };
  if (cluster === "not-asked" || slot === undefined || advancedAtMs === undefined || answeredAtMs === undefined)
    return { name, healthy: false, reason: "NotAskedYet" };
  if (nowMs - answeredAtMs > staleAfterMs) return { name, healthy: false, reason: "Unreachable", forMs: nowMs - answeredAtMs };
  if (nowMs - advancedAtMs > staleAfterMs)
    return { name, healthy: false, reason: "NoSlotProgress", forMs: nowMs - advancedAtMs, slot };
  return { name, healthy: true, slot };
}

/** With three or more, the second highest: one source that runs ahead of the world must not make all others look late. */
function bestSlot(slots: readonly number[]): number | undefined {
  const sorted = slots.toSorted((left, right) => right - left);
  return sorted.length >= 3 ? sorted[1] : sorted[0];
}

/** A source's history after it has told its newest slot. One that goes back (a fork, another node behind the address) has not advanced. */
export function withSlot(history: SourceHistory, slot: number, nowMs: number): SourceHistory {
  const advanced = history.slot === undefined || slot > history.slot;
  return {
    ...history,
    answeredAtMs: nowMs,
    ...(advanced ? { slot, advancedAtMs: nowMs } : {}),
  };
}

/** A verdict as a sentence, for conditions and health. */
export function sayVerdict(verdict: SourceVerdict): string {
  if (verdict.healthy) return `${verdict.name} is at slot ${verdict.slot}`;
  switch (verdict.reason) {
    case "NotAskedYet":
      return `${verdict.name} has not answered yet`;
    case "WrongCluster":
      return `${verdict.name} is of another cluster: its genesis hash is not the configured one`;
    case "Unreachable":
      return `${verdict.name} has not answered for ${seconds(verdict.forMs)} s`;
    case "NoSlotProgress":
      return `${verdict.name} stands still at slot ${verdict.slot} for ${seconds(verdict.forMs)} s`;
    case "Behind":
      return `${verdict.name} is ${verdict.slots} slots behind`;
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
