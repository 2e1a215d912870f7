import type { FailPoints as FailPointsOf } from "@bellwether/service-kit";

export { killingFailPoints, noFailPoints } from "@bellwether/service-kit";

/** The places a crash is tried at, in the order a decision passes them; docs/journal.md draws them. */
export const failPointNames = [
  /** Judged and written, not committed: nothing of it may be seen again. */
  "before-journal-commit",
  /** Committed, nothing signed: the approvals of this epoch never leave. */
  "after-journal-commit",
  /** Signed, no byte has left. */
  "before-send",
  /** The broker has answered; risk has not taken it in. */
  "after-send",
  /** Everything is done; the agent has not been told. */
  "before-reply",
] as const;
export type FailPointName = (typeof failPointNames)[number];

/** Unnamed steps, for generated histories: every write transaction passes all of them. */
export const stepNames = ["transaction-begins", "transaction-commits", "transaction-committed"] as const;
export type StepName = (typeof stepNames)[number];

export type FailPoints = FailPointsOf<FailPointName | StepName>;

export function isFailPointName(name: string): name is FailPointName {
  return (failPointNames as readonly string[]).includes(name);
}
