import type { RiskPolicy } from "@bellwether/crds";
import type { JournalDatabase } from "@bellwether/postgres";
import { CodedError, Metrics, hasCode, silentLogger } from "@bellwether/service-kit";
import type { Approval, BrokerAccount, BrokerOrder, VoidRequest, WireBar } from "@bellwether/trading";
import { brokerStatus } from "../../../runtimes/broker/src/errors.ts";
import { EventHub } from "../../../runtimes/risk/src/api/event-hub.ts";
import { riskMetrics } from "../../../runtimes/risk/src/metrics.ts";
import type { Signer } from "../../../runtimes/risk/src/orders/signer.ts";
import { type EffectivePolicy, effectivePolicy } from "../../../runtimes/risk/src/policy/effective-policy.ts";
import { RiskService } from "../../../runtimes/risk/src/service.ts";
import type { BarsQuery, Broker as BrokerClient, SubmitOutcome } from "../../../runtimes/risk/src/venue/broker.ts";
import { type BrokerNode, accountName, policyUid } from "./broker-node.ts";
import { type CallFault, type Network, NoAnswer } from "./network.ts";
import type { SimProcess } from "./sim-process.ts";

export const limits = { maxPositionRatio: "0.6", maxOrderNotional: "3000", maxOpenOrders: 6 };

const riskPolicy: RiskPolicy = {
  apiVersion: "bellwether.dev/v1alpha1",
  kind: "RiskPolicy",
  metadata: { name: "demo", namespace: "bellwether", uid: policyUid, generation: 1 },
  spec: {
    baseCurrency: "USDT",
    accounts: [{ name: accountName, ccxt: { exchange: "binance", credentialsSecretRef: { name: "keys" } } }],
    // Wide enough to keep trading, low enough to be met all the time.
    limits: {
      ...limits,
      maxTokenConcentrationRatio: "1",
      maxOrdersPerMinute: 1000,
      maxDailyLossRatio: "0.99",
      maxDrawdownRatio: "0.99",
    },
  },
};

/** Close enough to be met in a minute of virtual time: ten bars are ten minutes of the market. */
const breakers: RiskPolicy["spec"]["circuitBreakers"] = [
  { type: "RapidLoss", threshold: "0.03", window: "10m", cooldown: "4m", action: "Flatten" },
  { type: "Drawdown", threshold: "0.06", action: "Flatten" },
];

/** What people write into the RiskPolicy. */
export interface PolicyText {
  /** `bellwether.dev/halt`. */
  readonly halt?: string | undefined;
  /** `bellwether.dev/reset-breaker`. */
  readonly reset?: string | undefined;
  /** Without it the market's falls stop nothing. */
  readonly breakers: boolean;
}

/** The policy as risk reads it from the API server. */
export function policyInForce({ halt, reset, breakers: armed }: PolicyText): EffectivePolicy {
  const annotations = {
    ...(halt === undefined ? {} : { "bellwether.dev/halt": halt }),
    ...(reset === undefined ? {} : { "bellwether.dev/reset-breaker": reset }),
  };
  const { metadata, spec } = riskPolicy;
  return effectivePolicy({
    ...riskPolicy,
    metadata: { ...metadata, annotations },
    spec: { ...spec, circuitBreakers: armed ? breakers : [] },
  });
}

export interface RiskNode {
  readonly process: SimProcess;
  readonly service: RiskService;
}

export interface RiskNodeOptions {
  readonly process: SimProcess;
  readonly database: JournalDatabase;
  readonly broker: BrokerClient;
  readonly signer: Signer;
  readonly policy: EffectivePolicy;
  readonly onEnd: (error: unknown) => void;
}

/** Starts a risk process: production's service with its loops. */
export function startRisk({ process, database, broker, signer, policy: inForce, onEnd }: RiskNodeOptions): RiskNode {
  const service = new RiskService({
    policy: { uid: policyUid, name: "demo" },
    brokers: new Map([[accountName, broker]]),
    database,
    signer,
    hub: new EventHub(),
    metrics: riskMetrics(new Metrics()),
    clock: process.clock,
    log: silentLogger,
    failPoints: process,
    holder: "simulation",
    onSeries: () => undefined,
    onSuperseded: () => process.kill(),
  });
  service.setPolicy(inForce);
  service.start(process.signal).catch(onEnd);
  return { process, service };
}

const orderTimeoutMs = 2_500;

/** What risk asks of a broker. */
export type BrokerCall = "submit" | "void" | "cancel" | "account" | "adopt" | "bars";

export interface BrokerLineOptions {
  readonly network: Network;
  readonly from: SimProcess;
  readonly to: () => BrokerNode | undefined;
  /** The fault this call is to meet, once. */
  readonly takeFault: (kind: BrokerCall) => CallFault;
  readonly onApproval: (approval: Approval) => void;
}

/** Risk's client of the broker, as `HttpBroker` behaves: nothing in here sends anything a second time. */
export class BrokerLine implements BrokerClient {
  readonly #options: BrokerLineOptions;

  constructor(options: BrokerLineOptions) {
    this.#options = options;
  }

  async submit(approval: Approval): Promise<SubmitOutcome> {
    this.#options.onApproval(approval);
    try {
      return { kind: "known", order: await this.#call("submit", ({ broker }) => broker.submit(approval)) };
    } catch (error) {
      const status = hasCode(error) ? ((brokerStatus as Record<string, number>)[error.code] ?? 500) : 500;
      if (hasCode(error) && status < 500) return { kind: "refused", code: error.code, message: error.message };
      return { kind: "unknown", message: String(error) };
    }
  }

  voidOrder(clientOrderId: string, request: VoidRequest): Promise<BrokerOrder> {
    return this.#ask("void", ({ broker }) => broker.void(clientOrderId, request));
  }

  cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder> {
    return this.#ask("cancel", ({ broker }) => broker.cancel(clientOrderId, legs));
  }

  account(): Promise<BrokerAccount> {
    return this.#ask("account", ({ broker }) => broker.account());
  }

  async adopt({ who, reason }: { readonly who: string; readonly reason: string }): Promise<void> {
    await this.#ask("adopt", ({ broker }) => broker.adopt(who, reason));
  }

  bars(query: BarsQuery): Promise<readonly WireBar[]> {
    return this.#ask("bars", ({ broker }) => broker.bars({ ...query, limit: query.limit ?? 1 }));
  }

  async #ask<T>(kind: Exclude<BrokerCall, "submit">, invoke: (node: BrokerNode) => Promise<T>): Promise<T> {
    try {
      return await this.#call(kind, invoke);
    } catch (error) {
      const context = hasCode(error) ? { code: error.code } : {};
      throw new CodedError("VENUE_UNREACHABLE", String(error), { context, cause: error });
    }
  }

  #call<T>(kind: BrokerCall, invoke: (node: BrokerNode) => Promise<T>): Promise<T> {
    const { network, from, to, takeFault } = this.#options;
    let node: BrokerNode | undefined;
    return network.call({
      from,
      to: () => (node = to())?.process,
      invoke: () => (node ? invoke(node) : Promise.reject(new NoAnswer("connection refused"))),
      fault: takeFault(kind),
      timeoutMs: orderTimeoutMs,
    });
  }
}
