import { Database } from "@bellwether/postgres";
import { type Clock, Metrics, hasCode, silentLogger } from "@bellwether/service-kit";
import {
  type Approval,
  type BrokerAccount,
  type BrokerOrder,
  type VoidRequest,
  canonicalOrder,
  clientOrderId,
  effectiveGas,
  effectiveLimits,
  parseCanonicalOrder,
  tradingCosts,
} from "@bellwether/trading";
import { brokerStatus } from "../../../runtimes/broker/src/errors.ts";
import { EventHub } from "../../../runtimes/risk/src/api/event-hub.ts";
import { riskMetrics } from "../../../runtimes/risk/src/metrics.ts";
import { type Signer, approvalLifeMs, createSigner } from "../../../runtimes/risk/src/orders/signer.ts";
import type { EffectivePolicy } from "../../../runtimes/risk/src/policy/effective-policy.ts";
import { RiskService } from "../../../runtimes/risk/src/service.ts";
import { RiskCrashSwitch } from "../../../runtimes/risk/src/testing/risk-crash.ts";
import type { Broker, SubmitOutcome } from "../../../runtimes/risk/src/venue/broker.ts";
import { type Mutant, mutantJournal, mutantSigner, mutants as everyMutant, mutateBooks } from "../../simulation/mutants.ts";
import { BrokerWorld, type RunningBroker, startingUsdt } from "../broker/broker-fixture.ts";
import type { TestPostgres } from "./postgres.ts";

export const policyUid = "policy-1";
export { startingUsdt };

/** What becomes of one call from risk to its broker. */
export type CallFault = "none" | "request-lost" | "reply-lost" | "late";

/** The line between risk and its broker, with the faults a test asks for. A broker that is not running does not answer. */
export class BrokerLine implements Broker {
  running: RunningBroker | undefined;
  next: CallFault = "none";
  readonly #late: (() => Promise<unknown>)[] = [];

  async submit(approval: Approval): Promise<SubmitOutcome> {
    const fault = this.#takeFault();
    const call = (): Promise<BrokerOrder> => this.#broker().submit(approval);
    if (fault === "request-lost") return { kind: "unknown", message: "the request was lost" };
    if (fault === "late") {
      this.#late.push(call);
      return { kind: "unknown", message: "no answer in time" };
    }
    try {
      const order = await call();
      return fault === "reply-lost" ? { kind: "unknown", message: "the answer was lost" } : { kind: "known", order };
    } catch (error) {
      const status = hasCode(error) ? ((brokerStatus as Record<string, number>)[error.code] ?? 500) : 500;
      if (fault === "none" && status < 500 && hasCode(error))
        return { kind: "refused", code: error.code, message: error.message };
      return { kind: "unknown", message: String(error) };
    }
  }

  voidOrder(clientOrderId: string, request: VoidRequest): Promise<BrokerOrder> {
    return this.#ask(() => this.#broker().void(clientOrderId, request));
  }

  cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder> {
    return this.#ask(() => this.#broker().cancel(clientOrderId, legs));
  }

  account(): Promise<BrokerAccount> {
    return this.#broker().account();
  }

  async bars(): Promise<never> {
    throw new Error("histories read no bars");
  }

  /** What was under way arrives now, however late. */
  async deliverLate(): Promise<void> {
    for (const call of this.#late.splice(0)) await call().catch(() => undefined);
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    const fault = this.#takeFault();
    if (fault === "request-lost" || fault === "late") throw new Error("no answer");
    const reply = await call();
    if (fault === "reply-lost") throw new Error("the answer was lost");
    return reply;
  }

  #takeFault(): CallFault {
    const fault = this.next;
    this.next = "none";
    return fault;
  }

  #broker(): RunningBroker["broker"] {
    if (!this.running) throw new Error("connection refused");
    return this.running.broker;
  }
}

/** Those that risk alone can have; `early-resign` and `restore-reuse-ids` belong to a chain and to recovery: test/simulation. */
export const mutants = everyMutant.filter((mutant) => mutant !== "early-resign" && mutant !== "restore-reuse-ids");

/** Sends once more, as a new attempt, whenever no answer came. */
function blindlyRetrying(line: Broker, signer: Signer): Broker {
  return {
    submit: async (approval) => {
      const outcome = await line.submit(approval);
      if (outcome.kind !== "unknown") return outcome;
      const { intentId, attempt, ...rest } = parseCanonicalOrder(approval.order);
      const again = { ...rest, intentId, attempt: attempt + 1, clientOrderId: clientOrderId(intentId, attempt + 1) };
      const nowMs = approval.expiresAt - approvalLifeMs;
      return line.submit(signer.sign({ order: canonicalOrder(again), epoch: approval.epoch, nonce: signer.newNonce(), nowMs }));
    },
    voidOrder: (id, request) => line.voidOrder(id, request),
    cancel: (id, legs) => line.cancel(id, legs),
    account: () => line.account(),
    bars: (query) => line.bars(query),
  };
}

