import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import type { ControlReply, IntentReply, OrdersReply, PortfolioView } from "@bellwether/trading/wire";
import type { AnnotationChange, Cluster, StoredPolicy, StoredStrategy } from "../cluster/cluster.ts";
import type { World } from "../commands/command.ts";
import { objectHolds } from "../commands/holds.ts";
import { PluginError } from "../errors.ts";
import type { RiskApi } from "../risk/risk-api.ts";

export const startMs = Date.parse("2026-11-21T14:00:00Z");

/** A RiskPolicy as the API server would return it. */
export function policyObject(
  name: string,
  change: { annotations?: Record<string, string>; trading?: "Active" | "Reducing" | "Halted" } = {},
): StoredPolicy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: { name, namespace: "demo", uid: `uid-${name}`, resourceVersion: "1", annotations: change.annotations ?? {} },
    spec: {
      baseCurrency: "USDT",
      ...(change.trading && { trading: change.trading }),
      accounts: [
        { name: "paper", paper: { balances: [{ asset: "USDT", amount: "10000" }], market: { ccxt: { exchange: "binance" } } } },
      ],
    },
  };
}

/** A Strategy as the API server would return it. */
export function strategyObject(name: string, policy: string): StoredStrategy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "Strategy",
    metadata: { name, namespace: "demo", uid: `uid-${name}`, resourceVersion: "1" },
    spec: {
      riskPolicyRef: { name: policy, account: "paper" },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      program: { builtin: { name: "momentum" } },
    },
  };
}

/** The portfolio of a policy that has nothing to complain about. */
export function portfolioObject(change: Partial<PortfolioView> = {}): PortfolioView {
  return {
    policyUid: "uid-demo",
    epoch: 3,
    state: "Active",
    reason: "",
    equity: "10012.345",
    peakEquity: "10100",
    drawdownRatio: "0.008679",
    riskScore: 12,
    exposure: [],
    effectiveLimits: {},
    accounts: [{ name: "paper", ready: true, message: "", equity: "10012.345", lastReconciledTime: startMs - 7_000, drift: [] }],
    strategies: [],
    ...change,
  };
}

/** An API server for one namespace, with resource versions, dry runs and faults on demand. */
export class FakeCluster implements Cluster {
  readonly namespace = "demo";
  readonly writes: { readonly policy: string; readonly annotations: Readonly<Record<string, string | null>> }[] = [];
  /** Thrown by the next call of the method of this name. */
  readonly faults = new Map<keyof Cluster, PluginError>();
  /** Runs before the next annotation is written: what somebody else does meanwhile. */
  meanwhile: (() => void) | undefined;
  readonly #policies = new Map<string, StoredPolicy>();
  readonly #strategies: StoredStrategy[] = [];

  add(...objects: readonly (StoredPolicy | StoredStrategy)[]): this {
    for (const object of objects) {
      if (object.kind === "RiskPolicy") this.#policies.set(object.metadata.name, object);
      else this.#strategies.push(object);
    }
    return this;
  }

  async policies(): Promise<readonly StoredPolicy[]> {
    this.#fail("policies");
    return [...this.#policies.values()];
  }

  async policy(name: string): Promise<StoredPolicy | undefined> {
    this.#fail("policy");
    return this.#policies.get(name);
  }

  async strategies(): Promise<readonly StoredStrategy[]> {
    this.#fail("strategies");
    return this.#strategies;
  }

  async whoAmI(): Promise<string> {
    return "ada";
  }

  async annotate(name: string, { annotations, resourceVersion, dryRun }: AnnotationChange): Promise<StoredPolicy> {
    this.#fail("annotate");
    this.meanwhile?.();
    this.meanwhile = undefined;
    const policy = this.#policies.get(name);
    if (!policy) throw new PluginError("POLICY_NOT_FOUND", name);
    if (resourceVersion !== undefined && resourceVersion !== policy.metadata.resourceVersion) {
      throw new PluginError("CHANGED_MEANWHILE", `${name} is at ${policy.metadata.resourceVersion}, not ${resourceVersion}`);
    }
    const changed = this.change(name, annotations, dryRun);
    if (!dryRun) this.writes.push({ policy: name, annotations });
    return changed;
  }

  /** As anybody with kubectl would. */
  change(name: string, annotations: Readonly<Record<string, string | null>>, dryRun = false): StoredPolicy {
    const policy = this.#policies.get(name) ?? policyObject(name);
    const merged = { ...policy.metadata.annotations };
    for (const [key, value] of Object.entries(annotations)) {
      if (value === null) delete merged[key];
      else merged[key] = value;
    }
    const resourceVersion = String(Number(policy.metadata.resourceVersion) + 1);
    const changed = { ...policy, metadata: { ...policy.metadata, annotations: merged, resourceVersion } };
    if (!dryRun) this.#policies.set(name, changed);
    return changed;
  }

  stored(name: string): StoredPolicy | undefined {
    return this.#policies.get(name);
  }

  #fail(method: keyof Cluster): void {
    const fault = this.faults.get(method);
    if (!fault) return;
    this.faults.delete(method);
    throw fault;
  }
}

