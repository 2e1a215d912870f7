import { checkpointExamples } from "./checkpoint-examples.ts";
import type { Examples } from "./example.ts";
import { llmRouteExamples } from "./llm-route-examples.ts";
import { riskPolicyExamples } from "./risk-policy-examples.ts";
import { strategyExamples } from "./strategy-examples.ts";

/** Manifests to take and to refuse, by kind. A unit test sends them through zod, an integration test through a real API server. */
export const EXAMPLES: readonly Examples[] = [strategyExamples, llmRouteExamples, riskPolicyExamples, checkpointExamples];
