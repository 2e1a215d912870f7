import { type KubernetesClient, type Outcome, isKubernetesError, refOf, requeueAfter } from "@bellwether/kubernetes";
import { namespaces } from "./resources.ts";

const lookAgainMs = 2_000;

/**
 * In a namespace that is being deleted nothing can be created any more, and what is there goes by itself: not an error to repeat with noise, but
 * something to wait for. A finalizer is still released, because that is a change and no creation.
 */
export function calmInTerminatingNamespaces(
  client: Pick<KubernetesClient, "get">,
  reconcile: (key: string) => Promise<Outcome>,
): (key: string) => Promise<Outcome> {
  return async (key) => {
    try {
      return await reconcile(key);
    } catch (error) {
      const { namespace } = refOf(key);
      if (!isKubernetesError(error, "FORBIDDEN") || namespace === undefined) throw error;
      const found = await client.get(namespaces, { name: namespace });
      if (found && found.metadata.deletionTimestamp === undefined) throw error;
      return requeueAfter(lookAgainMs);
    }
  };
}
