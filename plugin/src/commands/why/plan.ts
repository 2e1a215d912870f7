import type { StoredPolicy, StoredStrategy } from "../../cluster/cluster.ts";

/**
 * Which policies to ask for an intent, in order. An intent id begins with its strategy's uid, which leads to the policy at once; a client order id, or the
 * intent of a deleted strategy, may be any policy's.
 */
export function policiesToAsk(
  intent: string,
  { policies, strategies }: { policies: readonly StoredPolicy[]; strategies: readonly StoredStrategy[] },
): readonly string[] {
  const names = policies.map(({ metadata }) => metadata.name).sort();
  const uid = intent.split("/", 1)[0];
  const owner = strategies.find(({ metadata }) => metadata.uid === uid)?.spec.riskPolicyRef.name;
  return owner !== undefined && names.includes(owner) ? [owner] : names;
}
