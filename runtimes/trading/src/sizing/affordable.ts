import { ONE, parseDecimal, subtract, ZERO, type Decimal } from "../decimal.ts";
import type { TradingCosts } from "./cost.ts";

/** Fees round up at 8 decimals: this much of a budget is left for it, so that no budget is ever passed. */
const FEE_ROUNDING_ROOM = parseDecimal("0.00000001");

/**
 * The largest multiple of `step` with quantity × price × (1 + fee) ≤ budget − 0.00000001 (budget, where nothing is charged).
 * In one exact division: nothing is rounded before the step is.
 */
export function affordableQuantity(
  budget: Decimal,
  price: Decimal,
  { costs, step }: { readonly costs: TradingCosts; readonly step: Decimal },
): Decimal {
  const room = costs.feeRatio === 0n ? budget : subtract(budget, FEE_ROUNDING_ROOM);
  if (room <= 0n || price <= 0n) return ZERO;
  return (((room * ONE * ONE) / (price * (ONE + costs.feeRatio) * step)) * step) as Decimal;
}
