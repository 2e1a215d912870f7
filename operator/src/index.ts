export { operatorConfig, type OperatorConfig } from "./config.ts";
export { clusterRules, ownNamespaceRules, rulesByController, type PolicyRule } from "./rbac.ts";
