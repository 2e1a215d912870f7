/** The world of one LlmRoute: read, planned, made so. */
import { type LlmRoute, effectiveOllama, effectiveRoutePriority } from "@bellwether/crds";
import type { KeeperStatus, RouteStatus } from "@bellwether/gateway/config";
import {
  type KubernetesClient,
  type KubernetesObject,
  type Outcome,
  type Stored,
  controllerReference,
  done,
  isKubernetesError,
  keyOf,
  requeueAfter,
} from "@bellwether/kubernetes";
import { type Clock, messageOf } from "@bellwether/service-kit";
import { gatewayName, ollamaName } from "../child-name.ts";
import { CALLERS_HASH, MODEL_LABEL, namespaceOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { digestOf } from "../digest.ts";
import type { Admissions } from "../ledger/admissions.ts";
import type { Admission } from "../ledger/cpu-ledger.ts";
import type { Assignment } from "../ledger/pinned.ts";
import { milliCores } from "../ledger/pod-cpus.ts";
import { type ObservedPod, observePod } from "../observed-pod.ts";
import type { ChildWriter } from "../platform/child-writer.ts";
import { type ConfigMapDigests, FOUND_TTL_MS, MISSING_TTL_MS } from "../platform/config-map-digests.ts";
import type { NodeAssignments } from "../platform/node-assignments.ts";
import { type Pod, llmRoutes, pods as podResource } from "../platform/resources.ts";
import type { StatusLink } from "../platform/status-link.ts";
import type { StatusWriter } from "../platform/status-writer.ts";
import type { TokenIssuer } from "../platform/token-issuer.ts";
import { BY_ROUTE, type World } from "../platform/world.ts";
import type { WriteCadence } from "../platform/write-cadence.ts";
import { callersText } from "./callers.ts";
import type { ObservedModel } from "./conditions.ts";
import { type Plan, plan } from "./plan.ts";
import { statusOf, transitionEvents } from "./status.ts";

export interface LlmRouteDependencies {
  readonly client: Pick<KubernetesClient, "patch">;
  readonly digests: ConfigMapDigests;
  readonly world: World;
  readonly children: ChildWriter;
  readonly statuses: StatusWriter;
  readonly admissions: Admissions;
  readonly assignments: NodeAssignments;
  /** By the route's uid. */
  readonly gateways: StatusLink<RouteStatus>;
  /** By `<uid of the route>/<model>`. */
  readonly keepers: StatusLink<KeeperStatus>;
  readonly tokens: { readonly current: TokenIssuer | undefined };
  readonly cadence: WriteCadence;
  readonly config: OperatorConfig;
  readonly clock: Clock;
}

type Object = Stored<LlmRoute>;
type LocalModel = Pick<ObservedModel, "name" | "ollama">;

const noKeysRetryMs = 1_000;
const notDecidedRetryMs = 200;
const nameTakenRetryMs = 30_000;

export function llmRouteReconciler(dependencies: LlmRouteDependencies): (key: string) => Promise<Outcome> {
  const reconciler = new LlmRouteReconciler(dependencies);
  return (key) => reconciler.reconcile(key);
}

/** Of one model of a route, in the ledger and among the keepers. */
export const modelUid = (route: string, model: string): string => `${route}/${model}`;

class LlmRouteReconciler {
  readonly #on: LlmRouteDependencies;

  constructor(dependencies: LlmRouteDependencies) {
    this.#on = dependencies;
  }

  async reconcile(key: string): Promise<Outcome> {
    const { world, tokens, admissions } = this.#on;
    const route = world.llmRoutes.cache.get(key);
    // Without a finalizer: what it owns goes with it, and its cores are free when its pods are gone.
    if (!route || route.metadata.deletionTimestamp !== undefined) return done;
    try {
      return tokens.current ? await this.#live(route, tokens.current) : requeueAfter(noKeysRetryMs);
    } finally {
      admissions.seen(route.metadata.uid);
    }
  }

  async #live(route: Object, tokens: TokenIssuer): Promise<Outcome> {
    const { gateways, config } = this.#on;
    const pods = this.#on.world.pods.cache.byIndex(BY_ROUTE, keyOf(route.metadata));
    const locals = route.spec.models.flatMap(({ name, ollama }) => (ollama ? [{ name, ollama: effectiveOllama(ollama) }] : []));
    this.#track(route, locals, pods);
    // See `RiskLink.looked`: a restart of the operator is no news about anybody.
    if (route.status !== undefined) await this.#lookFirst(route, locals);
    const models: ObservedModel[] = [];
    for (const local of locals) {
      const model = await this.#model(route, local, pods);
      if (!model) return requeueAfter(notDecidedRetryMs);
      models.push(model);
    }
    const gateway = gateways.word(route.metadata.uid);
    const gatewayPods = pods.filter((pod) => componentOf(pod) === "gateway").map(observePod);
    const callers = callersText(route, this.#on.world.strategies.cache.byIndex(BY_ROUTE, keyOf(route.metadata)));
    const observed = { route, tokens, models, callers, gatewayPods, gateway, config };
    const { decided, retryMs } = await this.#act(route, plan(observed));
    if (decided.children) await this.#touch(pods, digestOf(callers));
    const figuresInMs = await this.#writeStatus(route, decided);
    const delays = [retryMs, figuresInMs, sourcesInMs(models)].filter((delay) => delay !== undefined);
    return delays.length === 0 ? done : requeueAfter(Math.max(50, Math.min(...delays)));
  }

  /** Asks the gateway by its Service, and each keeper by its pod: a model that is not loaded has no Service yet. */
  #track(route: Object, locals: readonly LocalModel[], pods: readonly Stored<Pod>[]): void {
    const { gateways, keepers, admissions, config } = this.#on;
    const { uid, name } = route.metadata;
    const { urlTemplate, keeperPort } = config.gatewayApi;
    const url = urlTemplate.replaceAll("{service}", gatewayName(name)).replaceAll("{namespace}", namespaceOf(route));
    gateways.track(uid, url);
    const wanted = locals.map((local) => modelUid(uid, local.name));
    admissions.withdrawBelow(uid, wanted);
    for (const id of keepers.idsBelow(`${uid}/`)) if (!wanted.includes(id)) keepers.untrack(id);
    for (const local of locals) {
      const address = podOf(local.name, pods)?.status?.podIP;
      if (address === undefined) keepers.untrack(modelUid(uid, local.name));
      else keepers.track(modelUid(uid, local.name), `http://${address.includes(":") ? `[${address}]` : address}:${keeperPort}`);
    }
  }

  async #lookFirst(route: Object, locals: readonly LocalModel[]): Promise<void> {
    const { gateways, keepers, assignments, config } = this.#on;
    const { uid } = route.metadata;
    await Promise.all([
      gateways.looked(uid),
      ...locals.map(({ name }) => keepers.looked(modelUid(uid, name))),
      ...(config.nodeAgent.enabled ? [assignments.looked()] : []),
    ]);
  }

  /** Undefined while the operator does not know yet who holds which cores. */
  async #model(route: Object, { name, ollama }: LocalModel, pods: readonly Stored<Pod>[]): Promise<ObservedModel | undefined> {
    const { keepers, config } = this.#on;
    const found = podOf(name, pods);
    const pod = found && observePod(found);
    const { source } = ollama;
    const file = source.kind === "configMap" ? await this.#on.digests.read(namespaceOf(route), source) : undefined;
    const admission = file?.found === false ? this.#noPlace(route, name) : this.#admission(route, { name, ollama });
    if (!admission) return undefined;
    const keeper = keepers.word(modelUid(route.metadata.uid, name));
    const assignment: Assignment = config.nodeAgent.enabled
      ? this.#assignment(route, pod)
      : { known: false, message: "no node agent is installed, so nobody can say which cores the model has" };
    return { name, ollama, admission, pod, keeper, assignment, file };
  }

  #assignment(route: Object, pod: ObservedPod | undefined): Assignment {
    const { node, name = "", readySinceMs = 0 } = pod ?? {};
    return this.#on.assignments.of({ node, namespace: namespaceOf(route), name, sinceMs: readySinceMs });
  }

  /** A model that cannot start keeps no cores from those that can. */
  #noPlace(route: Object, name: string): Admission {
    this.#on.admissions.withdraw(modelUid(route.metadata.uid, name));
    return { granted: true };
  }

  #admission(route: Object, { name, ollama }: LocalModel): Admission | undefined {
    const { admissions, world, config } = this.#on;
    const { uid, creationTimestamp } = route.metadata;
    const set = world.children
      .get("StatefulSet")
      ?.cache.get(keyOf({ namespace: namespaceOf(route), name: ollamaName(route.metadata.name, name) }));
    return admissions.ask({
      uid: modelUid(uid, name),
      name: `${namespaceOf(route)}/${route.metadata.name}, model ${name}`,
      isAgent: false,
      pinning: ollama.pinning,
      cores: ollama.cpus,
      requestMilli: milliCores(config.ollama.sharedCpuRequest) ?? 0,
      priority: effectiveRoutePriority(route.spec),
      createdMs: Date.parse(creationTimestamp ?? "") || 0,
      holds: holdsPlace(set, ollama),
    });
  }

  async #act(route: Object, decided: Plan): Promise<{ decided: Plan; retryMs?: number }> {
    if (!decided.children) return { decided };
    const owner = controllerReference(route, llmRoutes);
    try {
      await this.#on.children.ensure(owner, decided.children);
      await this.#on.children.removeOthers(owner, decided.children);
      return { decided };
    } catch (error) {
      if (!isKubernetesError(error, "NAME_TAKEN")) throw error;
      const ready = { type: "Ready", status: "False", reason: "NameTaken", message: messageOf(error) } as const;
      const conditions = [ready, ...decided.conditions.filter(({ type }) => type !== "Ready")];
      return { decided: { ...decided, conditions }, retryMs: nameTakenRetryMs };
    }
  }

  /** Has the kubelet bring the list of callers up to date: a strategy's first question shall not wait for its next look at the pod. */
  async #touch(pods: readonly Stored<Pod>[], digest: string): Promise<void> {
    for (const { metadata } of pods.filter((pod) => componentOf(pod) === "gateway")) {
      const { name, namespace, annotations, deletionTimestamp } = metadata;
      if (annotations?.[CALLERS_HASH] === digest || deletionTimestamp !== undefined || namespace === undefined) continue;
      const patch = { metadata: { annotations: { [CALLERS_HASH]: digest } } };
      await this.#on.client.patch(podResource, { ref: { namespace, name }, patch }).catch(ignoreGone);
    }
  }

  /** @returns milliseconds until live figures that were held back are due */
  #writeStatus(route: Object, decided: Plan): Promise<number | undefined> {
    const { statuses, cadence, clock, gateways } = this.#on;
    const { uid } = route.metadata;
    const previous = route.status ?? {};
    const input = { route, plan: decided, gateway: gateways.word(uid), nowMs: clock.nowMs() };
    return cadence.write({
      uid,
      statusOf: (figuresDue) => statusOf({ ...input, figuresDue }),
      differs: (next) => statuses.differs(route, next),
      write: (next) => statuses.write({ resource: llmRoutes, object: route }, next, transitionEvents(previous, next)),
      hasFigures: ({ cache }) => cache !== undefined,
    });
  }
}

