import { type Random, hasCode, seededRandom } from "@bellwether/service-kit";
import { Coverage, type Pair, planOf } from "./coverage.ts";
import type { Backup, JournalFault, Recorded } from "./journal/memory-postgres.ts";
import type { Monitor } from "./monitor.ts";
import type { Mutant } from "./mutants.ts";
import { People } from "./people.ts";
import { type Wants, registrationOf, strategies } from "./world/agent-node.ts";
import { type ChainFault, chainFaults } from "./world/chain-model.ts";
import { type ExchangeFault, type RequestKind, exchangeFaults } from "./world/exchange-wire.ts";
import type { CallFault } from "./world/network.ts";
import type { BrokerCall } from "./world/risk-node.ts";
import type { ProcessKind } from "./world/sim-process.ts";
import { type Fate, type Template, World } from "./world/world.ts";

/** Pairs of crash and fault that one history tries. */
const episodes = 6;
const barsPerEpisode = 3;
const mostBars = 80;
const minimumIntents = 20;
/** Bars of a minute close this often: the market runs fifty times as fast as the wall. */
const barMs = 1_200;
const longestEndMs = 60_000;
/** What a price loses in a minute when a market slumps. */
const slump = 0.08;

export interface HistoryResult {
  readonly coverage: Coverage;
  readonly seen: Monitor["seen"] & Monitor["control"] & Monitor["legs"];
  readonly virtualMs: number;
}

/** What a pair of crash and fault does to the requests and steps that it meets; each once. */
class PairFate implements Fate {
  readonly #random: Random;
  #pair: Pair | undefined;
  #skip = 0;
  #bar = 0;
  #droppedApproval = false;
  crashed = false;
  faulted = false;

  constructor(random: Random) {
    this.#random = random;
  }

  arm(pair: Pair): void {
    this.#pair = pair;
    this.crashed = false;
    this.faulted = false;
    this.#droppedApproval = false;
    this.#bar = 0;
    // Transactions are many: not always the first.
    this.#skip = pair.step.includes("transaction") ? Math.floor(this.#random.next() * 8) : 0;
  }

  disarm(): void {
    this.#pair = undefined;
  }

  nextBar(): void {
    this.#bar += 1;
  }

  get met(): boolean {
    return this.crashed && this.faulted;
  }

  get pair(): Pair | undefined {
    return this.#pair;
  }

