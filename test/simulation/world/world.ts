import { type JournalDatabase, migrate } from "@bellwether/postgres";
import { type Random, hasCode, seededRandom } from "@bellwether/service-kit";
import { type Approval, type Decimal, decimalFromNumber } from "@bellwether/trading";
import { brokerSchema } from "../../../runtimes/broker/src/journal/migrations/index.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { createSigner } from "../../../runtimes/risk/src/orders/signer.ts";
import type { EffectivePolicy } from "../../../runtimes/risk/src/policy/effective-policy.ts";
import {
  type Backup,
  type Blueprint,
  type JournalFault,
  MemoryDatabase,
  MemoryPostgres,
  emptyPostgres,
} from "../journal/memory-postgres.ts";
import { type Mutant, mutantJournal, mutantSigner, mutateBooks } from "../mutants.ts";
import { Monitor } from "../monitor.ts";
import { Violation } from "../violation.ts";
import { Agent, type Wants, strategies } from "./agent-node.ts";
import { type BrokerNode, startBroker } from "./broker-node.ts";
import type { OpenVenue } from "../../../runtimes/broker/src/venues/venue.ts";
import type { VenueKind } from "../coverage.ts";
import { type SignedFaults, openChainLine } from "./chain-line.ts";
import { type ChainFault, ChainModel, startingBalances } from "./chain-model.ts";
import { ChainNode } from "./chain-node.ts";
import { bytesOf } from "./chain-wallet.ts";
import { openExchangeLine } from "./exchange-line.ts";
import { ExchangeModel } from "./exchange-model.ts";
import { type ExchangeFault, ExchangeWire, type RequestKind } from "./exchange-wire.ts";
import { type CallFault, Network } from "./network.ts";
import { type BrokerCall, BrokerLine, type PolicyText, type RiskNode, limits, policyInForce, startRisk } from "./risk-node.ts";
import { SendVolume } from "./send-volume.ts";
import { SimClock, settle } from "./sim-clock.ts";
import { SimMarket } from "./sim-market.ts";
import { SimProcess, type ProcessKind, isCrash } from "./sim-process.ts";

const startMs = 1_700_000_000_000;
const startingUsdt = "10000";
/** Half of the exchange's receive window is refused; a measurement may be off by the way there. */
const usableOffsetMs = 2_000;
/** A wallet pays its fees in it. */
const startingSol = "1";

/** An empty journal with production's migrations in it, made once and copied for each history. */
export interface Template {
  readonly blueprint: Blueprint;
  readonly backup: Backup;
}

export async function makeTemplate(): Promise<Template> {
  const clock = new SimClock(startMs);
  const server = emptyPostgres(clock);
  const database = new MemoryDatabase({ server, clock, failPoints: { pass: () => undefined }, requireAlive: () => undefined });
  await migrate(database, riskSchema);
  await migrate(database, brokerSchema);
  return { blueprint: server.blueprint, backup: server.backup() };
}

/** What a history decides: who dies where, and what goes wrong with which request. */
export interface Fate {
  crashes(kind: ProcessKind, step: string): boolean;
  exchangeFault(kind: RequestKind, rows: number): ExchangeFault | undefined;
  chainFault(): ChainFault | undefined;
  callFault(kind: BrokerCall | "decide"): CallFault;
  journalFault(kind: ProcessKind): JournalFault;
  agentWants(): Wants;
}

export interface WorldOptions {
  readonly seed: number;
  readonly template: Template;
  readonly venue: VenueKind;
  /** Whether the policy has circuit breakers. */
  readonly breakers: boolean;
  /** Whether programs ask for stops and targets, which rest at the exchange. */
  readonly protects: boolean;
  readonly fate: Fate;
  readonly mutant: Mutant | undefined;
}