/** A policy's risk: keeps a journal halt, sees annotations of the cluster, and answers what it was given. */
export class FakeRisk implements RiskApi {
  readonly calls: { readonly call: string; readonly body: unknown }[] = [];
  journalHalt: { state: "Halted" | "Reducing"; reason: string } | undefined;
  shown = portfolioObject();
  shownOrders: OrdersReply = { orders: [], more: false };
  readonly intents = new Map<string, IntentReply>();
  closed = 0;
  /** Portfolios until risk has seen that annotations went. */
  blindFor = 0;
  readonly #policy: () => StoredPolicy | undefined;
  #lastSeen: StoredPolicy | undefined;

  constructor(policy: () => StoredPolicy | undefined) {
    this.#policy = policy;
    this.#lastSeen = policy();
  }

  async portfolio(): Promise<PortfolioView> {
    const holds = this.#holds();
    const state = holds.some((hold) => hold.state === "Halted") ? "Halted" : holds.length > 0 ? "Reducing" : this.shown.state;
    return { ...this.shown, state, holds };
  }

  async halt(body: Parameters<RiskApi["halt"]>[0]): Promise<ControlReply> {
    this.calls.push({ call: "halt", body });
    const changed = this.journalHalt === undefined;
    this.journalHalt ??= { state: body.state ?? "Halted", reason: body.reason };
    return this.#reply(changed);
  }

  async resume(body: Parameters<RiskApi["resume"]>[0]): Promise<ControlReply> {
    this.calls.push({ call: "resume", body });
    const changed = this.journalHalt !== undefined;
    this.journalHalt = undefined;
    return this.#reply(changed);
  }

  async resetBreaker(body: Parameters<RiskApi["resetBreaker"]>[0]): Promise<ControlReply> {
    this.calls.push({ call: "resetBreaker", body });
    return this.#reply(true);
  }

  async adopt(body: Parameters<RiskApi["adopt"]>[0]): Promise<ControlReply> {
    this.calls.push({ call: "adopt", body });
    return this.#reply(true);
  }

  async orders(query: Parameters<RiskApi["orders"]>[0]): Promise<OrdersReply> {
    this.calls.push({ call: "orders", body: query });
    return this.shownOrders;
  }

  async intent(id: string): Promise<IntentReply> {
    this.calls.push({ call: "intent", body: id });
    const found = this.intents.get(id);
    if (found) return found;
    throw new PluginError("INTENT_NOT_FOUND", `no intent ${id}`);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }

  #holds(): NonNullable<PortfolioView["holds"]> {
    if (this.blindFor > 0) this.blindFor -= 1;
    else this.#lastSeen = this.#policy();
    const seen = this.#lastSeen === undefined ? [] : objectHolds(this.#lastSeen);
    const journal = this.journalHalt && {
      by: "journal" as const,
      state: this.journalHalt.state,
      message: this.journalHalt.reason,
    };
    return [...(this.shown.holds ?? []), ...seen, ...(journal ? [journal] : [])];
  }

  #reply(changed: boolean): ControlReply {
    const holds = this.#holds();
    const state = holds.some((hold) => hold.state === "Halted") ? "Halted" : holds.length > 0 ? "Reducing" : "Active";
    return { changed, state, holds, workingOrders: 2 };
  }
}

/** A namespace with these objects and a risk for each policy. `down`: policies whose risk cannot be reached. */
export function fakeWorld(...objects: readonly (StoredPolicy | StoredStrategy)[]): {
  world: World;
  cluster: FakeCluster;
  risks: Map<string, FakeRisk>;
  down: Set<string>;
  clock: ManualClock;
} {
  const cluster = new FakeCluster().add(...objects);
  const risks = new Map<string, FakeRisk>();
  const down = new Set<string>();
  const clock = new ManualClock(startMs);
  for (const { kind, metadata } of objects) {
    if (kind === "RiskPolicy") risks.set(metadata.name, new FakeRisk(() => cluster.stored(metadata.name)));
  }
  const openRisk = async (policy: string): Promise<RiskApi> => {
    const risk = risks.get(policy);
    if (risk && !down.has(policy)) return risk;
    throw new PluginError("RISK_UNREACHABLE", `riskpolicy/${policy} has no running risk pod`);
  };
  // Waiting moves the time: commands wait only while something may yet change.
  const moving = {
    nowMs: () => clock.nowMs(),
    setTimeout: clock.setTimeout.bind(clock),
    sleep: (delayMs: number) => clock.advance(delayMs),
  };
  return { world: { cluster, openRisk, clock: moving }, cluster, risks, down, clock };
}
