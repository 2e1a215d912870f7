import {
  type Approval,
  type DecisionReply,
  type DecisionRequest,
  type Decimal,
  type FinalOrder,
  ZERO,
  add,
  decimalFromNumber,
  formatDecimal,
  multiply,
  negate,
  parseCanonicalOrder,
  parseDecimal,
  subtract,
} from "@bellwether/trading";
import { ControlMonitor, type OnDelete } from "./control-monitor.ts";
import { LegMonitor, unitsOf } from "./leg-monitor.ts";
import type { MemoryPostgres } from "./journal/memory-postgres.ts";
import type { Row } from "./journal/tables.ts";
import { Violation } from "./violation.ts";
import { assets } from "./world/exchange-model.ts";
import type { PlacedTrade, VenueTruth } from "./world/venue-truth.ts";

export interface MonitorOptions {
  readonly server: MemoryPostgres;
  readonly venue: VenueTruth;
  /** Of the virtual chain: whether bytes have landed there, or may yet. */
  readonly mayLand: (signature: string, wire: string) => boolean;
  readonly nowMs: () => number;
  readonly price: () => number;
  readonly limits: { readonly maxOrderNotional: string; readonly maxOpenOrders: number; readonly maxPositionRatio: string };
  readonly startingUsdt: string;
  /** Orders and legs can rest at the venue. */
  readonly rests: boolean;
  /** Whether another hand has sold anything of the account's. */
  readonly tradesForeign: () => boolean;
  /** For fees; belongs to nobody. */
  readonly startingSol: string;
}

const haltMs = 1_000;
const live = new Set(["AboutToSend", "Unknown", "Working"]);