/** Everything of one history: what survives processes (exchange, market, Postgres, the volume), the processes, and who watches them. */
export class World {
  readonly clock = new SimClock(startMs);
  readonly random: Random;
  readonly exchange: ExchangeModel;
  readonly market: SimMarket;
  readonly server: MemoryPostgres;
  readonly volume = new SendVolume();
  readonly monitor: Monitor;
  readonly agents: Agent[] = [];
  readonly #options: WorldOptions;
  readonly #network: Network;
  readonly #wire: ExchangeWire;
  readonly #chain: ChainModel;
  readonly #nodes: readonly ChainNode[];
  readonly #signedFaults: SignedFaults = new Map();
  #risk: RiskNode | undefined;
  /** A risk that may not know yet that another one has taken over. */
  #rival: RiskNode | undefined;
  #broker: BrokerNode | undefined;
  #policyText: PolicyText;
  #policy: EffectivePolicy;
  /** The last approval that left risk: what an attacker may have seen. */
  lastApproval: Approval | undefined;
  #fault: unknown;

  constructor(options: WorldOptions) {
    const { seed, template, fate } = options;
    this.#options = options;
    this.#policyText = { breakers: options.breakers };
    this.#policy = policyInForce(this.#policyText);
    this.random = seededRandom(seed);
    const offsetMs = Math.round((this.random.next() - 0.5) * 3_000);
    const price = 100;
    this.market = new SimMarket(price);
    this.exchange = new ExchangeModel(
      { clockOffsetMs: offsetMs, feeInBase: this.random.next() < 0.4, pieces: 1 },
      { usdt: startingUsdt, price: String(price) },
    );
    this.server = new MemoryPostgres(this.clock, template);
    this.#network = new Network(this.clock, this.random, (error) => this.fail(error));
    this.#wire = new ExchangeWire({
      clock: this.clock,
      random: this.random,
      exchange: this.exchange,
      takeFault: (kind, rows) => fate.exchangeFault(kind, rows),
    });
    this.#chain = new ChainModel({
      clock: this.clock,
      random: this.random,
      price: () => this.#price(),
      start: startingBalances({ sol: startingSol, usdt: startingUsdt }),
    });
    // Two are the fewest that can prove that something will never land.
    const nodes = this.random.next() < 0.4 ? 2 : 3;
    this.#nodes = Array.from({ length: nodes }, (_, lag) => new ChainNode(this.#chain, this.clock, lag));
    this.monitor = new Monitor({
      server: this.server,
      venue: options.venue === "chain" ? this.#chain : this.exchange,
      mayLand: (signature, wire) => this.#chain.mayLand(signature, bytesOf(wire).program),
      nowMs: () => this.clock.nowMs(),
      price: () => this.market.close,
      limits,
      startingUsdt,
      rests: options.venue === "exchange",
      tradesForeign: () => this.exchange.foreignTrades.some(({ side }) => side === "sell"),
      startingSol: options.venue === "chain" ? startingSol : "0",
    });
    for (const uid of strategies) this.#startAgent(uid);
    this.#startBroker();
    this.startRisk();
  }

  get venue(): VenueKind {
    return this.#options.venue;
  }

  get risk(): RiskNode | undefined {
    return this.#risk;
  }

  get broker(): BrokerNode | undefined {
    return this.#broker;
  }

  /** Runs everything that happens within the next `ms` of virtual time, and looks at the world after each event. */
  async advance(ms: number, until: () => boolean = () => false): Promise<void> {
    const untilMs = this.clock.nowMs() + ms;
    // Something to stop at, should nothing else happen.
    this.clock.setTimeout(() => undefined, ms);
    while (this.clock.nowMs() < untilMs && !until()) {
      if (!this.clock.next()) throw new Error("the simulation stands still");
      await settle();
      if (this.#fault !== undefined) throw this.#fault;
      this.#mutate();
      this.monitor.check();
    }
  }

  /** Another risk for the same policy; the one before goes on as if nothing had happened. */
  startRisk(): void {
    const process = this.#process("risk");
    const { mutant, fate } = this.#options;
    this.#rival = this.#risk && !this.#risk.process.dead ? this.#risk : undefined;
    const signer = mutantSigner(createSigner(), mutant);
    const broker = new BrokerLine({
      network: this.#network,
      from: process,
      to: () => this.#broker,
      takeFault: (kind) => fate.callFault(kind),
      onApproval: (approval) => {
        this.lastApproval = approval;
        this.#watched(() => this.monitor.onApproval(approval));
      },
    });
    const node = startRisk({
      process,
      database: this.#database(process),
      broker,
      signer,
      policy: this.#policy,
      onEnd: (error) => this.#ended(process, error),
    });
    this.#risk = node;
    process.onDeath(() => this.#restartLater(() => this.#risk === node && this.startRisk()));
  }

  /** Somebody writes into the RiskPolicy; what is not named stays. */
  setPolicy(change: Partial<PolicyText>): void {
    const before = this.#policyText.halt;
    this.#policyText = { ...this.#policyText, ...change };
    this.#policy = policyInForce(this.#policyText);
    for (const node of [this.#risk, this.#rival]) node?.service.setPolicy(this.#policy);
    const { halt } = this.#policyText;
    if (halt !== before) this.monitor.halted(halt === undefined ? undefined : this.clock.nowMs());
  }

  /** A bar closes; the agents hear of it. */
  closeBar(close: number, liquidity: string): void {
    this.exchange.move(close.toFixed(2), liquidity, this.clock.nowMs());
    this.market.closeAt(close);
    for (const agent of this.agents) this.clock.setTimeout(() => void this.#decides(agent), this.#network.latencyMs() + 5);
  }

  /** Postgres comes back from an older copy; what ran on it is started anew. */
  restore(backup: Backup): void {
    this.#rival?.process.kill();
    this.#risk?.process.kill();
    this.#broker?.process.kill();
    this.server.restore(backup);
    // What comes now does not follow from what was recorded before.
    this.server.recorder = undefined;
    this.monitor.journalRestored();
  }

  /** Both services run, and no request is late on its way to the exchange. */
  get quiet(): boolean {
    return this.#risk?.process.dead === false && this.#broker?.process.dead === false && this.#wire.late === 0;
  }

  /** Somebody sets the clocks: a broker that finds them too far apart sends nothing. It measures them when it starts. */
  mendClock(): void {
    const { settings } = this.exchange;
    if (Math.abs(settings.clockOffsetMs) < usableOffsetMs) return;
    settings.clockOffsetMs = 0;
    this.kill("broker");
  }

  kill(kind: "risk" | "broker"): void {
    (kind === "risk" ? this.#risk : this.#broker)?.process.kill();
  }

  /** An error that nobody expected, wherever it surfaced. */
  fail(error: unknown): void {
    if (!isCrash(error)) this.#fault ??= error;
  }

  end(): void {
    for (const node of [this.#risk, this.#rival, this.#broker]) node?.process.kill();
    for (const { process } of this.agents) process.kill();
  }

  #startAgent(uid: string): void {
    const { fate } = this.#options;
    const process = this.#process("agent");
    const agent = new Agent(uid, process, {
      random: this.random,
      network: this.#network,
      // While two risks run, some agents still speak to the older one.
      risk: () => (this.#rival && !this.#rival.process.dead && this.random.next() < 0.5 ? this.#rival : this.#risk),
      takeFault: () => fate.callFault("decide"),
      price: () => this.market.close,
      onReply: (request, reply) => this.#watched(() => this.monitor.onReply(request, reply)),
      wants: () => fate.agentWants(),
      // A swap is at once or not at all.
      rests: this.#options.venue === "exchange",
      protects: this.#options.protects,
    });
    const index = strategies.indexOf(uid as (typeof strategies)[number]);
    this.agents[index] = agent;
    process.onDeath(() => this.clock.setTimeout(() => this.#startAgent(uid), 200 + this.random.next() * 800));
  }

  async #decides(agent: Agent): Promise<void> {
    try {
      await agent.onBar();
    } catch (error) {
      this.fail(error);
    }
  }

  #startBroker(): void {
    const process = this.#process("broker");
    this.market.detach();
    const { mutant } = this.#options;
    const sendLog = this.volume.open(process);
    const openVenue = this.#venueOf(process);
    const forgets = mutant === "restore-reuse-ids";
    process.onDeath(() => this.#restartLater(() => this.#broker?.process === process && this.#startBroker()));
    const starting = startBroker({
      process,
      database: this.#database(process),
      sendLog: forgets ? { ...sendLog, async *history() {} } : sendLog,
      openVenue,
      market: this.market,
      onEvent: (event, data) => this.#relay(event, data),
      onEnd: (error) => this.#ended(process, error),
    });
    // A broker that is being opened is nobody's broker yet; its death is noticed all the same.
    this.#broker = { process, broker: undefined as never };
    starting.then(
      (node) => void (this.#broker = node),
      (error: unknown) => this.#ended(process, error),
    );
  }

  #venueOf(process: SimProcess): OpenVenue {
    const { mutant, venue, fate } = this.#options;
    const { exchange, random } = this;
    const onPlacing = (id: string): void => this.#watched(() => this.monitor.onPlacing(id));
    const onProtecting = (ids: readonly string[]): void => this.#watched(() => this.monitor.onProtecting(ids));
    if (venue === "chain") {
      const options = {
        chain: this.#chain,
        nodes: this.#nodes,
        process,
        random,
        price: () => this.#price(),
        takeFault: () => fate.chainFault(),
        onPlacing: (signature: string) => this.#watched(() => this.monitor.onSending(signature)),
        resignsEarly: mutant === "early-resign",
      };
      return openChainLine(options, this.#signedFaults);
    }
    const nowMs = (): number => this.clock.nowMs();
    return openExchangeLine({ wire: this.#wire, exchange, process, nowMs, onPlacing, onProtecting, mutant });
  }

  /** The broker's stream to risk: hints, a few milliseconds later. */
  #relay(event: string, data: unknown): void {
    this.clock.setTimeout(() => {
      for (const node of [this.#risk, this.#rival]) {
        if (!node || node.process.dead) continue;
        if (event === "bar") node.service.onBar("live", data as Parameters<typeof node.service.onBar>[1]);
        else node.service.onVenueHint("live");
      }
    }, this.#network.latencyMs());
  }

  #process(kind: ProcessKind): SimProcess {
    return new SimProcess(kind, this.clock, (of, step) => this.#options.fate.crashes(of, step));
  }

  #database(process: SimProcess): JournalDatabase {
    const { fate, mutant } = this.#options;
    const memory = new MemoryDatabase({
      server: this.server,
      clock: this.clock,
      failPoints: process,
      requireAlive: process.requireAlive,
      fault: () => fate.journalFault(process.kind),
    });
    return mutantJournal(memory, mutant);
  }

  #ended(process: SimProcess, error: unknown): void {
    process.kill();
    if (isCrash(error) || hasCode(error, "EPOCH_LOST") || hasCode(error, "WRITER_FENCED")) return;
    this.fail(error);
  }

  #restartLater(start: () => void): void {
    this.clock.setTimeout(start, 200 + this.random.next() * 1_000);
  }

  #price(): Decimal {
    return decimalFromNumber(this.market.close);
  }

  #watched<T>(look: () => T): T {
    try {
      return look();
    } catch (error) {
      if (error instanceof Violation) this.#fault ??= error;
      throw error;
    }
  }

  #mutate(): void {
    const { mutant } = this.#options;
    if (mutant === undefined) return;
    for (const node of [this.#risk, this.#rival]) if (node) mutateBooks(node.service, mutant, () => this.clock.nowMs());
  }
}
