/** Puts the operator together: caches, links, controllers, and who is told of what. */
import { API_VERSION, LLM_ROUTE, OWNER_LABEL, STRATEGY, type Strategy } from "@bellwether/crds";
import { type KeeperStatus, type RouteStatus, keeperStatus, routeStatus } from "@bellwether/gateway/config";
import {
  type CacheChange,
  CachedClient,
  Controller,
  EventRecorder,
  type KubernetesClient,
  type KubernetesMetrics,
  type Stored,
  keyOf,
  ownersOfKind,
} from "@bellwether/kubernetes";
import type { Clock, Logger, Random } from "@bellwether/service-kit";
import { checkpointReconciler } from "./checkpoint/reconcile.ts";
import { MODEL_LABEL } from "./child-objects.ts";
import type { OperatorConfig } from "./config.ts";
import { Admissions } from "./ledger/admissions.ts";
import type { NodeCpus, PodCpus } from "./ledger/cpu-ledger.ts";
import { milliCores, podCpus } from "./ledger/pod-cpus.ts";
import { llmRouteReconciler, modelUid } from "./llm-route/reconcile.ts";
import { ChildWriter } from "./platform/child-writer.ts";
import { ConfigMapDigests } from "./platform/config-map-digests.ts";
import { type NodeAgentRef, NodeAssignments } from "./platform/node-assignments.ts";
import { type Pod, nodeCapacity } from "./platform/resources.ts";
import { type RiskChange, RiskLink } from "./platform/risk-link.ts";
import { StatusLink } from "./platform/status-link.ts";
import { StatusWriter } from "./platform/status-writer.ts";
import { calmInTerminatingNamespaces } from "./platform/terminating-namespace.ts";
import type { TokenIssuerReader } from "./platform/token-issuer.ts";
import { BY_POLICY, BY_ROUTE, BY_UID, type World } from "./platform/world.ts";
import { WriteCadence } from "./platform/write-cadence.ts";
import { riskPolicyReconciler } from "./risk-policy/reconcile.ts";
import { InputReader } from "./strategy/input-reader.ts";
import { strategyReconciler } from "./strategy/reconcile.ts";
import { Registrar } from "./strategy/registrar.ts";

