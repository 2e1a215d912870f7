import type { PolicyRule } from "../policy-rule.ts";

/** LlmRoutes are watched and answered with `Ready=Unknown, NotReconciled`: nothing else is done with them yet. */
export const rules: readonly PolicyRule[] = [
  { apiGroups: ["bellwether.dev"], resources: ["llmroutes"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["bellwether.dev"], resources: ["llmroutes/status"], verbs: ["patch"] },
];
