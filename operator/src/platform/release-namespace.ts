/** What an operator does last when its own namespace is being deleted. */
import type { KubernetesClient, KubernetesObject, Resource, Stored } from "@bellwether/kubernetes";
import { type Logger, messageOf } from "@bellwether/service-kit";
import { ORDERS_FINALIZER } from "../strategy/finalizer.ts";
import { STRATEGIES_FINALIZER } from "../risk-policy/finalizer.ts";
import { namespaces, riskPolicies, strategies } from "./resources.ts";

/**
 * Takes our finalizers off everything in the operator's own namespace when that namespace is being deleted: its pods go first, so nobody
 * would be left to release what waits for us, and the namespace would hang in Terminating for ever. Risk and brokers go with it.
 *
 * Never throws: it is the last thing a process does, and what it cannot do somebody can by hand (docs/troubleshooting).
 */
export async function releaseNamespace({
  client,
  namespace,
  log,
}: {
  client: KubernetesClient;
  namespace: string;
  log: Logger;
}): Promise<void> {
  try {
    const own = await client.get(namespaces, { name: namespace });
    if (own?.metadata.deletionTimestamp === undefined) return;
    await releaseAll(client, { resource: strategies, namespace, finalizer: ORDERS_FINALIZER });
    await releaseAll(client, { resource: riskPolicies, namespace, finalizer: STRATEGIES_FINALIZER });
    log.info({ namespace }, "the namespace is being deleted: finalizers are released");
  } catch (error) {
    log.warn({ err: error, namespace }, `finalizers could not be released: ${messageOf(error)}`);
  }
}

async function releaseAll<T extends KubernetesObject>(
  client: KubernetesClient,
  { resource, namespace, finalizer }: { resource: Resource<T>; namespace: string; finalizer: string },
): Promise<void> {
  const { items } = await client.list(resource, { namespace });
  for (const { metadata } of items as readonly Stored<KubernetesObject>[]) {
    const finalizers = metadata.finalizers?.filter((name) => name !== finalizer) ?? [];
    if (finalizers.length === (metadata.finalizers?.length ?? 0)) continue;
    await client.patch(resource, { ref: { namespace, name: metadata.name }, patch: { metadata: { finalizers } } });
  }
}
