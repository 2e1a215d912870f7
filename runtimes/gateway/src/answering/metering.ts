import type { Usage } from "../backends/backend.ts";
import type { BackendFailure } from "../backends/failure.ts";
import { NOTHING, type Spend, costOf } from "../budget/spend.ts";
import type { RouteModel } from "./route-model.ts";

/** Money held for one attempt. Exactly one of the three ends it; a second one changes nothing. */
export interface Hold {
  settle(spend: Spend): void;
  release(): void;
  abandon(): void;
}

/** The most an attempt can use. Both bounds are sent or known before: the provider cannot honestly report more. */
export interface Bounds {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface Charge {
  readonly spend: Spend;
  readonly basis:
    /** What the provider reported. */
    | "reported"
    /** It reported nothing, or what cannot be: the most it can have been. */
    | "bound"
    /** It did no work. */
    | "nothing";
}

/** Servers count an end of turn, or a token cut in two, on top of the limit they were given. */
const OUTPUT_SLACK_TOKENS = 64;

export function worstCase(model: Pick<RouteModel, "price">, bounds: Bounds): Spend {
  return costOf({ ...bounds, outputTokens: bounds.outputTokens + OUTPUT_SLACK_TOKENS }, model.price);
}

/** What an answer is charged with: the provider's report where it can be true. */
export function chargeFor(
  usage: Usage | undefined,
  { model, bounds }: { model: Pick<RouteModel, "price">; bounds: Bounds },
): Charge {
  const possible =
    usage !== undefined &&
    usage.inputTokens <= bounds.inputTokens &&
    usage.outputTokens <= bounds.outputTokens + OUTPUT_SLACK_TOKENS;
  if (!possible) return { spend: worstCase(model, bounds), basis: "bound" };
  return { spend: costOf(usage, model.price), basis: "reported" };
}

/**
 * What a failed attempt is charged with: all that was held, where the provider may have worked. A running total that it reported before it broke off is
 * less than what it will bill.
 */
export function chargeForFailure(
  { mayBeBilled }: Pick<BackendFailure, "mayBeBilled">,
  { model, bounds }: { model: Pick<RouteModel, "price">; bounds: Bounds },
): Charge {
  return mayBeBilled ? { spend: worstCase(model, bounds), basis: "bound" } : { spend: NOTHING, basis: "nothing" };
}

/** Ends a hold by what became of the attempt. */
export function endHold(hold: Hold, { spend, basis }: Charge): void {
  if (basis === "reported") hold.settle(spend);
  else if (basis === "bound") hold.abandon();
  else hold.release();
}
