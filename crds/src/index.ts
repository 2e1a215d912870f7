/** The API of Bellwether: four kinds in zod. The CRDs in ../generated are made from these by `npm run generate`. */
export * from "./custom-resource.ts";
export * from "./dataset-defaults.ts";
export * from "./risk-policy-defaults.ts";
export * from "./risk-policy.ts";
export * from "./strategy-defaults.ts";
export * from "./strategy.ts";
export type { Condition } from "./schema/condition.ts";
export type { Dataset } from "./schema/dataset.ts";
export { MAX_NAME_LENGTH } from "./schema/references.ts";
export { durationMs } from "./schema/scalars.ts";
export * from "./checkpoint.ts";
export * from "./llm-route-defaults.ts";
export * from "./llm-route.ts";
export * from "./kinds.ts";