export interface RunningRisk {
  readonly service: RiskService;
  readonly database: Database;
  readonly failPoints: RiskCrashSwitch;
  readonly superseded: { value: boolean };
}

export const policy: EffectivePolicy = {
  uid: policyUid,
  generation: 1,
  baseCurrency: "USDT",
  trading: "Active",
  haltAnnotation: undefined,
  reduceAnnotation: undefined,
  resetAnnotation: undefined,
  circuitBreakers: [],
  sizing: undefined,
  gas: effectiveGas(),
  limits: effectiveLimits({ maxPositionRatio: "0.6", maxOrderNotional: "5000", maxOpenOrders: 8 }),
  shownLimits: {},
  accounts: new Map([["paper", { kind: "paper", costs: tradingCosts({ feeBps: "10", slippageBps: "5" }) }]]),
};

export interface RiskIdentity {
  readonly uid: string;
  readonly brokers: ReadonlyMap<string, Broker>;
}

/** The broker of an account that holds cash and takes no orders. */
export function idleBroker(usdt: string): Broker {
  const refuse = async (): Promise<never> => Promise.reject(new Error("nothing is traded here"));
  const account = async (): Promise<BrokerAccount> => ({
    account: "idle",
    kind: "paper",
    epoch: 1,
    marketTime: 0,
    feed: { state: "running", message: "stands still" },
    balances: [{ asset: "USDT", free: usdt, locked: "0" }],
    markets: [],
  });
  return { submit: refuse, voidOrder: refuse, cancel: refuse, bars: refuse, account };
}

/** Everything around a risk that survives it: Postgres, the broker's world, the line between them. */
export class RiskWorld {
  readonly broker: BrokerWorld;
  readonly line = new BrokerLine();
  readonly postgres: TestPostgres;
  policy = policy;
  /** Reads the world's time; waiting moves it. */
  readonly clock: Clock;

  readonly #mutant: Mutant | undefined;

  constructor(postgres: TestPostgres, mutant?: Mutant) {
    this.#mutant = mutant;
    this.postgres = postgres;
    this.broker = new BrokerWorld(postgres);
    const manual = this.broker.clock;
    this.clock = {
      nowMs: () => manual.nowMs(),
      setTimeout: (fn, delayMs) => manual.setTimeout(fn, delayMs),
      sleep: (delayMs) => manual.advance(delayMs),
    };
  }

  /** A risk process without its loops: the test takes every round. @param crashAt the step it dies at @param of another policy, or more accounts */
  async start(crashAt?: number, of: Partial<RiskIdentity> = {}): Promise<RunningRisk> {
    const failPoints = new RiskCrashSwitch(crashAt);
    const mutant = this.#mutant;
    const database = new Database({
      dsn: this.postgres.riskDsn,
      clock: this.clock,
      log: silentLogger,
      applicationName: "risk test",
      failPoints,
    });
    const signer = mutantSigner(createSigner(), mutant);
    const line = mutant === "blind-retry" ? blindlyRetrying(this.line, signer) : this.line;
    const superseded = { value: false };
    const service = new RiskService({
      policy: { uid: of.uid ?? policyUid, name: "demo" },
      brokers: of.brokers ?? new Map([["paper", line]]),
      // The paper broker refuses a nonce it has seen: here it is the journal's own record of nonces that must notice, so it stays.
      database: mutantJournal(database, mutant === "reuse-approval" ? undefined : mutant),
      signer,
      hub: new EventHub(),
      metrics: riskMetrics(new Metrics()),
      clock: this.clock,
      log: silentLogger,
      failPoints,
      holder: "test",
      onSeries: () => undefined,
      onSuperseded: () => void (superseded.value = true),
    });
    const running = { service, database, failPoints, superseded };
    try {
      service.setPolicy(this.policy);
      await service.open();
      mutateBooks(service, mutant, () => this.clock.nowMs());
      for (const { name } of service.accounts) await service.runner(name)?.round();
      return running;
    } catch (error) {
      await this.end(running);
      throw error;
    }
  }

  round({ service }: RunningRisk): Promise<number> {
    return service.runner("paper")?.round() ?? Promise.resolve(0);
  }

  /** The process is gone: nothing it still does counts. */
  async end(running: RunningRisk): Promise<void> {
    running.failPoints.kill();
    await running.database.close().catch(() => undefined);
  }

  /** Why nothing of this world may outlive it. */
  async remove(): Promise<void> {
    if (this.line.running) await this.broker.end(this.line.running);
    this.line.running = undefined;
    this.broker.remove();
  }
}
