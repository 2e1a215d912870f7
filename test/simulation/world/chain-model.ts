import type { Clock, Random } from "@bellwether/service-kit";
import { type Decimal, divide, multiply, parseDecimal } from "@bellwether/trading";
import { fromMinorUnits } from "../../../runtimes/broker/src/venues/solana/amounts.ts";
import { solDecimals } from "../../../runtimes/broker/src/venues/solana/program-addresses.ts";
import type { PlacedOrder, VenueTruth } from "./venue-truth.ts";

export const chainFaults = [
  /** It lands shortly before its blockhash expires, or not at all. */
  "late-landing",
  /** The bytes reach no leader: their blockhash expires. */
  "blockhash-expiry",
  /** Seen in a block, then dropped with it; identical bytes may land again. */
  "fork",
  /** All nodes but one stand still and answer all the same. */
  "frozen-slots",
  /** One node lies far behind, and not far enough to be called late. */
  "source-behind",
  /** One node goes away, and comes back without its history. */
  "node-restart",
  "chain-reply-lost",
  "chain-reset",
] as const;
export type ChainFault = (typeof chainFaults)[number];

/** Scaled down: a block in 400 ms, final after five, a blockhash good for fifteen. */
export const slotMs = 400;
export const finalAfter = 5;
export const validSlots = 15;
/** A fork is found out before anything of it is final. */
const forkSlots = 2;

/** What a program of the chain is to do, as it stands in the bytes: amounts are minor units. */
export interface SwapProgram {
  readonly side: "buy" | "sell";
  readonly base: bigint;
  /** The most that a buy takes, the least that a sell brings. */
  readonly quoteBound: bigint;
  readonly feeLamports: bigint;
  /** Slot of its blockhash. */
  readonly slot: number;
}

/** What a transaction moved; nothing but its fee when it failed. */
export interface Outcome {
  readonly failed: boolean;
  /** Signed changes of the wallet, the fee left out. */
  readonly sol: bigint;
  readonly usdt: bigint;
  readonly feeLamports: bigint;
}

export interface Balances {
  readonly sol: bigint;
  readonly usdt: bigint;
}

interface Sent {
  readonly signature: string;
  readonly clientId: string;
  readonly program: SwapProgram;
  readonly fault: ChainFault | undefined;
  forks: boolean;
  landed: { readonly slot: number; readonly outcome: Outcome } | undefined;
  /** Once final: the wallet before and after it. */
  settled: { readonly before: Balances; readonly after: Balances } | undefined;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly price: () => Decimal;
  readonly start: Balances;
}

export const usdtDecimals = 9;

/** What programs of the chain pay or take for so much of the base: rounded against the wallet. */
export function quoteOf({ side, base }: Pick<SwapProgram, "side" | "base">, price: Decimal): bigint {
  const amount = multiply(fromMinorUnits(base, solDecimals), price, "down");
  const units = amount / 10n ** BigInt(18 - usdtDecimals);
  return side === "buy" ? units + 1n : units;
}

/** A chain: slots that go on by themselves, bytes that land in one of them or in none, each signature at most once; blocks that forks drop until they are final. */
export class ChainModel implements VenueTruth {
  readonly #options: ChainOptions;
  readonly #sent = new Map<string, Sent>();
  /** In the order in which they became final. */
  readonly #final: Sent[] = [];
  readonly #placed: PlacedOrder[] = [];
  /** Landed, and not final yet: few, and looked through at every event. */
  readonly #waiting = new Set<Sent>();

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  get slot(): number {
    return Math.floor(this.#options.clock.nowMs() / slotMs);
  }

  /** Nothing rests on a chain. */
  readonly legs = [];
  readonly blockedSales = [];

  /** Swaps that are final and have moved something. */
  get orders(): readonly PlacedOrder[] {
    this.#settleDue();
    return this.#placed;
  }

  order(clientId: string): PlacedOrder | undefined {
    return this.orders.find((order) => order.clientId === clientId);
  }

  balance(asset: string): Decimal {
    this.#settleDue();
    const { sol, usdt } = this.#balancesAfter(this.#final.length);
    return asset === "SOL" ? fromMinorUnits(sol, solDecimals) : fromMinorUnits(usdt, usdtDecimals);
  }

  /** True while these bytes may land, or when they have. */
  mayLand(signature: string, program: SwapProgram): boolean {
    return this.#sent.get(signature)?.landed !== undefined || this.slot <= program.slot + validSlots;
  }

  /** Bytes arrive somewhere; identical ones again change nothing once they have landed. */
  receive(
    signature: string,
    bytes: { readonly clientId: string; readonly program: SwapProgram; readonly fault: ChainFault | undefined },
  ): void {
    const { random } = this.#options;
    let sent = this.#sent.get(signature);
    const isNew = sent === undefined;
    sent ??= { ...bytes, signature, forks: bytes.fault === "fork", landed: undefined, settled: undefined };
    this.#sent.set(signature, sent);
    if (sent.fault === "blockhash-expiry") return;
    const late = isNew && sent.fault === "late-landing";
    this.#landLater(sent, late ? random.next() * validSlots * slotMs * 1.1 : 10 + random.next() * 500);
  }

  /** A transaction as a node at `slot` has it; undefined when it has none. */
  seenAt(signature: string, slot: number): { readonly slot: number; readonly outcome: Outcome } | undefined {
    const landed = this.#sent.get(signature)?.landed;
    return landed && landed.slot <= slot ? landed : undefined;
  }

  /** The wallet before and after a final transaction. */
  settledOf(signature: string): Sent["settled"] {
    this.#settleDue();
    return this.#sent.get(signature)?.settled;
  }

  /** What the wallet holds for a node whose newest final slot is this one. */
  finalBalances(finalSlot: number): Balances {
    this.#settleDue();
    const later = this.#final.findIndex(({ landed }) => (landed?.slot ?? 0) > finalSlot);
    return this.#balancesAfter(later === -1 ? this.#final.length : later);
  }

  #landLater(sent: Sent, delayMs: number): void {
    this.#options.clock.setTimeout(() => this.#land(sent), delayMs);
  }

