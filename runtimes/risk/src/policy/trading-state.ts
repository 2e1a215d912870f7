import { type TradingCondition, strictestCondition } from "@bellwether/trading";
import type { EffectivePolicy } from "./effective-policy.ts";

/** The halt in the journal, as set by an API call. */
export interface JournalHalt {
  readonly reason: string;
  readonly setBy: string;
}

export interface TradingSources {
  /** Absent until the RiskPolicy has been read once, and again when it was deleted. */
  readonly policy: EffectivePolicy | undefined;
  readonly journalHalt: JournalHalt | undefined;
}

/**
 * The strictest of spec.trading, the annotation `bellwether.dev/halt` and the journal: a halt set in an emergency outlives a GitOps sync that
 * writes `trading: Active`, and clearing one of them clears none of the others. Without a policy nothing may be traded: its limits are unknown.
 */
export function tradingState({ policy, journalHalt }: TradingSources): TradingCondition {
  const conditions: TradingCondition[] = [];
  if (journalHalt)
    conditions.push({ state: "Halted", by: "journal", message: `${journalHalt.reason} (set by ${journalHalt.setBy})` });
  if (policy === undefined) {
    conditions.push({
      state: "Halted",
      by: "policy",
      message: "the RiskPolicy has not been read from the API server, so its limits are unknown",
    });
    return strictestCondition(conditions);
  }
  if (policy.haltAnnotation !== undefined) {
    conditions.push({
      state: "Halted",
      by: "annotation",
      message: `bellwether.dev/halt: ${policy.haltAnnotation || "no reason given"}`,
    });
  }
  if (policy.trading !== "Active")
    conditions.push({ state: policy.trading, by: "policy", message: `spec.trading is ${policy.trading}` });
  return strictestCondition(conditions);
}
