/** What the operator watches. One informer a kind; every cache is read, never changed. */
import { type Checkpoint, type LlmRoute, OWNER_LABEL, type RiskPolicy, type Strategy } from "@bellwether/crds";
import {
  Informer,
  type InformerOptions,
  type KubernetesClient,
  type KubernetesMetrics,
  type KubernetesObject,
  type Stored,
  keyOf,
} from "@bellwether/kubernetes";
import type { Clock, Logger, Random } from "@bellwether/service-kit";
import {
  MANAGED_BY,
  type Node,
  type Pod,
  checkpoints,
  childResources,
  llmRoutes,
  nodes,
  pods,
  riskPolicies,
  strategies,
  trimPod,
} from "./resources.ts";

export interface WorldOptions {
  readonly client: Pick<KubernetesClient, "list" | "watch" | "lastHeardMs">;
  /** None: all. */
  readonly namespaces: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: KubernetesMetrics;
}

export interface World {
  readonly strategies: Informer<Strategy>;
  readonly policies: Informer<RiskPolicy>;
  readonly llmRoutes: Informer<LlmRoute>;
  readonly checkpoints: Informer<Checkpoint>;
  /** Of the whole cluster: foreign pods hold cores, too. */
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  /** Children by kind, ours only. */
  readonly children: ReadonlyMap<string, Informer<KubernetesObject>>;
  readonly all: readonly Informer<never>[];
}

/** Index of strategies: `namespace/policy` they name. */
export const BY_POLICY = "policy";
/** Index of pods and children: uid of the controlling owner. */
export const BY_OWNER = "owner";
/** Index of strategies: `namespace/route` they name; of pods: the one that their label names; whose they are, their owners say. */
export const BY_ROUTE = "route";
/** Index of our own objects: their uid. */
export const BY_UID = "uid";

export function watchWorld(options: WorldOptions): World {
  const { namespaces, ...rest } = options;
  const own = <T extends KubernetesObject>(fields: Pick<InformerOptions<T>, "resource" | "labels">): Informer<T> =>
    new Informer<T>({ ...rest, namespaces, ...fields });
  const byOwner = ({ metadata }: Stored<KubernetesObject>): string[] => metadata.ownerReferences?.map(({ uid }) => uid) ?? [];
  const byUid = ({ metadata }: Stored<KubernetesObject>): string[] => [metadata.uid];

  const world = {
    strategies: own<Strategy>({ resource: strategies }),
    policies: own<RiskPolicy>({ resource: riskPolicies }),
    llmRoutes: own<LlmRoute>({ resource: llmRoutes }),
    checkpoints: own<Checkpoint>({ resource: checkpoints }),
    pods: new Informer<Pod>({ ...rest, resource: pods, transform: trimPod }),
    nodes: new Informer<Node>({ ...rest, resource: nodes }),
    children: new Map(childResources.map((resource) => [resource.kind, own<KubernetesObject>({ resource, labels: MANAGED_BY })])),
  };
  world.strategies.cache
    .addIndex(BY_POLICY, ({ metadata, spec }) => [keyOf({ namespace: metadata.namespace, name: spec.riskPolicyRef.name })])
    .addIndex(BY_ROUTE, ({ metadata, spec }) => {
      const name = spec.llmRouteRef?.name;
      return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
    })
    .addIndex(BY_UID, byUid);
  world.policies.cache.addIndex(BY_UID, byUid);
  world.llmRoutes.cache.addIndex(BY_UID, byUid);
  world.pods.cache.addIndex(BY_OWNER, byOwner).addIndex(BY_ROUTE, ({ metadata }) => {
    const route = metadata.labels?.[OWNER_LABEL.LlmRoute];
    return route === undefined ? [] : [keyOf({ namespace: metadata.namespace, name: route })];
  });
  for (const informer of world.children.values()) informer.cache.addIndex(BY_OWNER, byOwner);
  const { children, ...kinds } = world;
  return { ...world, all: [...Object.values(kinds), ...children.values()] as unknown as Informer<never>[] };
}
