import type { PolicyRule } from "../policy-rule.ts";

/** What the Strategy controller does in the namespaces it watches. Pods are never updated in place: they are recreated. */
export const rules: readonly PolicyRule[] = [
  // `patch` writes the finalizer; the object itself is the user's.
  { apiGroups: ["bellwether.dev"], resources: ["strategies"], verbs: ["get", "list", "watch", "patch"] },
  { apiGroups: ["bellwether.dev"], resources: ["strategies/status"], verbs: ["patch"] },
  // Owner references with blockOwnerDeletion need it where OwnerReferencesPermissionEnforcement is on.
  { apiGroups: ["bellwether.dev"], resources: ["strategies/finalizers"], verbs: ["update"] },
  { apiGroups: ["bellwether.dev"], resources: ["riskpolicies", "llmroutes"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "create", "patch", "delete"] },
  // `get` also answers whether a program's or a dataset's ConfigMap exists, before a pod waits for it in vain.
  { apiGroups: [""], resources: ["configmaps", "serviceaccounts"], verbs: ["get", "list", "watch", "create", "patch"] },
  // The recorded answers of a backtest that asks models.
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["get", "list", "watch", "create", "patch"] },
];