/** A pod that went while it was looked at has no use for the list. */
function ignoreGone(error: unknown): void {
  if (!isKubernetesError(error, "NOT_FOUND")) throw error;
}

/** Users' ConfigMaps are looked at again, the missing ones soon. */
function sourcesInMs(models: readonly ObservedModel[]): number | undefined {
  const files = models.flatMap(({ file }) => file ?? []);
  if (files.length === 0) return undefined;
  return files.every(({ found }) => found) ? FOUND_TTL_MS : MISSING_TTL_MS;
}

const componentOf = ({ metadata }: Stored<Pod>): string | undefined => metadata.labels?.["app.kubernetes.io/component"];

function podOf(model: string, pods: readonly Stored<Pod>[]): Stored<Pod> | undefined {
  return pods.find((pod) => componentOf(pod) === "ollama" && pod.metadata.labels?.[MODEL_LABEL] === model);
}

/** The members of apps/v1 StatefulSet that are read. */
interface StatefulSet extends KubernetesObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly {
          readonly resources?: { readonly requests?: { readonly cpu?: string }; readonly limits?: { readonly cpu?: string } };
        }[];
      };
    };
  };
}

/** It was admitted before, to no fewer cores, and has not given them back: what the StatefulSet says outlives the operator. */
function holdsPlace(set: StatefulSet | undefined, { cpus, pinning }: ObservedModel["ollama"]): boolean {
  if (set?.spec?.replicas !== 1) return false;
  const { requests, limits } = set.spec.template?.spec?.containers?.[0]?.resources ?? {};
  const held = milliCores(limits?.cpu) ?? 0;
  const isExclusive = requests?.cpu === limits?.cpu;
  return pinning === "Shared" ? !isExclusive : isExclusive && held >= cpus * 1_000;
}
