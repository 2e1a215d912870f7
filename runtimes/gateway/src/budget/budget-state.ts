import { type Spend, type SpendLimits, usedRatio } from "./spend.ts";

/** As `status.budget.state` shows it. */
export type BudgetState = "Available" | "Soft" | "Exhausted";

/**
 * What the used part of the month means: past `softRatio` (0 < softRatio ≤ 1) cheaper models come first, at the limit none that costs.
 * A request may be refused a little earlier, when its worst case does not fit into what is left.
 */
export function budgetState({ spent, limits }: { spent: Spend; limits: SpendLimits }, softRatio: number): BudgetState {
  const ratio = usedRatio(spent, limits);
  if (ratio >= 1) return "Exhausted";
  return ratio >= softRatio ? "Soft" : "Available";
}
