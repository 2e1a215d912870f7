/** Conditions of the standard form (`metav1.Condition`). */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** CamelCase, for programs. */
  readonly reason: string;
  /** A sentence, for people. */
  readonly message: string;
  readonly observedGeneration?: number;
  /** When `status` changed last; RFC 3339, whole seconds. */
  readonly lastTransitionTime: string;
}

export type DesiredCondition = Omit<Condition, "lastTransitionTime">;

/** API conventions: at most 32,768 characters; we stop much earlier. */
const maxMessageLength = 1024;

/**
 * Conditions to write: `lastTransitionTime` moves only when the status did. (Written anew at each reconcile it makes every
 * status differ, and the operator reconciles its own writes for ever.) Sorted by type, so that their order never differs.
 * Live conditions that are no longer desired are dropped.
 */
export function mergeConditions(
  live: readonly Condition[] | undefined,
  desired: readonly DesiredCondition[],
  nowMs: number,
): Condition[] {
  const now = rfc3339(nowMs);
  return desired
    .map((condition): Condition => {
      const before = live?.find(({ type }) => type === condition.type);
      const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
      return { ...condition, message: condition.message.slice(0, maxMessageLength), lastTransitionTime };
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1));
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** metav1.Time has whole seconds. */
export function rfc3339(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime, of Lease and Event. */
export function rfc3339Micro(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 23)}000Z`;
}
