import type { PolicyRule } from "../policy-rule.ts";

/** What the operator as a whole needs, whatever the kinds: the CPU ledger's view, the issuer of tokens, the installed CRDs. */
export const rules: readonly PolicyRule[] = [
  // The ledger counts every pod's requests on every node, foreign ones included.
  { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  // Whether a namespace is being deleted: then nobody waits for what cannot come back.
  { apiGroups: [""], resources: ["namespaces"], verbs: ["get"] },
  {
    apiGroups: ["apiextensions.k8s.io"],
    resources: ["customresourcedefinitions"],
    resourceNames: [
      "strategies.bellwether.dev",
      "llmroutes.bellwether.dev",
      "riskpolicies.bellwether.dev",
      "checkpoints.bellwether.dev",
    ],
    verbs: ["get"],
  },
  { nonResourceURLs: ["/.well-known/openid-configuration", "/openid/v1/jwks"], verbs: ["get"] },
];

/** In the operator's own namespace only: the Lease that elects one of its replicas. */
export const ownNamespaceRules: readonly PolicyRule[] = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "list", "watch", "create", "update", "patch"] },
];
