import { type Decimal, ZERO, add, minimum, subtract } from "@bellwether/trading";

/** One side's resting quantity at a price: somebody's order, or the market maker's. */
export interface Resting {
  readonly price: Decimal;
  remaining: Decimal;
  /** Undefined: the market maker's. */
  readonly orderId: number | undefined;
}

export interface Match {
  readonly price: Decimal;
  readonly quantity: Decimal;
  readonly makerId: number | undefined;
}

type Side = "buy" | "sell";

/** Price-time priority. The market maker's levels are laid anew around the price at every tick; everybody else's rest until they end. */
export class OrderBook {
  readonly #bids: Resting[] = [];
  readonly #asks: Resting[] = [];

  /** What an incoming order meets, best first, down to its limit; `dry` leaves the book as it is. */
  match(side: Side, quantity: Decimal, options: { limit?: Decimal | undefined; dry?: boolean } = {}): readonly Match[] {
    const opposite = side === "buy" ? this.#asks : this.#bids;
    const matches: Match[] = [];
    let wanted = quantity;
    for (const resting of opposite) {
      if (wanted <= 0n || (options.limit !== undefined && !crosses(side, options.limit, resting.price))) break;
      const taken = minimum(wanted, resting.remaining);
      matches.push({ price: resting.price, quantity: taken, makerId: resting.orderId });
      wanted = subtract(wanted, taken);
      if (options.dry !== true) resting.remaining = subtract(resting.remaining, taken);
    }
    if (options.dry !== true) prune(opposite);
    return matches;
  }

  rest(side: Side, resting: Resting): void {
    const own = side === "buy" ? this.#bids : this.#asks;
    const better = (other: Resting): boolean => (side === "buy" ? other.price >= resting.price : other.price <= resting.price);
    const index = own.findIndex((other) => !better(other));
    own.splice(index === -1 ? own.length : index, 0, resting);
  }

  remove(orderId: number): void {
    for (const side of [this.#bids, this.#asks]) {
      const index = side.findIndex((resting) => resting.orderId === orderId);
      if (index >= 0) side.splice(index, 1);
    }
  }

  clearMaker(): void {
    for (const side of [this.#bids, this.#asks]) {
      const others = side.filter((resting) => resting.orderId !== undefined);
      side.splice(0, side.length, ...others);
    }
  }

  best(side: Side): Decimal | undefined {
    return (side === "buy" ? this.#bids : this.#asks)[0]?.price;
  }

  depth(limit: number): { bids: [Decimal, Decimal][]; asks: [Decimal, Decimal][] } {
    return { bids: levels(this.#bids, limit), asks: levels(this.#asks, limit) };
  }
}

const crosses = (side: Side, limit: Decimal, price: Decimal): boolean => (side === "buy" ? price <= limit : price >= limit);

function prune(side: Resting[]): void {
  while (side[0] !== undefined && side[0].remaining <= 0n) side.shift();
}

function levels(side: readonly Resting[], limit: number): [Decimal, Decimal][] {
  const merged: [Decimal, Decimal][] = [];
  for (const { price, remaining } of side) {
    const last = merged.at(-1);
    if (last?.[0] === price) last[1] = add(last[1], remaining);
    else if (merged.length < limit) merged.push([price, add(ZERO, remaining)]);
    else break;
  }
  return merged;
}
