import type { Condition as StoredCondition } from "@bellwether/crds";
import { type Condition, mergeConditions } from "@bellwether/kubernetes";

/** A condition as a plan decides it: without times, which only the change from what is stored can give (`mergeConditions`). */
export interface Draft {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  /** One sentence for people. No figure that moves by itself belongs here: every change of it is a write. */
  readonly message: string;
}

/** The reason a table shows: of the first condition that does not hold, in the order in which they depend on one another. */
export function firstReason(drafts: readonly Draft[]): string | undefined {
  return drafts.find(({ status }) => status !== "True")?.reason;
}

/** The stored form: `lastTransitionTime` moves only when `status` does. */
export function conditionsOf(
  drafts: readonly Draft[],
  previous: readonly StoredCondition[] | undefined,
  at: { generation: number; nowMs: number },
): Condition[] {
  const desired = drafts.map((draft) => ({ ...draft, observedGeneration: at.generation }));
  return mergeConditions(previous as readonly Condition[] | undefined, desired, at.nowMs);
}
