import type { BudgetState } from "../budget/budget-state.ts";
import type { TokenPrice } from "../budget/spend.ts";

/** A model as far as the choice among them goes. */
export interface Candidate {
  readonly name: string;
  readonly tier: "Small" | "Large";
  /** Runs on this cluster's cores: costs nothing, and remains when the budget is spent. */
  readonly local: boolean;
  readonly price: TokenPrice;
  readonly breaker: "Closed" | "Open" | "HalfOpen";
}

export interface RoutingRules {
  readonly strategy: "Threshold" | "Cascade";
  /** From which complexity (0–1) on the large tier answers. */
  readonly complexityThreshold: number;
  /** Names of models to try, in order, when the chosen ones fail. */
  readonly fallback: readonly string[];
  readonly onExhausted: "LocalOnly" | "Reject";
}

export interface RoutingQuestion {
  /** A name of a model, or `auto`. */
  readonly asked: string;
  /** Score of the question, 0–1. */
  readonly complexity: number;
  readonly budget: BudgetState;
}

/** Which models may answer one request, or why none may. */
export type Choice =
  | {
      readonly chosen: true;
      /** To be asked in this order, each at most once. Not empty. */
      readonly models: readonly Candidate[];
      /** Cascade: to be asked, in this order, when an answer of `models` does not hold its checks. Empty: it stands as it is. */
      readonly escalation: readonly Candidate[];
    }
  | { readonly chosen: false; readonly reason: "MODEL_UNKNOWN"; readonly asked: string; readonly known: readonly string[] }
  | { readonly chosen: false; readonly reason: "BUDGET_EXHAUSTED"; readonly onExhausted: "LocalOnly" | "Reject" }
  | { readonly chosen: false; readonly reason: "BREAKERS_OPEN"; readonly models: readonly string[] };

export const ANY_MODEL = "auto";

const priceOf = ({ price }: Candidate): bigint => price.inputPerMillionTokens + price.outputPerMillionTokens;
const byPrice = (left: Candidate, right: Candidate): number => Number(priceOf(left) - priceOf(right));

/**
 * Picks the models for one request:
 *
 * - a named model, then the fallback list;
 * - `auto` under Threshold: the tier that the complexity asks for, then the fallback list; past the soft limit every model of the route,
 *   the cheapest first;
 * - `auto` under Cascade: the small tier, with the large one to escalate to.
 *
 * Models whose breaker is open are left out. With the budget spent only local models remain, or nothing. A named model is asked first past
 * the soft limit, too: who names one does not want another's answer for the price.
 */
export function chooseModels(candidates: readonly Candidate[], rules: RoutingRules, question: RoutingQuestion): Choice {
  const named = candidates.find(({ name }) => name === question.asked);
  if (named === undefined && question.asked !== ANY_MODEL) {
    return { chosen: false, reason: "MODEL_UNKNOWN", asked: question.asked, known: candidates.map(({ name }) => name) };
  }
  const exhausted = question.budget === "Exhausted";
  const allowed = exhausted ? candidates.filter(({ local }) => local && rules.onExhausted === "LocalOnly") : candidates;
  if (allowed.length === 0) return { chosen: false, reason: "BUDGET_EXHAUSTED", onExhausted: rules.onExhausted };

  const { first, escalation } = preferred(candidates, rules, { ...question, named });
  const closed = (list: readonly Candidate[]): readonly Candidate[] =>
    [...new Set(list)].filter((candidate) => allowed.includes(candidate) && candidate.breaker !== "Open");
  // What the caller wanted cannot be paid for: any local model is better than none.
  const models = closed(exhausted ? [...first, ...allowed] : first);
  const further = closed(escalation).filter((candidate) => !models.includes(candidate));
  if (models.length > 0) return { chosen: true, models, escalation: further };
  if (further.length > 0) return { chosen: true, models: further, escalation: [] };
  return { chosen: false, reason: "BREAKERS_OPEN", models: [...new Set([...first, ...escalation])].map(({ name }) => name) };
}

function preferred(
  candidates: readonly Candidate[],
  rules: RoutingRules,
  { named, complexity, budget }: Pick<RoutingQuestion, "complexity" | "budget"> & { named: Candidate | undefined },
): { first: readonly Candidate[]; escalation: readonly Candidate[] } {
  const fallback = rules.fallback.flatMap((name) => candidates.filter((candidate) => candidate.name === name));
  if (named !== undefined) return { first: [named, ...fallback], escalation: [] };
  const order = budget === "Available" ? candidates : candidates.toSorted(byPrice);
  const small = order.filter(({ tier }) => tier === "Small");
  const large = order.filter(({ tier }) => tier === "Large");
  if (rules.strategy === "Cascade" && small.length > 0) return { first: [...small, ...fallback], escalation: large };
  if (budget !== "Available") return { first: order, escalation: [] };
  const [wanted, other] = complexity >= rules.complexityThreshold ? [large, small] : [small, large];
  return { first: [...(wanted.length > 0 ? wanted : other), ...fallback], escalation: [] };
}
