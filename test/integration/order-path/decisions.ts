import { hasCode } from "@bellwether/service-kit";
import type { AgentSnapshot, DecisionRequest } from "@bellwether/trading";
import { market } from "./stack.ts";

export type IntentChange = Partial<DecisionRequest["intents"][number]>;

/** A decision of now, as an agent would make it from its snapshot. */
export function decisionOf(
  snapshot: AgentSnapshot,
  change: Partial<Pick<DecisionRequest, "intents" | "cancels" | "replaces" | "state">> = {},
): DecisionRequest {
  const { uid, run, marketSet, marketTime, lastDecisionTime = 0 } = snapshot;
  const decisionTime = Math.max(marketTime, lastDecisionTime + 1);
  return { strategyUid: uid, run, marketSet, decisionTime, state: "{}", intents: [], cancels: [], replaces: [], ...change };
}

/** A market buy of a tenth of the equity at `signalPrice`, unless changed. */
export function buy(signalPrice: string, change: IntentChange = {}): DecisionRequest["intents"][number] {
  return {
    ordinal: 0,
    market,
    side: "buy",
    size: { equityRatio: "0.1" },
    signalPrice,
    validUntil: Number.MAX_SAFE_INTEGER,
    ...change,
  };
}

/** The code in the body of an error answer. */
export function codeOf(error: unknown): unknown {
  return hasCode(error, "HTTP_STATUS") ? error.context["code"] : error;
}
