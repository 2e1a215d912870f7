import { type Decimal, type FinalOrder, ZERO, add, formatDecimal, parseDecimal, subtract } from "@bellwether/trading";
import type { MemoryPostgres } from "./journal/memory-postgres.ts";
import type { Row } from "./journal/tables.ts";
import { Violation } from "./violation.ts";
import type { PlacedOrder, VenueTruth } from "./world/venue-truth.ts";

export interface LegMonitorOptions {
  readonly server: MemoryPostgres;
  readonly venue: VenueTruth;
  /** An order as risk has approved it. */
  readonly approved: (clientOrderId: string) => FinalOrder | undefined;
  /** A deleted strategy whose position stays, and is nobody's to protect. */
  readonly isKept: (uid: string) => boolean;
}

/** A rest below the market's step cannot be offered: of each entry at most one. */
const step = parseDecimal("0.00001");
/** What may be left of a sale: less than the venue takes. */
const dust = step;
/** Within this the outcome of placing legs is known: a request waits for its answer, and is looked for. */
const mostNakedMs = 10_000;
/** Looks are a bar apart. Between two that are further apart, while no bar comes, the position may have had its legs, and lost them at the last moment. */
const mostBetweenLooksMs = 3_000;
const untold = new Set(["AboutToSend", "Unknown"]);
const open = new Set([...untold, "Working"]);
const neverThere = new Set(["NotSent", "Rejected"]);

/**
 * Holds what is said of stops and targets that rest at the exchange: recorded before they leave, sent once, never more than the strategy holds, out of the
 * way of its own sales, and there in the end for all that was bought with them and not sold.
 */
export class LegMonitor {
  readonly #options: LegMonitorOptions;
  /** Ids that have left, and whose they are: an older copy of the journal may not know. */
  readonly #entries = new Map<string, string>();
  readonly #held = new Map<string, Decimal>();
  #blocked = 0;
  /** Since when something stands without legs, as far as it was looked at. */
  #nakedSinceMs: number | undefined;
  #lookedMs = 0;
  readonly seen = { legs: 0, legFills: 0 };

  constructor(options: LegMonitorOptions) {
    this.#options = options;
  }

