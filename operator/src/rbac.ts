/**
 * The operator's whole permission, from the `rbac.ts` beside each controller. The chart's generator writes `clusterRules` into a ClusterRole
 * (or, with `watchNamespaces`, still a ClusterRole for nodes and pods) and `ownNamespaceRules` into a Role in the operator's namespace.
 */
import { rules as checkpoint } from "./checkpoint/rbac.ts";
import { rules as llmRoute } from "./llm-route/rbac.ts";
import { ownNamespaceRules, rules as platform } from "./platform/rbac.ts";
import type { PolicyRule } from "./policy-rule.ts";
import { rules as riskPolicy } from "./risk-policy/rbac.ts";
import { rules as strategy } from "./strategy/rbac.ts";

export type { PolicyRule } from "./policy-rule.ts";
export { ownNamespaceRules };

/** By controller, so that the generated ClusterRole can say whose rule each one is. */
export const rulesByController: Readonly<Record<string, readonly PolicyRule[]>> = {
  platform,
  strategy,
  "risk-policy": riskPolicy,
  "llm-route": llmRoute,
  checkpoint,
};

/** All rules of the ClusterRole, with the verbs of equal resources joined and everything in a stable order. */
export function clusterRules(): readonly PolicyRule[] {
  const verbsByTarget = new Map<string, { rule: PolicyRule; verbs: Set<string> }>();
  for (const rule of Object.values(rulesByController).flat()) {
    for (const single of splitByResource(rule)) {
      const key = JSON.stringify({ ...single, verbs: [] });
      const entry = verbsByTarget.get(key) ?? { rule: single, verbs: new Set<string>() };
      for (const verb of single.verbs) entry.verbs.add(verb);
      verbsByTarget.set(key, entry);
    }
  }
  return [...verbsByTarget.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { rule, verbs }]) => ({ ...rule, verbs: verbOrder.filter((verb) => verbs.has(verb)) }));
}

const verbOrder = ["get", "list", "watch", "create", "update", "patch", "delete"];

function splitByResource(rule: PolicyRule): PolicyRule[] {
  if (rule.nonResourceURLs) return [rule];
  return (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).map((resource) => ({ ...rule, apiGroups: [group], resources: [resource] })),
  );
}
