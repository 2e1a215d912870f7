/** LlmRoutes are specified and not acted on yet; their status says so, so that nobody waits for one. */
import type { LlmRoute } from "@bellwether/crds";
import type { Outcome } from "@bellwether/kubernetes";
import { type NotReconciledDependencies, notReconciled } from "../not-reconciled.ts";

export function llmRouteReconciler(dependencies: NotReconciledDependencies<LlmRoute>): (key: string) => Promise<Outcome> {
  return notReconciled(dependencies);
}
