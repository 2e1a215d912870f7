/** Checkpoints are specified and not acted on yet; their status says so, so that nobody waits for one. */
import type { Checkpoint } from "@bellwether/crds";
import type { Outcome } from "@bellwether/kubernetes";
import { type NotReconciledDependencies, notReconciled } from "../not-reconciled.ts";

export function checkpointReconciler(dependencies: NotReconciledDependencies<Checkpoint>): (key: string) => Promise<Outcome> {
  return notReconciled(dependencies);
}