  crashes(kind: ProcessKind, step: string): boolean {
    if (this.crashed || this.#pair?.step !== `${kind}:${step}`) return false;
    if (this.#skip > 0) {
      this.#skip -= 1;
      return false;
    }
    this.crashed = true;
    return true;
  }

  exchangeFault(kind: RequestKind, rows: number): ExchangeFault | undefined {
    const fault = this.#pair?.fault;
    if (this.faulted || fault === undefined || !isExchangeFault(fault) || !concerns(fault, kind, rows)) return undefined;
    this.faulted = true;
    return fault;
  }

  chainFault(): ChainFault | undefined {
    const fault = this.#pair?.fault;
    if (this.faulted || fault === undefined || !isChainFault(fault)) return undefined;
    this.faulted = true;
    return fault;
  }

  callFault(kind: BrokerCall | "decide"): CallFault {
    // Nothing is voided but what was approved and never arrived.
    if (kind === "submit" && this.#pair?.step.includes("tombstone") && !this.#droppedApproval) {
      this.#droppedApproval = true;
      if (this.#pair.fault === "approval-lost") this.faulted = true;
      return "request-lost";
    }
    const planned = this.faulted ? undefined : callFaults[this.#pair?.fault ?? ""];
    if (!planned || planned.kind !== kind) return "none";
    this.faulted = true;
    return planned.fault;
  }

  journalFault(): JournalFault {
    const fault = this.#pair?.fault;
    if (this.faulted || this.#bar === 0 || this.#random.next() < 0.7) return "none";
    if (fault !== "commit-reply-lost" && fault !== "journal-outage") return "none";
    this.faulted = true;
    return fault === "commit-reply-lost" ? "commit-reply-lost" : "unavailable";
  }

  agentWants(): Wants {
    const { step = "", fault = "" } = this.#pair ?? {};
    if (fault.startsWith("cancel")) return this.#bar <= 1 ? "rests" : "cancels";
    return fault.endsWith("fills") || fault === "duplicate-fill" || step.includes("fill") ? "orders" : "anything";
  }
}

const callFaults: Readonly<Record<string, { kind: "submit" | "decide"; fault: CallFault }>> = {
  "decision-reply-lost": { kind: "decide", fault: "reply-lost" },
  "approval-lost": { kind: "submit", fault: "request-lost" },
  "approval-late": { kind: "submit", fault: "request-late" },
  "approval-reply-lost": { kind: "submit", fault: "reply-lost" },
  "approval-reset": { kind: "submit", fault: "reset" },
};

function isExchangeFault(fault: string): fault is ExchangeFault {
  return (exchangeFaults as readonly string[]).includes(fault);
}

function isChainFault(fault: string): fault is ChainFault {
  return (chainFaults as readonly string[]).includes(fault);
}

/** Which requests a fault is about. */
function concerns(fault: ExchangeFault, kind: RequestKind, rows: number): boolean {
  if (fault === "duplicate-fill") return kind === "trades" && rows > 0;
  if (fault === "reordered-fills") return kind === "trades" && rows > 1;
  if (fault === "cancel-lost" || fault === "cancel-reply-lost") return kind === "cancel" || kind === "release";
  return kind === "place" || kind === "protect";
}

/** One history: a market, two strategies, and six crashes, each with a fault of its own. The same seed is the same history, to the last event. */
export class History {
  readonly #planned: readonly Pair[];
  readonly #random: Random;
  readonly #fate: PairFate;
  readonly #world: World;
  readonly #people: People;
  /** Strategies that are still there. */
  readonly #registered = new Set<string>(strategies);
  readonly #coverage = new Coverage();
  #price = 100;
  #bars = 0;
  #backup: Backup | undefined;

  constructor(seed: number, template: Template, mutant?: Mutant) {
    const { venue, planned } = planOf(seed, episodes);
    this.#planned = planned;
    this.#random = seededRandom(seed ^ 0x5eed);
    this.#fate = new PairFate(this.#random);
    const breakers = this.#random.next() < 0.5;
    const protects = venue === "exchange" && this.#random.next() < 0.5;
    this.#world = new World({ seed, template, venue, breakers, protects, fate: this.#fate, mutant });
    this.#people = new People(this.#world);
  }

  /** Tells of everything that happens in the journal from here on. */
  record(recorder: (event: Recorded) => void): void {
    this.#world.server.recorder = recorder;
  }

  /** @throws Violation, or whatever else the code under test did that it must not do */
  async run(): Promise<HistoryResult> {
    const world = this.#world;
    const onStray = (error: unknown): void => world.fail(error);
    process.on("unhandledRejection", onStray);
    try {
      await this.#open();
      for (const [index, pair] of this.#planned.entries()) await this.#episode(pair, index);
      while (world.monitor.seen.intents < minimumIntents && this.#bars < mostBars) await this.#bar();
      await this.#finish();
      const seen = { ...world.monitor.seen, ...world.monitor.control, ...world.monitor.legs };
      return { coverage: this.#coverage, seen, virtualMs: world.clock.nowMs() - 1_700_000_000_000 };
    } finally {
      world.end();
      process.off("unhandledRejection", onStray);
    }
  }

  /** Until both strategies have their capital. */
  async #open(): Promise<void> {
    await this.#register(false);
    await this.#bar();
  }

  /** The operator asks again until each strategy is admitted. */
  async #register(suspended: boolean): Promise<void> {
    for (const uid of this.#registered) {
      await this.#people.insist(`registration of ${uid}`, async (service) => {
        const { admitted } = await service.register(registrationOf(uid, suspended));
        return admitted ? true : undefined;
      });
    }
  }

  async #episode(pair: Pair, index: number): Promise<void> {
    const world = this.#world;
    world.exchange.settings.pieces = pair.fault === "reordered-fills" ? 3 : 1 + this.#pick(3);
    this.#fate.arm(pair);
    await this.#disturb(index);
    for (let bar = 0; bar < barsPerEpisode && !this.#fate.met; bar += 1) await this.#bar();
    if (this.#fate.met) this.#coverage.hit(pair);
    this.#fate.disarm();
  }

  async #bar(): Promise<void> {
    this.#bars += 1;
    this.#fate.nextBar();
    this.#price = Math.min(125, Math.max(80, this.#price * (1 + (this.#random.next() - 0.5) * 0.05)));
    this.#world.closeBar(Number(this.#price.toFixed(2)), String(5 + this.#pick(60)));
    await this.#world.advance(barMs);
    this.#world.monitor.look();
  }

  /** What happens in a history besides crashes and lost messages. */
  async #disturb(episode: number): Promise<void> {
    const world = this.#world;
    const kind = this.#random.next();
    // A copy is made early and comes back late: most of a history is held by the sub-accounts' cash, too, which no copy can mend.
    if (episode === 1) this.#backup = world.server.backup();
    await this.#people.resume();
    if (kind < 0.07) await this.#haltAndResume();
    else if (kind < 0.17) world.startRisk();
    else if (kind < 0.22) world.kill("risk");
    else if (kind < 0.27) world.kill("broker");
    else if (kind < 0.42) await this.#attack();
    else if (kind < 0.55) await this.#act(episode);
    else if (kind < 0.68 && episode >= episodes - 2 && this.#backup) {
      world.restore(this.#backup);
      this.#people.forgotten();
      this.#backup = undefined;
    }
    if (this.#random.next() < 0.25) this.#price *= 1 - slump;
    if (this.#random.next() < 0.5) await this.#people.reset(this.#random.next() < 0.5);
  }

  /** What people do to a policy, a strategy or an account. */
  async #act(episode: number): Promise<void> {
    const kind = this.#random.next();
    if (kind < 0.4) return this.#people.halt();
    // What follows changes what is whose: no older copy of the journal knows of it.
    this.#backup = undefined;
    if (kind < 0.7) return this.#delete(episode);
    if (this.#world.venue !== "exchange") return;
    const side = this.#random.next() < 0.5 || this.#registered.size < strategies.length ? "buy" : "sell";
    await this.#people.adoptForeignTrade(side, () => this.#bar());
  }

  async #delete(episode: number): Promise<void> {
    if (episode < episodes / 2 || this.#registered.size < strategies.length) return;
    // What another hand has sold, or an older journal says is still held, is not there to be sold: such a strategy waits for a person.
    const { exchange, monitor } = this.#world;
    if (monitor.restored || exchange.foreignTrades.some(({ side }) => side === "sell")) return;
    const [uid] = this.#registered;
    if (uid === undefined) return;
    this.#registered.delete(uid);
    await this.#people.delete(uid, this.#random.next() < 0.3 ? "Keep" : "Flatten");
  }

  async #haltAndResume(): Promise<void> {
    const world = this.#world;
    world.setPolicy({ halt: "drill" });
    await this.#bar();
    world.setPolicy({ halt: undefined });
  }

  /** Somebody holds an approval that was on the wire, and a connection to the broker. */
  async #attack(): Promise<void> {
    const { broker, lastApproval, monitor } = this.#world;
    if (!lastApproval || !broker || broker.process.dead || !(broker.broker as unknown)) return;
    const forged = [
      { ...lastApproval, order: lastApproval.order.replace(/quantity=[^\n]*/, "quantity=77") },
      { ...lastApproval, expiresAt: lastApproval.expiresAt + 60_000 },
      { ...lastApproval, nonce: "another-nonce-of-my-own-0123456789" },
      { ...lastApproval, epoch: lastApproval.epoch + 1 },
      { ...lastApproval, keyId: "0".repeat(32) },
      lastApproval,
    ];
    for (const approval of forged) {
      broker.broker.submit(approval).then(
        () => undefined,
        (error: unknown) => {
          if (hasCode(error)) monitor.seen.refusedAttacks += 1;
          else this.#world.fail(error);
        },
      );
    }
    await this.#world.advance(50);
  }

  /** The world heals; what works is cancelled; everything finds its end. */
  async #finish(): Promise<void> {
    const world = this.#world;
    this.#fate.disarm();
    world.mendClock();
    // What protects a position has to outlive a halt; a deleted strategy is not sold during one.
    const halts = this.#registered.size === strategies.length && this.#random.next() < 0.25;
    await this.#people.resume();
    if (halts) await this.#people.halt();
    await this.#register(true);
    // Quiet for three seconds: nothing is owed to any order, and nothing that was late is still under way.
    let quietMs = 0;
    for (let waitedMs = 0; waitedMs < longestEndMs && quietMs < 3_000; waitedMs += 500) {
      await world.advance(500);
      quietMs = world.monitor.settled && world.quiet ? quietMs + 500 : 0;
    }
    world.monitor.checkEnd();
  }

  #pick(below: number): number {
    return Math.floor(this.#random.next() * below);
  }
}
