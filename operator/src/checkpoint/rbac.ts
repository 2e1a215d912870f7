import type { PolicyRule } from "../policy-rule.ts";

/** Checkpoints are watched and answered with `Ready=Unknown, NotReconciled`: nothing else is done with them yet. */
export const rules: readonly PolicyRule[] = [
  { apiGroups: ["bellwether.dev"], resources: ["checkpoints"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["bellwether.dev"], resources: ["checkpoints/status"], verbs: ["patch"] },
];
