import { type Decimal, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { MemoryPostgres } from "./journal/memory-postgres.ts";
import type { Row } from "./journal/tables.ts";
import { Violation } from "./violation.ts";

/** What becomes of a deleted strategy's position. */
export type OnDelete = "Keep" | "Flatten";

interface Phase {
  readonly phase: string;
  readonly episode: number;
}

/** Of what a deleted strategy held, no more than this may be handed over instead of sold: less than the venue takes. */
const dust = parseDecimal("0.00001");
/** A venue that refuses one sale after the other is not to be asked without a pause. */
const hammering = { sales: 12, withinMs: 5_000 };
/** A sale that was being judged when its breaker was armed again. */
const racedMs = 2_000;

/**
 * Invariant 3 as far as breakers and people are concerned, looked at with every single commit: nothing is sold because of a trip that the journal does not know, a
 * breaker that only a person arms is armed with that person's event and in its commit, and what is deleted buys nothing.
 */
export class ControlMonitor {
  readonly #server: MemoryPostgres;
  readonly #nowMs: () => number;
  readonly #deleted = new Map<string, OnDelete>();
  #phases = new Map<string, Phase>();
  /** The states as they were read last: most commits change none of them. */
  #states = "";
  #resets = 0;
  #orders = 0;
  /** When the last sales of everything were approved. */
  #sales: readonly number[] = [];
  #trippedMs = Number.NEGATIVE_INFINITY;
  #violation: Violation | undefined;
  readonly seen = { trips: 0, flattens: 0, resets: 0, halts: 0, deletions: 0, adoptions: 0 };

  constructor(server: MemoryPostgres, nowMs: () => number) {
    this.#server = server;
    this.#nowMs = nowMs;
    server.onCommit(() => this.#look());
  }

  /** @throws Violation that a commit since the last call has shown */
  check(): void {
    if (this.#violation) throw this.#violation;
  }

  deleted(uid: string, onDelete: OnDelete): void {
    this.#deleted.set(uid, onDelete);
    this.seen.deletions += 1;
  }

  /** A person has deleted it, and its position stays: it belongs to nobody then. */
  isKept(uid: string): boolean {
    return this.#deleted.get(uid) === "Keep";
  }

  /** A breaker is tripped, or cools down: each of them sells everything here. */
  get isTripped(): boolean {
    for (const row of this.#server.peek("risk.breakers"))
      if ((JSON.parse(String(this.#server.cell("risk.breakers", row, "state"))) as Phase).phase !== "Armed") return true;
    return false;
  }

  /** An older copy: what it says is where counting begins. */
  restored(): void {
    this.#states = "";
    this.#phases = this.#read() ?? new Map<string, Phase>();
    this.#resets = this.#countResets();
    this.#orders = this.#server.size("risk.orders");
  }

  /** What was deleted with Flatten is sold, and its strategy settled. */
  checkEnd(): void {
    this.check();
    this.seen.adoptions = this.#countEvents("Adopt");
    this.seen.halts = this.#countEvents("Halt");
    this.seen.resets = this.#countResets();
    for (const [uid, onDelete] of this.#deleted) {
      if (!this.#settled(uid)) throw new Violation(3, `strategy ${uid} was deleted and is never settled`);
      if (onDelete === "Keep") continue;
      for (const row of this.#server.peek("risk.transfers")) {
        const cell = (name: string): unknown => this.#server.cell("risk.transfers", row, name);
        if (cell("kind") !== "Settlement" || cell("from_sub_account") !== uid || cell("asset") === "USDT") continue;
        const amount = cell("amount") as Decimal;
        if (amount >= dust)
          throw new Violation(3, `strategy ${uid} was to be sold and left ${formatDecimal(amount)} ${String(cell("asset"))}`);
      }
    }
  }

  /** Whether nothing of a deletion is to be done any more. */
  get settled(): boolean {
    return [...this.#deleted.keys()].every((uid) => this.#settled(uid));
  }

  #look(): void {
    if ([...this.#phases.values()].some(({ phase }) => phase !== "Armed")) this.#trippedMs = this.#nowMs();
    const phases = this.#read();
    if (!phases) return this.#lookAtOrders();
    if ([...phases.values()].some(({ phase }) => phase !== "Armed")) this.#trippedMs = this.#nowMs();
    this.#lookAtBreakers(phases);
    this.#phases = phases;
    this.#lookAtOrders();
  }

  #lookAtBreakers(phases: ReadonlyMap<string, Phase>): void {
    const resets = this.#countResets();
    const armed = [...phases].flatMap(([type, { phase }]) => {
      const before = this.#phases.get(type)?.phase ?? "Armed";
      if (before === "Armed" && phase !== "Armed") this.seen.trips += 1;
      return before !== "Armed" && phase === "Armed" ? [type] : [];
    });
    if (armed.includes("Drawdown") && resets === this.#resets)
      this.#found(`the breaker Drawdown is armed again, and the journal names nobody who asked for it`);
    if (resets > this.#resets && !this.#armedByLastReset(phases))
      this.#found("the journal has the event of a reset, and its breaker is still tripped");
    this.#resets = resets;
  }

  #armedByLastReset(phases: ReadonlyMap<string, Phase>): boolean {
    const details = this.#events("ResetBreaker").map((row) => String(this.#server.cell("risk.control_events", row, "detail")));
    const [, type = ""] = /^circuit breaker (\w+)/.exec(details.at(-1) ?? "") ?? [];
    return (phases.get(type)?.phase ?? "Armed") === "Armed";
  }

  #lookAtOrders(): void {
    const rows = this.#server.since("risk.orders", this.#orders);
    this.#orders += rows.length;
    for (const row of rows) {
      const cell = (name: string): unknown => this.#server.cell("risk.orders", row, name);
      const uid = String(cell("strategy_uid"));
      if (this.#deleted.has(uid) && cell("side") === "buy") this.#found(`strategy ${uid} is deleted and buys`);
      if (!this.#isFlatten(String(cell("intent_id")))) continue;
      this.seen.flattens += 1;
      if (this.#isBeingSold(uid)) continue;
      this.#sales = [...this.#sales, this.#nowMs()].slice(-hammering.sales);
      const [first = 0] = this.#sales;
      if (this.#sales.length === hammering.sales && this.#nowMs() - first < hammering.withinMs)
        this.#found(`${hammering.sales} sales of everything within ${this.#nowMs() - first} ms`);
      if (this.#nowMs() - this.#trippedMs <= racedMs) continue;
      this.#found(`order ${String(cell("client_order_id"))} sells everything, and the journal knows of no trip`);
    }
  }

  #isFlatten(intentId: string): boolean {
    const intent = this.#server.find("risk.intents", "intent_id", intentId);
    return intent !== undefined && this.#server.cell("risk.intents", intent, "kind") === "flatten";
  }

  #isBeingSold(uid: string): boolean {
    const strategy = this.#server.find("risk.strategies", "uid", uid);
    return strategy !== undefined && this.#server.cell("risk.strategies", strategy, "deletion") === "Flatten";
  }

  #settled(uid: string): boolean {
    const strategy = this.#server.find("risk.strategies", "uid", uid);
    return strategy !== undefined && this.#server.cell("risk.strategies", strategy, "settled_at") !== null;
  }

  /** Undefined: neither a state nor the number of resets has changed since the last look. */
  #read(): Map<string, Phase> | undefined {
    const cell = (row: Row, name: string): string => String(this.#server.cell("risk.breakers", row, name));
    const rows = [...this.#server.peek("risk.breakers")];
    const states = `${this.#server.size("risk.control_events")} ${rows.map((row) => cell(row, "state")).join()}`;
    if (states === this.#states) return undefined;
    this.#states = states;
    return new Map(rows.map((row) => [cell(row, "type"), JSON.parse(cell(row, "state")) as Phase]));
  }

  #events(what: string): Row[] {
    const rows = [...this.#server.peek("risk.control_events")];
    return rows.filter((row) => this.#server.cell("risk.control_events", row, "what") === what);
  }

  #countEvents(what: string): number {
    return this.#events(what).length;
  }

  #countResets(): number {
    return this.#countEvents("ResetBreaker");
  }

  #found(message: string): void {
    this.#violation ??= new Violation(3, message);
  }
}