  /** The request to let them rest, or to sell one at once, leaves the broker. */
  onSending(ids: readonly string[]): void {
    for (const id of ids) {
      const row = this.#record(id);
      if (!row) throw new Violation(1, `leg ${id} is sent and was not recorded as about to be`);
      if (this.#entries.has(id)) throw new Violation(1, `leg ${id} is sent for the second time`);
      this.#entries.set(id, String(this.#cell(row, "client_order_id")));
      this.seen.legs += 1;
    }
  }

  /** To be called often: nobody is told when a position loses its legs. */
  look(nowMs: number): void {
    const sinceMs = nowMs - this.#lookedMs > mostBetweenLooksMs ? nowMs : (this.#nakedSinceMs ?? nowMs);
    this.#nakedSinceMs = this.#naked() === undefined ? undefined : sinceMs;
    this.#lookedMs = nowMs;
  }

  /** A buy leaves the broker, which is to hold it back while something stands without the legs it should have. */
  onBuying(clientOrderId: string, nowMs: number): void {
    this.look(nowMs);
    const sinceMs = nowMs - (this.#nakedSinceMs ?? nowMs);
    if (sinceMs > mostNakedMs)
      throw new Violation(3, `order ${clientOrderId} buys while for ${sinceMs} ms ${this.#naked() ?? "something stands naked"}`);
  }

  /** What a flattening has left, in words. */
  unsold(): string | undefined {
    const { isKept } = this.#options;
    for (const [uid, held] of this.#held) if (held >= dust && !isKept(uid)) return `${uid} holds ${formatDecimal(held)}`;
    const [leg] = this.#options.venue.legs.filter(({ state }) => state === "Working");
    return leg && `leg ${leg.clientId} rests`;
  }

  /** Whether this id of the exchange is a leg's, or is about to be. */
  knows(id: string): boolean {
    return this.#entries.has(id) || this.#record(id) !== undefined;
  }

  /** The leg whose execution this is. */
  legOf(clientOrderId: string, tradeId: string): PlacedOrder | undefined {
    return this.#all().find(
      ({ clientId, trades }) =>
        this.#entries.get(clientId) === clientOrderId && trades.some((trade) => trade.tradeId === tradeId),
    );
  }

  /** A sale that the account could have made was refused: its units were held fast by something that should have given way. */
  checkBlocked(): void {
    const { blockedSales } = this.#options.venue;
    for (const { clientId, quantity } of blockedSales.slice(this.#blocked))
      throw new Violation(
        3,
        `the sale ${clientId} of ${formatDecimal(quantity)} is refused: what it would sell is held fast by legs`,
      );
    this.#blocked = blockedSales.length;
  }

  /** A fill was recorded. */
  onFill(fill: {
    readonly clientOrderId: string;
    readonly side: unknown;
    readonly leg: unknown;
    readonly amount: Decimal;
  }): void {
    const { clientOrderId, side, leg, amount } = fill;
    if (leg !== "entry") this.seen.legFills += 1;
    const uid = this.#ownerOf(clientOrderId);
    const before = this.#held.get(uid) ?? ZERO;
    const after = side === "buy" ? add(before, amount) : subtract(before, amount);
    this.#held.set(uid, after);
    // It may be whole for less than a bar.
    if (this.#naked() === undefined) this.#nakedSinceMs = undefined;
    if (after < 0n) throw new Violation(2, `${uid} has sold ${formatDecimal(subtract(ZERO, after))} more than it held`);
  }

  /** It is known of every leg whether it rests, and every strategy's units are offered by its legs, as far as they were bought with any. */
  get settled(): boolean {
    for (const row of this.#options.server.peek("broker.protective_orders"))
      if (untold.has(String(this.#cell(row, "state")))) return false;
    return this.#wrong() === undefined;
  }

  checkEnd(): void {
    for (const { clientId, state } of this.#all()) {
      const row = this.#record(clientId);
      if (!row) throw new Violation(2, `the journal has lost leg ${clientId}`);
      const journal = String(this.#cell(row, "state"));
      if (journal !== state) throw new Violation(2, `leg ${clientId} is ${journal} in the journal and ${state} at the venue`);
    }
    const there = new Set(this.#all().map(({ clientId }) => clientId));
    for (const row of this.#options.server.peek("broker.protective_orders")) {
      const [id, state] = [String(this.#cell(row, "venue_client_id")), String(this.#cell(row, "state"))];
      if (!there.has(id) && !neverThere.has(state))
        throw new Violation(2, `leg ${id} is ${state} and the venue has never had it`);
    }
    const found = this.#wrong();
    if (found !== undefined) throw new Violation(3, found);
  }

  #wrong(): string | undefined {
    return this.#naked() ?? this.#overOffered() ?? this.#left();
  }

  /** What legs and own sells of each strategy, which hold what legs would, may still sell. */
  #offered(): (uid: string) => Decimal {
    const [resting, selling] = [this.#resting(), this.#selling()];
    return (uid) => add(resting.get(uid) ?? ZERO, selling.get(uid) ?? ZERO);
  }

  /** More than is held, in words: for a while a sell may be open of whose units a leg has sold some. */
  #overOffered(): string | undefined {
    const offeredBy = this.#offered();
    for (const [uid, held] of this.#held) {
      const offered = offeredBy(uid);
      if (offered > held) return `legs and sells of ${uid} offer ${formatDecimal(offered)}, it holds ${formatDecimal(held)}`;
    }
    return undefined;
  }

  /** What is held and was bought with legs, and no leg offers; in words. */
  #naked(): string | undefined {
    const offeredBy = this.#offered();
    const bare = this.#boughtBare();
    for (const [uid, held] of this.#held) {
      const offered = offeredBy(uid);
      const { amount = ZERO, entries = 0 } = bare.get(uid) ?? {};
      const most = add(amount, (step * BigInt(entries)) as Decimal);
      const naked = subtract(held, offered);
      if (naked > most)
        return `${uid} holds ${formatDecimal(naked)} that no leg protects, and has bought ${formatDecimal(amount)} without any`;
    }
    return undefined;
  }

  /** Legs of a position that has been given up, in words. */
  #left(): string | undefined {
    const left = [...this.#resting().keys()].find((uid) => this.#options.isKept(uid));
    return left === undefined ? undefined : `strategy ${left} is deleted and kept as it is, and legs of it rest`;
  }

  /** What legs of each strategy may still sell; two that belong together sell the same. */
  #resting(): Map<string, Decimal> {
    const sums = new Map<string, Decimal>();
    const counted = new Set<string>();
    for (const { clientId, state, quantity, filled } of this.#options.venue.legs) {
      const row = state === "Working" ? this.#record(clientId) : undefined;
      if (!row) continue;
      const entry = String(this.#cell(row, "client_order_id"));
      const pair = `${entry} ${String(this.#cell(row, "number"))}`;
      if (counted.has(pair)) continue;
      counted.add(pair);
      const uid = this.#ownerOf(entry);
      sums.set(uid, add(sums.get(uid) ?? ZERO, subtract(quantity, filled)));
    }
    return sums;
  }

  /** What open sells of each strategy may still take. */
  #selling(): Map<string, Decimal> {
    const { server, approved } = this.#options;
    const sums = new Map<string, Decimal>();
    for (const row of server.peek("broker.orders")) {
      const cell = (name: string): unknown => server.cell("broker.orders", row, name);
      const order = open.has(String(cell("state"))) ? approved(String(cell("client_order_id"))) : undefined;
      if (order?.side !== "sell") continue;
      const uid = this.#ownerOf(order.clientOrderId);
      sums.set(uid, add(sums.get(uid) ?? ZERO, subtract(parseDecimal(order.quantity), cell("filled_quantity") as Decimal)));
    }
    return sums;
  }

  /** What each strategy has bought by orders without legs, or whose legs its program has taken back. */
  #boughtBare(): Map<string, { amount: Decimal; entries: number }> {
    const { server, approved } = this.#options;
    const bare = new Map<string, { amount: Decimal; entries: number }>();
    for (const row of server.peek("broker.fills")) {
      const cell = (name: string): unknown => server.cell("broker.fills", row, name);
      if (cell("side") !== "buy") continue;
      const id = String(cell("client_order_id"));
      const order = approved(id);
      const wants = order?.stopLoss !== undefined || order?.takeProfit !== undefined;
      const uid = this.#ownerOf(id);
      const { amount, entries } = bare.get(uid) ?? { amount: ZERO, entries: 0 };
      const given = wants && !this.#takenBack(id) ? ZERO : unitsOf(cell);
      bare.set(uid, { amount: add(amount, given), entries: entries + 1 });
    }
    return bare;
  }

  #takenBack(clientOrderId: string): boolean {
    const { server, isKept } = this.#options;
    if (isKept(this.#ownerOf(clientOrderId))) return true;
    const row = server.find("risk.orders", "client_order_id", clientOrderId);
    return row !== undefined && server.cell("risk.orders", row, "cancel_requested") === "all";
  }

  #all(): readonly PlacedOrder[] {
    const { orders, legs } = this.#options.venue;
    return [...legs, ...orders.filter(({ clientId }) => this.#entries.has(clientId))];
  }

  #ownerOf(clientOrderId: string): string {
    return this.#options.approved(clientOrderId)?.intentId.split("/")[0] ?? "nobody";
  }

  #record(id: string): Row | undefined {
    return this.#options.server.find("broker.protective_orders", "venue_client_id", id);
  }

  #cell(row: Row, column: string): unknown {
    return this.#options.server.cell("broker.protective_orders", row, column);
  }
}

/** What a fill brings in: what is bought, less the fee that is taken from it. */
export function unitsOf(cell: (column: string) => unknown): Decimal {
  const quantity = cell("quantity") as Decimal;
  if (cell("fee_asset") !== "SOL") return quantity;
  return cell("side") === "buy" ? subtract(quantity, cell("fee") as Decimal) : add(quantity, cell("fee") as Decimal);
}
