import type { FailPoints as FailPointsOf } from "@bellwether/service-kit";

export { killingFailPoints, noFailPoints } from "@bellwether/service-kit";

/** The places a crash is tried at, in the order an order passes them; README.md draws them. */
export const failPointNames = [
  /** Approval verified, nothing recorded. */
  "before-about-to-send",
  /** Committed in Postgres, not yet in the send log. */
  "after-about-to-send",
  /** In the send log, too; no byte has left. */
  "before-venue-send",
  /** Solana: the signed bytes are stored in both places; none has left. */
  "after-signed-stored",
  /** The venue has accepted durably; its answer has not arrived. */
  "after-venue-accept",
  /** The answer is here and not recorded. */
  "after-venue-reply",
  /** The venue has executed; the fill is not recorded. */
  "before-journal-fill",
  "after-journal-fill",
  "before-tombstone",
  "after-tombstone",
  /** All is recorded; the caller has not been told. */
  "before-reply",
] as const;

export type FailPointName = (typeof failPointNames)[number];
/** Unnamed steps, for generated histories: every transaction and every append passes some of them. */
export type StepName = "transaction-begins" | "transaction-commits" | "transaction-committed" | "append-begins" | "append-synced";

export type FailPoints = FailPointsOf<FailPointName | StepName>;

export function isFailPointName(name: string): name is FailPointName {
  return (failPointNames as readonly string[]).includes(name);
}