/**
 * Holds design §6, invariants 1 to 4, after every event, from the outside: what the exchange has, what the tables say, what left risk. It asks nothing of the
 * code under test.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #approved = new Map<string, FinalOrder>();
  readonly #nonces = new Map<string, string>();
  readonly #sent = new Map<string, number>();
  readonly #placedIntents = new Map<string, string>();
  readonly #decided = new Map<string, string>();
  readonly #control: ControlMonitor;
  readonly #legs: LegMonitor;
  #seenOrders = 0;
  #seenFills = 0;
  #judgedOrders = 0;
  #dirty = true;
  #haltedAtMs: number | undefined;
  #held = false;
  /** Postgres came back from an older copy: what sub-accounts held is a person's to mend, what the account holds is not. */
  restored = false;
  readonly seen = { intents: 0, orders: 0, fills: 0, events: 0, refusedAttacks: 0 };

  constructor(options: MonitorOptions) {
    this.#options = options;
    options.server.onCommit(() => void (this.#dirty = true));
    this.#control = new ControlMonitor(options.server, options.nowMs);
    this.#legs = new LegMonitor({
      server: options.server,
      venue: options.venue,
      approved: (id) => this.#approved.get(id),
      isKept: (uid) => this.#control.isKept(uid),
    });
  }

  halted(atMs: number | undefined): void {
    this.#haltedAtMs = atMs;
  }

  /** Journal and venue differ, risk knows it, and no person has said what is true. */
  held(held: boolean): void {
    this.#held = held;
  }

  deleted(uid: string, onDelete: OnDelete): void {
    this.#control.deleted(uid, onDelete);
  }

  /** What breakers and people have done so far. */
  get control(): ControlMonitor["seen"] {
    return this.#control.seen;
  }

  get legs(): LegMonitor["seen"] {
    return this.#legs.seen;
  }

  /** The request to let legs rest leaves the broker. */
  onProtecting(ids: readonly string[]): void {
    this.#legs.onSending(ids);
  }

  /** An approval leaves risk. */
  onApproval({ nonce, order }: Approval): void {
    if (this.#held) throw new Violation(3, "an order is approved while journal and venue differ");
    const known = this.#nonces.get(nonce);
    if (known !== undefined && known !== order) throw new Violation(4, `one nonce approves two orders: ${nonce}`);
    this.#nonces.set(nonce, order);
    const parsed = parseCanonicalOrder(order);
    this.#approved.set(parsed.clientOrderId, parsed);
  }

  /** The request to place an order leaves the broker. @param atMs when that was decided for good */
  onPlacing(clientOrderId: string, atMs: number = this.#options.nowMs()): void {
    const order = this.#approved.get(clientOrderId);
    // A leg that the price has passed is sold under its own id, and nobody approves it apart.
    if (!order && this.#legs.knows(clientOrderId)) return this.#legs.onSending([clientOrderId]);
    if (!order) throw new Violation(4, `order ${clientOrderId} is sent without an approval`);
    const verdict = this.#find("risk.orders", "client_order_id", clientOrderId);
    if (!verdict && !this.restored) throw new Violation(4, `order ${clientOrderId} is sent and the journal has no verdict on it`);
    const record = this.#find("broker.orders", "client_order_id", clientOrderId);
    if (!record) throw new Violation(1, `order ${clientOrderId} is sent and was not recorded as about to be`);
    const times = (this.#sent.get(clientOrderId) ?? 0) + 1;
    this.#sent.set(clientOrderId, times);
    if (times > 1) throw new Violation(1, `order ${clientOrderId} is sent for the ${times}th time`);
    if (order.side === "sell") return;
    if (this.#balanced) this.#legs.onBuying(clientOrderId, this.#options.nowMs());
    const haltedAtMs = this.#haltedAtMs;
    if (haltedAtMs === undefined) return;
    const sinceMs = atMs - haltedAtMs;
    if (sinceMs > haltMs) throw new Violation(3, `order ${clientOrderId} is sent ${sinceMs} ms after the halt`);
  }

  /** Bytes of a wallet leave. @returns whose they are */
  onSending(signature: string): string {
    const row = this.#find("broker.solana_transactions", "signature", signature);
    if (!row) throw new Violation(1, `bytes ${signature.slice(0, 16)} leave and were not stored`);
    const clientOrderId = String(this.#cell("broker.solana_transactions", row, "operation_id"));
    // Bytes that were signed before a halt may have left: whoever begins anew sends them again, and cannot know whether it is for the first time.
    this.onPlacing(clientOrderId, Number(this.#cell("broker.solana_transactions", row, "stored_at_ms")));
    return clientOrderId;
  }

  onReply(request: DecisionRequest, reply: DecisionReply): void {
    if (reply.stored === "new") this.seen.intents += request.intents.length;
    const key = `${request.strategyUid}/${request.run}/${request.decisionTime}`;
    const body = JSON.stringify(request);
    const known = this.#decided.get(key);
    if (reply.stored === "new" && known !== undefined && !this.restored)
      throw new Violation(1, `the bar ${key} is decided twice`);
    if (known === undefined || reply.stored === "new") this.#decided.set(key, body);
    else if (known !== body) throw new Violation(1, `the bar ${key} has two decisions`);
  }

  /** The journal was put back: its rows are counted afresh. */
  journalRestored(): void {
    this.restored = true;
    this.#seenFills = 0;
    this.#judgedOrders = this.#options.server.size("risk.orders");
    this.#control.restored();
    this.#decided.clear();
  }

  /** After each bar: what is too much to be looked at after every event. */
  look(): void {
    if (this.#balanced) this.#legs.look(this.#options.nowMs());
  }

  /** After every event. */
  check(): void {
    this.seen.events += 1;
    if (this.#options.venue.orders.length > this.#seenOrders) this.#checkPlaced();
    if (this.#balanced) this.#legs.checkBlocked();
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#control.check();
    this.#checkFills();
    this.#checkGivenUp();
    this.#checkVerdicts();
  }

  /** Every strategy's books say what it really holds: neither did another hand sell, nor has a journal forgotten. */
  get #balanced(): boolean {
    return this.#options.rests && !this.restored && !this.#options.tradesForeign();
  }

  /** Every deletion is done, what should be sold is, and what should be protected is. */
  get settled(): boolean {
    return this.#control.settled && this.idle && (!this.#balanced || (this.#legs.settled && this.#unsold === undefined));
  }

  /** What a tripped breaker should have sold by now; nothing is sold while a person has halted the policy. */
  get #unsold(): string | undefined {
    return this.#control.isTripped && this.#haltedAtMs === undefined ? this.#legs.unsold() : undefined;
  }

  /** Every order has ended in both schemas, and every execution is recorded. */
  get idle(): boolean {
    const { server, venue } = this.#options;
    for (const row of server.peek("risk.orders")) if (this.#cell("risk.orders", row, "released_at") === null) return false;
    for (const row of server.peek("broker.orders")) if (live.has(String(this.#cell("broker.orders", row, "state")))) return false;
    let open = ZERO;
    for (const { trades } of [...venue.orders, ...venue.legs]) for (const { quantity } of trades) open = add(open, quantity);
    for (const row of server.peek("broker.fills")) open = subtract(open, this.#cell("broker.fills", row, "quantity") as Decimal);
    return open === ZERO;
  }

  /** When nothing is under way any more: everything has ended, and every unit is where it belongs. */
  checkEnd(): void {
    const { server, venue, startingUsdt, startingSol } = this.#options;
    this.check();
    this.#control.checkEnd();
    if (this.#balanced) this.#legs.checkEnd();
    if (this.#balanced && this.#unsold !== undefined) throw new Violation(3, `a breaker is tripped, and ${this.#unsold}`);
    const orders = this.#table("broker.orders");
    for (const row of server.peek("risk.orders")) {
      const id = String(this.#cell("risk.orders", row, "client_order_id"));
      if (this.#cell("risk.orders", row, "released_at") === null)
        throw new Violation(3, `the reservation of order ${id} is never released`);
    }
    for (const row of orders.values()) {
      const id = String(this.#cell("broker.orders", row, "client_order_id"));
      const state = String(this.#cell("broker.orders", row, "state"));
      const there = venue.order(id);
      const expected = there?.state ?? "absent";
      // A transaction whose blockhash expired is nowhere, and never will be.
      const agrees = there ? state === there.state : state === "NotSent" || state === "Rejected" || state === "Expired";
      if (!agrees) throw new Violation(2, `order ${id} is ${state} in the journal and ${expected} at the venue`);
    }
    for (const { clientId } of venue.orders)
      if (!orders.has(clientId) && !this.#legs.knows(clientId)) throw new Violation(2, `the journal has lost order ${clientId}`);
    const journal = this.#fold();
    const book = (asset: string, amount: Decimal): void => void journal.set(asset, add(journal.get(asset) ?? ZERO, amount));
    book("USDT", parseDecimal(startingUsdt));
    book("SOL", parseDecimal(startingSol));
    for (const row of server.peek("broker.charges")) {
      const cell = (name: string): unknown => this.#cell("broker.charges", row, name);
      book(String(cell("asset")), negate(cell("amount") as Decimal));
    }
    for (const row of server.peek("risk.adjustments")) {
      const cell = (name: string): unknown => this.#cell("risk.adjustments", row, name);
      book(String(cell("asset")), cell("amount") as Decimal);
    }
    for (const asset of assets) {
      const expected = journal.get(asset) ?? ZERO;
      if (expected !== venue.balance(asset))
        throw new Violation(
          2,
          `${asset}: the journal says ${formatDecimal(expected)}, the venue ${formatDecimal(venue.balance(asset))}`,
        );
    }
  }

  #checkPlaced(): void {
    const { orders } = this.#options.venue;
    for (const { clientId, venueOrderId } of orders.slice(this.#seenOrders)) {
      if (this.#legs.knows(clientId)) continue;
      const intent = this.#approved.get(clientId)?.intentId;
      if (intent === undefined) throw new Violation(4, `the exchange holds order ${clientId} that risk has not approved`);
      const known = this.#placedIntents.get(intent);
      if (known !== undefined)
        throw new Violation(1, `intent ${intent} has two orders at the exchange: ${known} and ${venueOrderId}`);
      this.#placedIntents.set(intent, venueOrderId);
      this.seen.orders += 1;
    }
    this.#seenOrders = orders.length;
  }

  /** Each recorded fill is one execution of the venue, to the last digit; a swap may be told in two, which come to what it moved. */
  #checkFills(): void {
    const rows = this.#options.server.since("broker.fills", this.#seenFills);
    for (const row of rows) {
      const cell = (name: string): unknown => this.#cell("broker.fills", row, name);
      const id = String(cell("trade_id"));
      const [whole] = id.split("#");
      const clientOrderId = String(cell("client_order_id"));
      const order = cell("leg") === "entry" ? this.#options.venue.order(clientOrderId) : this.#legs.legOf(clientOrderId, id);
      const trade = order?.trades.find(({ tradeId }) => tradeId === id || tradeId === whole);
      if (!trade || !this.#tells(trade, row)) throw new Violation(2, `fill ${id} is not what the venue has executed`);
      this.seen.fills += 1;
      if (this.#balanced) this.#legs.onFill({ clientOrderId, side: cell("side"), leg: cell("leg"), amount: unitsOf(cell) });
    }
    this.#seenFills += rows.length;
  }

  #tells({ tradeId, quantity, price, quote, fee, feeAsset }: PlacedTrade, row: Row): boolean {
    const cell = (name: string): unknown => this.#cell("broker.fills", row, name);
    if (cell("fee_asset") !== feeAsset) return false;
    if (cell("quantity") === quantity) return cell("price") === price && cell("fee") === fee;
    const parts = [...this.#options.server.peek("broker.fills")].filter((part) =>
      String(this.#cell("broker.fills", part, "trade_id")).startsWith(tradeId),
    );
    const sum = (of: (name: (column: string) => Decimal) => Decimal): Decimal =>
      parts.reduce<Decimal>(
        (total, part) =>
          add(
            total,
            of((column) => this.#cell("broker.fills", part, column) as Decimal),
          ),
        ZERO,
      );
    return (
      sum((of) => of("quantity")) === quantity &&
      sum((of) => multiply(of("quantity"), of("price"), "down")) === quote &&
      sum((of) => of("fee")) === fee
    );
  }

  /** Bytes are given up only when they can never land: whoever is told so may sign anew. */
  #checkGivenUp(): void {
    for (const row of this.#options.server.peek("broker.solana_transactions")) {
      const cell = (name: string): unknown => this.#cell("broker.solana_transactions", row, name);
      if (cell("state") !== "NeverLanded") continue;
      const signature = String(cell("signature"));
      if (this.#options.mayLand(signature, String(cell("wire"))))
        throw new Violation(1, `signature ${signature.slice(0, 16)} is given up, and it has landed or may yet`);
    }
  }

  /** Limits, with every open order counted by what it may still take. */
  #checkVerdicts(): void {
    const fresh = this.#options.server.since("risk.orders", this.#judgedOrders);
    this.#judgedOrders += fresh.length;
    const buys = fresh.filter((row) => this.#cell("risk.orders", row, "side") === "buy");
    if (buys.length === 0) return;
    const { limits } = this.#options;
    const open = this.#openBuys([...this.#options.server.peek("risk.orders")]);
    if (open.length > limits.maxOpenOrders)
      throw new Violation(3, `${open.length} buys are open, at most ${limits.maxOpenOrders} may be`);
    for (const row of buys) {
      const expected = this.#cell("risk.orders", row, "expected_quote") as Decimal;
      if (expected > parseDecimal(limits.maxOrderNotional))
        throw new Violation(3, `an order of ${formatDecimal(expected)} was approved`);
    }
    if (this.restored) return;
    for (const uid of new Set(buys.map((row) => String(this.#cell("risk.orders", row, "strategy_uid")))))
      this.#checkSolvent(uid, open);
    this.#checkPosition(open);
  }

  /** The strategy's cash covers all that its open buys can still cost. */
  #checkSolvent(uid: string, open: readonly OpenBuy[]): void {
    const cash = this.#fold(uid).get("USDT") ?? ZERO;
    const claimed = open.filter((order) => order.uid === uid).reduce<Decimal>((sum, { cost }) => add(sum, cost), ZERO);
    if (claimed > cash)
      throw new Violation(3, `open buys of ${uid} may cost ${formatDecimal(claimed)}, it has ${formatDecimal(cash)}`);
  }

  /** What is held and may be bought stays within the limit; a tenth of it is left for prices that moved between verdict and fill. */
  #checkPosition(open: readonly OpenBuy[]): void {
    const { limits, startingUsdt } = this.#options;
    const journal = this.#fold();
    const held = multiply(journal.get("SOL") ?? ZERO, decimalFromNumber(this.#options.price()), "down");
    const equity = add(add(parseDecimal(startingUsdt), journal.get("USDT") ?? ZERO), held);
    const pending = open.reduce<Decimal>((sum, { expected }) => add(sum, expected), ZERO);
    const most = multiply(multiply(equity, parseDecimal(limits.maxPositionRatio), "up"), parseDecimal("1.1"), "up");
    if (add(held, pending) > most)
      throw new Violation(
        3,
        `${formatDecimal(add(held, pending))} is held or may be bought, at most ${formatDecimal(most)} may be`,
      );
  }

  #openBuys(rows: readonly Row[]): OpenBuy[] {
    const states = this.#table("broker.orders");
    const spent = this.#spent();
    return rows.flatMap((row) => {
      const cell = (name: string): unknown => this.#cell("risk.orders", row, name);
      const id = String(cell("client_order_id"));
      const known = states.get(id);
      const state = known && String(this.#cell("broker.orders", known, "state"));
      if (cell("side") !== "buy" || (state !== undefined && !live.has(state))) return [];
      const { cost: paid = ZERO, quantity: bought = ZERO } = spent.get(id) ?? {};
      const quantity = cell("quantity") as Decimal;
      const left = subtract(quantity, bought);
      const expected = ((cell("expected_quote") as bigint) * left) / quantity;
      return [
        {
          uid: String(cell("strategy_uid")),
          cost: subtract(cell("reserved_quote") as Decimal, paid),
          expected: expected as Decimal,
        },
      ];
    });
  }

  #spent(): Map<string, { cost: Decimal; quantity: Decimal }> {
    const spent = new Map<string, { cost: Decimal; quantity: Decimal }>();
    for (const row of this.#options.server.peek("broker.fills")) {
      const cell = (name: string): unknown => this.#cell("broker.fills", row, name);
      const id = String(cell("client_order_id"));
      const before = spent.get(id) ?? { cost: ZERO, quantity: ZERO };
      const fee = cell("fee_asset") === "USDT" ? (cell("fee") as Decimal) : ZERO;
      const cost = add(multiply(cell("quantity") as Decimal, cell("price") as Decimal, "up"), fee);
      spent.set(id, { cost: add(before.cost, cost), quantity: add(before.quantity, cell("quantity") as Decimal) });
    }
    return spent;
  }

  /** Transfers and fills, per asset: of one sub-account, or fills of the whole account. */
  #fold(uid?: string): Map<string, Decimal> {
    const sums = new Map<string, Decimal>();
    const book = (asset: string, amount: bigint): void => void sums.set(asset, ((sums.get(asset) ?? 0n) + amount) as Decimal);
    const owners = uid === undefined ? undefined : this.#table("risk.orders");
    for (const row of this.#options.server.peek("broker.fills")) {
      const cell = (name: string): unknown => this.#cell("broker.fills", row, name);
      const owner = owners?.get(String(cell("client_order_id")));
      if (owners && (!owner || this.#cell("risk.orders", owner, "strategy_uid") !== uid)) continue;
      const sign = cell("side") === "buy" ? 1n : -1n;
      book("SOL", sign * (cell("quantity") as bigint));
      book("USDT", -sign * multiply(cell("quantity") as Decimal, cell("price") as Decimal, "up"));
      book(String(cell("fee_asset")), -(cell("fee") as bigint));
    }
    if (uid === undefined) return sums;
    for (const row of this.#options.server.peek("risk.transfers")) {
      const cell = (name: string): unknown => this.#cell("risk.transfers", row, name);
      if (cell("to_sub_account") === uid) book(String(cell("asset")), cell("amount") as bigint);
      if (cell("from_sub_account") === uid) book(String(cell("asset")), -(cell("amount") as bigint));
    }
    return sums;
  }

  #table(name: "broker.orders" | "risk.orders"): Map<string, Row> {
    return new Map([...this.#options.server.peek(name)].map((row) => [String(this.#cell(name, row, "client_order_id")), row]));
  }

  #find(table: string, column: string, value: string): Row | undefined {
    return this.#options.server.find(table, column, value);
  }

  #cell(table: string, row: Row, column: string): unknown {
    return this.#options.server.cell(table, row, column);
  }
}

interface OpenBuy {
  readonly uid: string;
  /** The most it can still take. */
  readonly cost: Decimal;
  /** What it was expected to. */
  readonly expected: Decimal;
}
