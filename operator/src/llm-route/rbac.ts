import type { PolicyRule } from "../policy-rule.ts";

/** What the LlmRoute controller does in the namespaces it watches. `delete` takes away the pods of a model that left the route. */
export const rules: readonly PolicyRule[] = [
  { apiGroups: ["bellwether.dev"], resources: ["llmroutes"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["bellwether.dev"], resources: ["llmroutes/status"], verbs: ["patch"] },
  // Owner references with blockOwnerDeletion need it where OwnerReferencesPermissionEnforcement is on.
  { apiGroups: ["bellwether.dev"], resources: ["llmroutes/finalizers"], verbs: ["update"] },
  {
    apiGroups: ["apps"],
    resources: ["deployments", "statefulsets"],
    verbs: ["get", "list", "watch", "create", "patch", "delete"],
  },
  // `patch` touches a gateway's pod, so that the kubelet brings its list of callers up to date at once.
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "patch"] },
  // `get` of ConfigMaps also answers whether a model's file exists, before a pod waits for it in vain.
  {
    apiGroups: [""],
    resources: ["services", "configmaps", "serviceaccounts"],
    verbs: ["get", "list", "watch", "create", "patch", "delete"],
  },
  {
    apiGroups: ["networking.k8s.io"],
    resources: ["networkpolicies"],
    verbs: ["get", "list", "watch", "create", "patch", "delete"],
  },
];
