import { type TradingCondition, type TradingHold, strictestCondition } from "@bellwether/trading";
import type { EffectivePolicy } from "./effective-policy.ts";

/** The stop in the journal, as set by an API call. */
export interface JournalHalt {
  readonly reason: string;
  readonly setBy: string;
  readonly state: "Halted" | "Reducing";
}

export interface TradingSources {
  /** Absent until the RiskPolicy has been read once, and again when it was deleted. */
  readonly policy: EffectivePolicy | undefined;
  readonly journalHalt: JournalHalt | undefined;
  /** What the tripped breakers ask for. */
  readonly breakers?: TradingCondition | undefined;
}

/** Everything that speaks against trading, annotations first: what people did in an emergency is named before what machines found. */
export function stopsOf({ policy, journalHalt, breakers }: TradingSources): TradingCondition[] {
  const stops: TradingCondition[] = [];
  if (journalHalt)
    stops.push({ state: journalHalt.state, by: "journal", message: `${journalHalt.reason} (set by ${journalHalt.setBy})` });
  if (policy === undefined) {
    const message = "the RiskPolicy has not been read from the API server, so its limits are unknown";
    return [...stops, { state: "Halted", by: "policy", message }];
  }
  const { haltAnnotation, reduceAnnotation, trading } = policy;
  if (haltAnnotation !== undefined)
    stops.push({ state: "Halted", by: "annotation", message: `bellwether.dev/halt: ${haltAnnotation || "no reason given"}` });
  if (reduceAnnotation !== undefined)
    stops.push({
      state: "Reducing",
      by: "annotation",
      message: `bellwether.dev/reduce: ${reduceAnnotation || "no reason given"}`,
    });
  if (trading !== "Active") stops.push({ state: trading, by: "policy", message: `spec.trading is ${trading}` });
  if (breakers) stops.push(breakers);
  return stops;
}

/**
 * The strictest of spec.trading, the annotations `bellwether.dev/halt` and `reduce`, the journal and the breakers: a halt set in an emergency outlives a GitOps
 * sync that writes `trading: Active`, and clearing one of them clears none of the others. Without a policy nothing may be traded: its limits are unknown.
 */
export function tradingState(sources: TradingSources): TradingCondition {
  return strictestCondition(stopsOf(sources));
}

/** The same for people, the strictest first. */
export function holdsOf(sources: TradingSources): TradingHold[] {
  const holds = stopsOf(sources).map(({ by, state, message }): TradingHold => {
    return { by, state: state === "Halted" ? "Halted" : "Reducing", message: message.slice(0, 500) };
  });
  return holds.toSorted((left, right) => Number(right.state === "Halted") - Number(left.state === "Halted"));
}
