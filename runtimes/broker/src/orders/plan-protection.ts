import { type Decimal, ZERO, add, floorToStep, multiply, subtract } from "@bellwether/trading";
import type { ProtectiveLeg } from "../venues/venue.ts";
import { trimOldest } from "./protected-units.ts";

/** One strategy in one market: its legs share what it holds there. */
export interface ProtectionView {
  /** Units the strategy holds. */
  readonly holding: Decimal;
  /** Units that its open sells, legs left out, may still take. */
  readonly openSells: Decimal;
  /** Oldest first. */
  readonly orders: readonly ProtectedOrder[];
  readonly rules: { readonly quantityStep: Decimal; readonly minQuantity?: Decimal; readonly minNotional?: Decimal };
}

export interface ProtectedOrder {
  readonly clientOrderId: string;
  readonly stopLoss?: Decimal;
  readonly takeProfit?: Decimal;
  /** What its legs stand for (protected-units.ts). */
  readonly units: Decimal;
  /** The entry may still buy. */
  readonly entryOpen: boolean;
  /** Somebody has taken the legs back: nothing is placed any more. */
  readonly legsCancelled: boolean;
  readonly resting: readonly RestingProtection[];
}

/** A protective order that has not ended, as far as anybody knows. */
export interface RestingProtection {
  /** Names it: the id of its first leg. */
  readonly id: string;
  /** The venue has acknowledged it; otherwise whether it is there is not known. */
  readonly acknowledged: boolean;
  /** Units it may still sell. */
  readonly remaining: Decimal;
  /** All its legs rest untouched. */
  readonly whole: boolean;
}

/**
 *   outcome of an earlier one unknown ─────────────────────────► wait
 *   something rests, and it is not exactly what should ────────► cancel  (and place anew once it has ended)
 *   nothing rests and something should, with room for it ──────► place
 *   nothing rests, nothing ever should again ──────────────────► retire
 */
export type ProtectionStep =
  | { readonly step: "leave" }
  | { readonly step: "wait"; readonly why: string }
  | { readonly step: "cancel"; readonly ids: readonly string[] }
  | { readonly step: "place"; readonly quantity: Decimal }
  | { readonly step: "retire" };

export interface PlannedProtection {
  readonly clientOrderId: string;
  /** Units that should rest, on the market's step. */
  readonly target: Decimal;
  /** Units of the position that no leg can be placed for: below the market's minimum. */
  readonly tooSmall: Decimal;
  readonly step: ProtectionStep;
}

/**
 * Which protective legs should rest, and the next step towards it, for each order: pure. Never more is offered, open sells included, than the strategy
 * holds: what has to give way gives way first, the oldest legs before younger ones.
 */
export function planProtection(view: ProtectionView): readonly PlannedProtection[] {
  const room = subtract(view.holding, view.openSells);
  const wanted = new Map(view.orders.map((order) => [order.clientOrderId, order.legsCancelled ? ZERO : order.units]));
  trimOldest(wanted, room);
  let offered = ZERO;
  for (const order of view.orders) offered = add(offered, offeredBy(order));
  return view.orders.map((order) => {
    const { target } = sellable(wanted.get(order.clientOrderId) ?? ZERO, order, view.rules);
    // What is left once open sells have ended: legs that only give way to one are not done.
    const rest = sellable(order.legsCancelled ? ZERO : order.units, order, view.rules);
    const step = nextStep(order, { target, done: !order.entryOpen && rest.target === ZERO, free: subtract(room, offered) });
    if (step.step === "place") offered = add(offered, step.quantity);
    return { clientOrderId: order.clientOrderId, target, tooSmall: rest.tooSmall, step };
  });
}

/** Units that all protective orders of a view may sell, those of unknown fate included. */
export function offeredUnits(orders: readonly Pick<ProtectedOrder, "resting">[]): Decimal {
  return orders.reduce((sum, order) => add(sum, offeredBy(order)), ZERO);
}

function offeredBy({ resting }: Pick<ProtectedOrder, "resting">): Decimal {
  return resting.reduce((sum, { remaining }) => add(sum, remaining), ZERO);
}

function nextStep(
  { resting }: ProtectedOrder,
  { target, done, free }: { target: Decimal; done: boolean; free: Decimal },
): ProtectionStep {
  if (resting.some(({ acknowledged }) => !acknowledged)) return { step: "wait", why: "whether they rest is not known yet" };
  const [only, ...more] = resting;
  if (only) {
    const asItShould = more.length === 0 && only.whole && only.remaining === target;
    return asItShould ? { step: "leave" } : { step: "cancel", ids: resting.map(({ id }) => id) };
  }
  if (target > 0n)
    return target <= free ? { step: "place", quantity: target } : { step: "wait", why: "other legs have to give way first" };
  return done ? { step: "retire" } : { step: "leave" };
}

function sellable(
  units: Decimal,
  { stopLoss, takeProfit }: Pick<ProtectedOrder, "stopLoss" | "takeProfit">,
  { quantityStep, minQuantity, minNotional }: ProtectionView["rules"],
): { target: Decimal; tooSmall: Decimal } {
  const target = floorToStep(units, quantityStep);
  const price = stopLoss ?? takeProfit ?? ZERO;
  const below =
    (minQuantity !== undefined && target < minQuantity) ||
    (minNotional !== undefined && multiply(target, price, "down") < minNotional);
  return target > 0n && below ? { target: ZERO, tooSmall: target } : { target, tooSmall: ZERO };
}

/** The leg whose price has been passed: it has to sell at once. The stop decides before the target. */
export function passedLeg(
  { stopLoss, takeProfit }: Pick<ProtectedOrder, "stopLoss" | "takeProfit">,
  price: Decimal,
): ProtectiveLeg | undefined {
  if (stopLoss !== undefined && price <= stopLoss) return "stopLoss";
  return takeProfit !== undefined && price >= takeProfit ? "takeProfit" : undefined;
}