  #land(sent: Sent): void {
    if (sent.landed || this.slot > sent.program.slot + validSlots) return;
    this.#settleDue();
    sent.landed = { slot: this.slot, outcome: this.#run(sent.program) };
    this.#waiting.add(sent);
    if (!sent.forks) return;
    sent.forks = false;
    const from = sent.landed.slot;
    this.#options.clock.setTimeout(() => this.#fork(from), forkSlots * slotMs);
  }

  /** Every block from this one on is gone, with all that was in it; some of it comes again by itself. */
  #fork(from: number): void {
    const { random } = this.#options;
    for (const sent of this.#waiting) {
      if (!sent.landed || sent.landed.slot < from) continue;
      sent.landed = undefined;
      this.#waiting.delete(sent);
      if (random.next() < 0.5) this.#landLater(sent, random.next() * 6 * slotMs);
    }
  }

  #run({ side, base, quoteBound, feeLamports }: SwapProgram): Outcome {
    const quote = quoteOf({ side, base }, this.#options.price());
    const { sol, usdt } = this.#pendingBalances();
    const bears = side === "buy" ? quote <= quoteBound && quote <= usdt : quote >= quoteBound && base + feeLamports <= sol;
    if (!bears) return { failed: true, sol: 0n, usdt: 0n, feeLamports };
    return side === "buy"
      ? { failed: false, sol: base, usdt: -quote, feeLamports }
      : { failed: false, sol: -base, usdt: quote, feeLamports };
  }

  /** The newest state: everything that has landed, final or not. */
  #pendingBalances(): Balances {
    let balances = this.#balancesAfter(this.#final.length);
    for (const { landed } of this.#waiting) if (landed) balances = changed(balances, landed.outcome);
    return balances;
  }

  #balancesAfter(count: number): Balances {
    return this.#final[count - 1]?.settled?.after ?? this.#options.start;
  }

  #settleDue(): void {
    if (this.#waiting.size === 0) return;
    const { slot } = this;
    const due = [...this.#waiting].filter(({ landed }) => landed && landed.slot + finalAfter <= slot);
    // Ties keep the order in which they landed.
    for (const sent of due.toSorted((left, right) => (left.landed?.slot ?? 0) - (right.landed?.slot ?? 0))) {
      const before = this.#balancesAfter(this.#final.length);
      this.#waiting.delete(sent);
      if (!sent.landed) continue;
      sent.settled = { before, after: changed(before, sent.landed.outcome) };
      this.#final.push(sent);
      const placed = placedOrder(sent);
      if (placed) this.#placed.push(placed);
    }
  }
}

function changed({ sol, usdt }: Balances, outcome: Outcome): Balances {
  return { sol: sol + outcome.sol - outcome.feeLamports, usdt: usdt + outcome.usdt };
}

function placedOrder({ signature, clientId, landed }: Sent): PlacedOrder | undefined {
  if (!landed || landed.outcome.failed) return undefined;
  const { sol, usdt, feeLamports } = landed.outcome;
  const magnitude = (amount: bigint): bigint => (amount < 0n ? -amount : amount);
  const quantity = fromMinorUnits(magnitude(sol), solDecimals);
  const quote = fromMinorUnits(magnitude(usdt), usdtDecimals);
  const fee = fromMinorUnits(feeLamports, solDecimals);
  const trade = { tradeId: signature, quantity, price: divide(quote, quantity, "down"), quote, fee, feeAsset: "SOL" };
  return { clientId, venueOrderId: signature, state: "Filled", trades: [trade] };
}

/** What the wallet has at the beginning. */
export function startingBalances({ sol, usdt }: { sol: string; usdt: string }): Balances {
  const minor = (text: string, decimals: number): bigint => parseDecimal(text) / 10n ** BigInt(18 - decimals);
  return { sol: minor(sol, solDecimals), usdt: minor(usdt, usdtDecimals) };
}
