import type { PolicyRule } from "../policy-rule.ts";

/** What the RiskPolicy controller does in the namespaces it watches. `delete` takes away the broker of an account that left the policy. */
export const rules: readonly PolicyRule[] = [
  // Also what risk itself gets on its own RiskPolicy: nobody may grant what he does not hold.
  { apiGroups: ["bellwether.dev"], resources: ["riskpolicies"], verbs: ["get", "list", "watch", "patch"] },
  { apiGroups: ["bellwether.dev"], resources: ["riskpolicies/status"], verbs: ["patch"] },
  { apiGroups: ["bellwether.dev"], resources: ["riskpolicies/finalizers"], verbs: ["update"] },
  { apiGroups: ["bellwether.dev"], resources: ["strategies"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["apps"], resources: ["statefulsets"], verbs: ["get", "list", "watch", "create", "patch", "delete"] },
  {
    apiGroups: [""],
    resources: ["services", "configmaps", "serviceaccounts"],
    verbs: ["get", "list", "watch", "create", "patch", "delete"],
  },
  {
    apiGroups: ["rbac.authorization.k8s.io"],
    resources: ["roles", "rolebindings"],
    verbs: ["get", "list", "watch", "create", "patch"],
  },
  {
    apiGroups: ["networking.k8s.io"],
    resources: ["networkpolicies"],
    verbs: ["get", "list", "watch", "create", "patch", "delete"],
  },
];