export interface OperatorOptions {
  /** Refuses writes once the lease is lost. */
  readonly client: KubernetesClient;
  readonly world: World;
  readonly tokens: TokenIssuerReader;
  readonly config: OperatorConfig;
  /** Name of this process in events. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly kubernetesMetrics: KubernetesMetrics;
}

/** Strategies at work at a time; each waits for the API server most of the time. */
const concurrency = 8;
/** Beside them, for objects that were just applied: the first word takes one request and must not wait for deeds that take ten. */
const newsConcurrency = 8;
/** A hundred strategies applied at once are one look at their policy. */
const strategiesSettleMs = 200;
/** What one look at risk brings is taken one after another, so that a strategy applied meanwhile does not queue behind all of it. */
const lookSpacingMs = 15;
const maxLookSpreadMs = 1_000;

/** Reconciles until `signal` aborts: under the lease, on caches that may have been filled before. */
export async function runOperator(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { world, tokens } = options;
  const operator = new Operator(options);
  await Promise.all([...world.all.map((informer) => informer.synced()), tokens.current ?? tokens.read()]);
  if (signal.aborted) return;
  await operator.run(signal);
}

class Operator {
  readonly #options: OperatorOptions;
  readonly #strategies: Controller;
  readonly #policies: Controller;
  readonly #routes: Controller;
  readonly #checkpoints: Controller;
  readonly #risk: RiskLink;
  readonly #gateways: StatusLink<RouteStatus>;
  readonly #keepers: StatusLink<KeeperStatus>;
  readonly #assignments: NodeAssignments;
  readonly #admissions: Admissions;
  readonly #cadence: WriteCadence;
  readonly #registrar: Registrar;
  readonly #events: EventRecorder;
  readonly #unsubscribe: (() => void)[] = [];
  /** Keys of strategies that wait for a part of an account: any other strategy's change may free one. */
  readonly #withoutCapital = new Set<string>();

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { world, config, clock, log, kubernetesMetrics: metrics } = options;
    const client = new CachedClient(options.client, world.all);
    this.#events = new EventRecorder({
      client: options.client,
      clock,
      log,
      metrics,
      controller: "bellwether.dev/operator",
      instance: options.instance,
    });
    const statuses = new StatusWriter({ cached: client, uncached: options.client }, this.#events);
    const children = new ChildWriter(client, world);
    this.#cadence = new WriteCadence(clock, config.statusIntervalMs);
    this.#risk = new RiskLink({ ...config.riskApi, clock, log, onChange: (change) => this.#riskChanged(change) });
    this.#assignments = new NodeAssignments({
      ...config.nodeAgent,
      nodeAgents: () => this.#nodeAgents(),
      clock,
      log,
      onChange: (node) => this.#assignmentChanged(node),
    });
    this.#admissions = new Admissions({
      nodes: () => this.#nodes(),
      pods: () => this.#pods(),
      maxParallelAgents: config.maxParallelAgents,
      onChange: (uids) => uids.forEach((uid) => this.#enqueueClaim(uid)),
    });
    const asked = { ...config.gatewayApi, clock, onChange: (id: string) => this.#enqueueClaim(id) };
    this.#gateways = new StatusLink({ ...asked, who: "the gateway", schema: routeStatus });
    this.#keepers = new StatusLink({ ...asked, who: "the keeper beside Ollama", schema: keeperStatus });
    this.#registrar = new Registrar(this.#risk, () => clock.nowMs());
    const base = { world, children, statuses, risk: this.#risk, cadence: this.#cadence, config, clock, log };
    const digests = new ConfigMapDigests(client, clock);
    const inputs = new InputReader(digests);
    const strategy = {
      ...base,
      client,
      registrar: this.#registrar,
      admissions: this.#admissions,
      assignments: this.#assignments,
      inputs,
    };
    this.#strategies = this.#controller(STRATEGY.kind, strategyReconciler(strategy));
    this.#policies = this.#controller("RiskPolicy", riskPolicyReconciler({ ...base, tokens: options.tokens }));
    const nowMs = (): number => clock.nowMs();
    const route = {
      ...base,
      client,
      digests,
      admissions: this.#admissions,
      assignments: this.#assignments,
      gateways: this.#gateways,
      keepers: this.#keepers,
      tokens: options.tokens,
    };
    this.#routes = this.#controller(LLM_ROUTE.kind, llmRouteReconciler(route));
    const checkpoint = { informer: world.checkpoints, statuses, nowMs };
    this.#checkpoints = this.#controller("Checkpoint", checkpointReconciler(checkpoint)).watch(world.checkpoints);
    this.#watch();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { world, tokens } = this.#options;
    const claimants = [...world.strategies.cache.list(), ...world.llmRoutes.cache.list()];
    this.#admissions.begin(claimants.map(({ metadata }) => metadata.uid));
    for (const { metadata } of world.policies.cache.list()) this.#policies.enqueue(keyOf(metadata));
    for (const { metadata } of world.strategies.cache.list()) this.#strategies.enqueue(keyOf(metadata));
    for (const { metadata } of world.llmRoutes.cache.list()) this.#routes.enqueue(keyOf(metadata));
    for (const { metadata } of world.checkpoints.cache.list()) this.#checkpoints.enqueue(keyOf(metadata));
    const onKeys = (): void => {
      for (const { metadata } of world.policies.cache.list()) this.#policies.enqueue(keyOf(metadata));
      for (const { metadata } of world.llmRoutes.cache.list()) this.#routes.enqueue(keyOf(metadata));
    };
    try {
      await Promise.all([
        ...[this.#strategies, this.#policies, this.#routes, this.#checkpoints].map((controller) => controller.run(signal)),
        tokens.run(onKeys, signal),
        ...(this.#options.config.nodeAgent.enabled ? [this.#assignments.run(signal)] : []),
      ]);
    } finally {
      for (const unsubscribe of this.#unsubscribe) unsubscribe();
      await Promise.all([this.#risk.close(), this.#gateways.close(), this.#keepers.close()]);
      await this.#events.flush();
    }
  }

  #controller(kind: string, reconcile: (key: string) => ReturnType<ReturnType<typeof strategyReconciler>>): Controller {
    const { client, clock, random, log, kubernetesMetrics: metrics } = this.#options;
    const calm = calmInTerminatingNamespaces(client, reconcile);
    return new Controller({
      kind,
      reconcile: calm,
      clock,
      random,
      log,
      metrics,
      concurrency,
      newsConcurrency,
      backoff: { baseMs: 50, maxMs: 30_000 },
    });
  }

  /** Who is told of what. Children wake their owner, references wake who names them. */
  #watch(): void {
    const { world } = this.#options;
    this.#strategies
      .watch(world.strategies)
      .watch(world.pods, ownersOfKind(STRATEGY.kind, API_VERSION))
      .watch(world.policies, ({ key }) => this.#strategiesOf(key))
      .watch(world.llmRoutes, ({ object }) => this.#strategiesOnRoute(object.metadata.namespace, object.metadata.name));
    this.#policies
      .watch(world.policies)
      .watch(
        world.strategies,
        ({ object, previous }) => [object, ...(previous ? [previous] : [])].map((strategy) => policyKeyOf(strategy)),
        { settleMs: strategiesSettleMs },
      )
      .watch(world.pods, ({ object }) => this.#policyOfPod(object.metadata.ownerReferences?.[0]?.uid));
    this.#routes
      .watch(world.llmRoutes)
      .watch(world.pods, ({ object }) => this.#routeOfPod(object))
      .watch(world.strategies, (change) => routesOfChange(change), { settleMs: strategiesSettleMs });
    for (const informer of world.children.values()) {
      this.#routes.watch(informer, ownersOfKind(LLM_ROUTE.kind, API_VERSION));
      this.#strategies.watch(informer, ownersOfKind(STRATEGY.kind, API_VERSION));
      this.#policies.watch(informer, ownersOfKind("RiskPolicy", API_VERSION));
    }
    this.#subscribe();
  }

  /** What concerns everybody: cores that came free, shares of an account that came free. */
  #subscribe(): void {
    const { world } = this.#options;
    this.#unsubscribe.push(
      world.strategies.cache.subscribe(({ type, object, key }) => {
        if (type === "deleted") this.#forget(object.metadata.uid);
        for (const waiting of this.#withoutCapital) if (waiting !== key) this.#strategies.enqueue(waiting);
        if (type !== "deleted" && object.status?.reason === "NoCapitalLeft") this.#withoutCapital.add(key);
        else this.#withoutCapital.delete(key);
      }),
      world.policies.cache.subscribe(({ type, object }) => {
        if (type !== "deleted") return;
        this.#risk.untrack({ namespace: object.metadata.namespace ?? "", name: object.metadata.name });
        this.#cadence.forget(object.metadata.uid);
      }),
      world.llmRoutes.cache.subscribe(({ type, object }) => {
        if (type === "deleted") this.#forgetRoute(object.metadata.uid);
      }),
      world.pods.cache.subscribe(({ object, previous, type }) => {
        if (type === "deleted" || JSON.stringify(podCpus(object)) !== JSON.stringify(previous && podCpus(previous)))
          this.#admissions.changed();
      }),
      world.nodes.cache.subscribe(({ object, previous, type }) => {
        const isSame = previous !== undefined && JSON.stringify(nodeCapacity(object)) === JSON.stringify(nodeCapacity(previous));
        if (type !== "modified" || !isSame) this.#admissions.changed();
      }),
    );
  }

  #forget(uid: string): void {
    this.#admissions.withdraw(uid);
    this.#registrar.forget(uid);
    this.#cadence.forget(uid);
  }

  #forgetRoute(uid: string): void {
    this.#admissions.seen(uid);
    this.#admissions.withdrawBelow(uid);
    this.#gateways.untrack(uid);
    for (const id of this.#keepers.idsBelow(`${uid}/`)) this.#keepers.untrack(id);
    this.#cadence.forget(uid);
  }

  /** Pods of a route belong to its Deployment's ReplicaSet or its StatefulSets; which route it is, their label says. */
  #routeOfPod({ metadata }: Stored<Pod>): string[] {
    const name = metadata.labels?.[OWNER_LABEL.LlmRoute];
    return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
  }

  #strategiesOf(policyKey: string): string[] {
    return this.#options.world.strategies.cache.byIndex(BY_POLICY, policyKey).map(({ metadata }) => keyOf(metadata));
  }

  #strategiesOnRoute(namespace: string | undefined, name: string): string[] {
    const named = this.#options.world.strategies.cache.byIndex(BY_ROUTE, keyOf({ namespace, name }));
    return named.map(({ metadata }) => keyOf(metadata));
  }

  /** Pods of risk and brokers belong to StatefulSets, and those to the policy. */
  #policyOfPod(setUid: string | undefined): string[] {
    const sets = this.#options.world.children.get("StatefulSet")?.cache;
    if (setUid === undefined || !sets) return [];
    for (const { metadata } of sets.list()) {
      const owner = metadata.uid === setUid ? metadata.ownerReferences?.[0] : undefined;
      if (owner) return [keyOf({ namespace: metadata.namespace, name: owner.name })];
    }
    return [];
  }

  #riskChanged({ policy, news, strategies }: RiskChange): void {
    const { world } = this.#options;
    this.#policies.enqueue(keyOf(policy), news ? 0 : this.#cadence.dueInMs(policy.uid));
    if (news) for (const key of this.#strategiesOf(keyOf(policy))) this.#strategies.enqueue(key);
    for (const [position, { uid, news: isNews }] of strategies.entries()) {
      const strategy = world.strategies.cache.byIndex(BY_UID, uid)[0];
      const dueInMs = isNews ? 0 : this.#cadence.dueInMs(uid);
      const turnMs = Math.min(position * lookSpacingMs, maxLookSpreadMs);
      if (strategy) this.#strategies.enqueue(keyOf(strategy.metadata), Math.max(dueInMs, turnMs));
    }
  }

  #assignmentChanged(node: string): void {
    this.#admissions.changed();
    for (const pod of this.#options.world.pods.cache.list()) {
      const claim = pod.spec?.nodeName === node ? this.#claimOf(pod) : undefined;
      if (claim !== undefined) this.#enqueueClaim(claim);
    }
  }

  /** @param uid of a strategy, of a route, or of a route's model */
  #enqueueClaim(uid: string): void {
    const { world } = this.#options;
    const [owner = uid] = uid.split("/");
    const strategy = world.strategies.cache.byIndex(BY_UID, owner)[0];
    if (strategy) this.#strategies.enqueue(keyOf(strategy.metadata));
    const route = world.llmRoutes.cache.byIndex(BY_UID, owner)[0];
    if (route) this.#routes.enqueue(keyOf(route.metadata));
  }

  /** The claim in the ledger that a pod belongs to. A label alone is nobody's word: the StatefulSet of an Ollama pod is looked for. */
  #claimOf({ metadata }: Stored<Pod>): string | undefined {
    const strategy = strategyOwner({ metadata });
    const model = metadata.labels?.[MODEL_LABEL];
    const owner = metadata.ownerReferences?.[0];
    if (strategy !== undefined || model === undefined || owner?.kind !== "StatefulSet") return strategy;
    const sets = this.#options.world.children.get("StatefulSet")?.cache;
    const set = sets?.get(keyOf({ namespace: metadata.namespace, name: owner.name }));
    const route = set?.metadata.uid === owner.uid ? set.metadata.ownerReferences?.[0] : undefined;
    return route?.kind === LLM_ROUTE.kind ? modelUid(route.uid, model) : undefined;
  }

  #nodeAgents(): NodeAgentRef[] {
    const { namespace, podLabels, port } = this.#options.config.nodeAgent;
    const agents: NodeAgentRef[] = [];
    for (const { metadata, spec, status } of this.#options.world.pods.cache.list()) {
      const isAgent =
        metadata.namespace === namespace &&
        Object.entries(podLabels).every(([label, value]) => metadata.labels?.[label] === value);
      if (!isAgent || status?.podIP === undefined || spec?.nodeName === undefined || metadata.deletionTimestamp !== undefined)
        continue;
      const host = status.podIP.includes(":") ? `[${status.podIP}]` : status.podIP;
      agents.push({ node: spec.nodeName, url: `http://${host}:${port}` });
    }
    return agents;
  }

  #nodes(): NodeCpus[] {
    const { world, config } = this.#options;
    return [...world.nodes.cache.list()].map((node) => {
      const { name, capacity, allocatable, schedulable } = nodeCapacity(node);
      const said = this.#assignments.node(name);
      const assumed = Math.max(0, Math.floor((milliCores(capacity) ?? 0) / 1000) - config.sharedCores);
      const exclusivePoolCores = said === undefined ? assumed : said.policy === "static" ? said.exclusivePoolCores : undefined;
      return { name, allocatableMilli: milliCores(allocatable) ?? 0, exclusivePoolCores, schedulable };
    });
  }

  #pods(): PodCpus[] {
    return [...this.#options.world.pods.cache.list()].flatMap((pod) => {
      const cpus = podCpus(pod);
      const claimUid = this.#claimOf(pod);
      return cpus ? [{ ...cpus, ...(claimUid !== undefined && { claimUid }) }] : [];
    });
  }
}

function strategyOwner({
  metadata,
}: {
  metadata: { ownerReferences?: readonly { kind: string; apiVersion: string; uid: string }[] };
}): string | undefined {
  return metadata.ownerReferences?.find(({ kind, apiVersion }) => kind === STRATEGY.kind && apiVersion === API_VERSION)?.uid;
}

/** Routes whose list of callers a change of a strategy may concern; what it does all the time, its status says, and that concerns none. */
function routesOfChange({ type, object, previous }: CacheChange<Strategy>): string[] {
  if (type === "modified" && previous?.metadata.generation === object.metadata.generation) return [];
  return [object, ...(previous ? [previous] : [])].flatMap(({ metadata: { namespace }, spec: { llmRouteRef } }) =>
    llmRouteRef ? [keyOf({ namespace, name: llmRouteRef.name })] : [],
  );
}

function policyKeyOf({
  metadata,
  spec,
}: {
  metadata: { namespace?: string | undefined };
  spec: { riskPolicyRef: { name: string } };
}): string {
  return keyOf({ namespace: metadata.namespace, name: spec.riskPolicyRef.name });
}
