import { type Decimal, ZERO, add, maximum, minimum, subtract } from "@bellwether/trading";

/** One execution of a strategy in one market, as far as its holding goes. */
export interface ScopeFill {
  readonly clientOrderId: string;
  readonly side: "buy" | "sell";
  readonly leg: "entry" | "stopLoss" | "takeProfit";
  readonly quantity: Decimal;
  /** Taken from the base asset: what is bought is less by it, what is sold costs that much more. */
  readonly baseFee: Decimal;
}

export interface ProtectedUnits {
  /** Units the strategy holds in the market; negative when it sold what came from elsewhere. */
  readonly holding: Decimal;
  /** Units of each protected order that its legs stand for. */
  readonly byOrder: ReadonlyMap<string, Decimal>;
}

/**
 * What the legs of a strategy's orders stand for, as the paper venue has it: what the entry has bought and nobody has sold since. When the strategy
 * sells by another order, the oldest legs shrink first, and stay so whatever it buys later.
 *
 * @param given `fills` in the order they were recorded; `orders` are the protected ones, oldest first; `holdingBefore` is what was held before the first fill
 */
export function foldProtected(given: {
  readonly holdingBefore: Decimal;
  readonly fills: readonly ScopeFill[];
  readonly orders: readonly string[];
}): ProtectedUnits {
  const byOrder = new Map<string, Decimal>(given.orders.map((id) => [id, ZERO]));
  let holding = given.holdingBefore;
  for (const fill of given.fills) {
    const sold = add(fill.quantity, fill.baseFee);
    const units = byOrder.get(fill.clientOrderId);
    if (fill.side === "buy") {
      const bought = subtract(fill.quantity, fill.baseFee);
      holding = add(holding, bought);
      if (units !== undefined) byOrder.set(fill.clientOrderId, add(units, bought));
      continue;
    }
    holding = subtract(holding, sold);
    if (units !== undefined && fill.leg !== "entry") byOrder.set(fill.clientOrderId, maximum(ZERO, subtract(units, sold)));
    trimOldest(byOrder, holding);
  }
  trimOldest(byOrder, holding);
  return { holding, byOrder };
}

/** Takes from the oldest first until all together are no more than `room`. */
export function trimOldest(units: Map<string, Decimal>, room: Decimal): void {
  let excess = subtract(ZERO, maximum(ZERO, room));
  for (const amount of units.values()) excess = add(excess, amount);
  for (const [id, amount] of units) {
    if (excess <= 0n) return;
    const cut = minimum(amount, excess);
    excess = subtract(excess, cut);
    units.set(id, subtract(amount, cut));
  }
}
