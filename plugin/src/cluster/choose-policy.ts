import { PluginError } from "../errors.ts";
import type { Cluster, StoredPolicy, StoredStrategy } from "./cluster.ts";

/**
 * The policy that is meant: the named one, or the only one there is.
 *
 * @throws PluginError POLICY_NOT_FOUND, POLICY_AMBIGUOUS
 */
export function choosePolicy(
  policies: readonly StoredPolicy[],
  { name, namespace }: { name: string | undefined; namespace: string },
): StoredPolicy {
  const names = policies.map(({ metadata }) => metadata.name).sort();
  if (name !== undefined) {
    const found = policies.find(({ metadata }) => metadata.name === name);
    if (found) return found;
    const there = names.length === 0 ? "there is none" : `there are: ${names.join(", ")}`;
    throw new PluginError("POLICY_NOT_FOUND", `no RiskPolicy '${name}' in namespace ${namespace}; ${there}`, {
      next: "kubectl get riskpolicies --all-namespaces",
    });
  }
  const [only, ...others] = policies;
  if (only && others.length === 0) return only;
  if (!only) {
    throw new PluginError("POLICY_NOT_FOUND", `namespace ${namespace} has no RiskPolicy`, {
      next: "kubectl get riskpolicies --all-namespaces",
    });
  }
  throw new PluginError(
    "POLICY_AMBIGUOUS",
    `namespace ${namespace} has ${names.length} RiskPolicies; name one of ${names.join(", ")}`,
  );
}

/** The policy that a strategy trades under. @throws PluginError STRATEGY_NOT_FOUND */
export function policyOfStrategy(
  strategies: readonly StoredStrategy[],
  { name, namespace }: { name: string; namespace: string },
): string {
  const found = strategies.find(({ metadata }) => metadata.name === name || metadata.uid === name);
  if (found) return found.spec.riskPolicyRef.name;
  const names = strategies.map(({ metadata }) => metadata.name).sort();
  const there = names.length === 0 ? "there is none" : `there are: ${names.slice(0, 20).join(", ")}`;
  throw new PluginError("STRATEGY_NOT_FOUND", `no Strategy '${name}' in namespace ${namespace}; ${there}`, {
    next: "a deleted strategy's orders are listed with `kubectl bellwether orders --policy NAME`",
  });
}

/** Reads the policy that is meant. */
export async function findPolicy(cluster: Cluster, name: string | undefined): Promise<StoredPolicy> {
  return choosePolicy(await cluster.policies(), { name, namespace: cluster.namespace });
}
