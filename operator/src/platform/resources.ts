/** Where the kinds live that the operator reads and writes. */
import {
  CHECKPOINT,
  type Checkpoint,
  GROUP,
  LLM_ROUTE,
  type LlmRoute,
  RISK_POLICY,
  type ResourceNames,
  type RiskPolicy,
  STRATEGY,
  type Strategy,
  VERSION,
} from "@bellwether/crds";
import { type KubernetesObject, type Resource, type Stored, defineResource } from "@bellwether/kubernetes";
import type { PodLike } from "../ledger/pod-cpus.ts";
import type { PodObject } from "../observed-pod.ts";

const own = <T extends KubernetesObject>({ plural, kind }: ResourceNames): Resource<T> =>
  defineResource<T>({ group: GROUP, version: VERSION, plural, kind, namespaced: true });

export const strategies = own<Strategy>(STRATEGY);
export const riskPolicies = own<RiskPolicy>(RISK_POLICY);
export const llmRoutes = own<LlmRoute>(LLM_ROUTE);
export const checkpoints = own<Checkpoint>(CHECKPOINT);

export type Pod = KubernetesObject & PodLike & PodObject & { readonly status?: { readonly podIP?: string } };
export const pods = defineResource<Pod>({ group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true });

export interface Node extends KubernetesObject {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: {
    readonly capacity?: Readonly<Record<string, string>>;
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}
export const nodes = defineResource<Node>({ group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false });

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}
export const configMaps = defineResource<ConfigMap>({
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
});

export const namespaces = defineResource({
  group: "",
  version: "v1",
  plural: "namespaces",
  kind: "Namespace",
  namespaced: false,
});

/** The kinds of children that are applied; each is watched by our label. */
export const childResources: readonly Resource[] = [
  configMaps,
  defineResource({ group: "", version: "v1", plural: "persistentvolumeclaims", kind: "PersistentVolumeClaim", namespaced: true }),
  defineResource({ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true }),
  defineResource({ group: "", version: "v1", plural: "services", kind: "Service", namespaced: true }),
  defineResource({ group: "apps", version: "v1", plural: "statefulsets", kind: "StatefulSet", namespaced: true }),
  defineResource({ group: "apps", version: "v1", plural: "deployments", kind: "Deployment", namespaced: true }),
  defineResource({
    group: "networking.k8s.io",
    version: "v1",
    plural: "networkpolicies",
    kind: "NetworkPolicy",
    namespaced: true,
  }),
  defineResource({ group: "rbac.authorization.k8s.io", version: "v1", plural: "roles", kind: "Role", namespaced: true }),
  defineResource({
    group: "rbac.authorization.k8s.io",
    version: "v1",
    plural: "rolebindings",
    kind: "RoleBinding",
    namespaced: true,
  }),
];

export const MANAGED_BY = { "app.kubernetes.io/managed-by": "bellwether-operator" } as const;

/** What the ledger and the plans read of a pod; every pod of the cluster is kept, so the rest is dropped. */
export function trimPod(pod: Stored<Pod>): Stored<Pod> {
  const { managedFields: _, ...metadata } = pod.metadata;
  const container = ({ resources, restartPolicy }: NonNullable<NonNullable<Pod["spec"]>["containers"]>[number]) => ({
    ...(resources && { resources }),
    ...(restartPolicy !== undefined && { restartPolicy }),
  });
  const { nodeName, overhead, containers, initContainers } = pod.spec ?? {};
  const { phase, reason, message, conditions, containerStatuses, podIP } = pod.status ?? {};
  return {
    apiVersion: pod.apiVersion,
    kind: pod.kind,
    metadata,
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      ...(overhead && { overhead }),
      ...(containers && { containers: containers.map(container) }),
      ...(initContainers && { initContainers: initContainers.map(container) }),
    },
    status: {
      ...(phase !== undefined && { phase }),
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message }),
      ...(conditions && { conditions }),
      ...(containerStatuses && {
        containerStatuses: containerStatuses.map(({ name, state }) => ({ name, ...(state && { state }) })),
      }),
      ...(podIP !== undefined && { podIP }),
    },
  };
}

/** A node as the ledger sees it; what the node agent reports about its pool is laid over this. */
export function nodeCapacity(node: Stored<Node>): { name: string; capacity: string; allocatable: string; schedulable: boolean } {
  const ready = node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  return {
    name: node.metadata.name,
    capacity: node.status?.capacity?.["cpu"] ?? "0",
    allocatable: node.status?.allocatable?.["cpu"] ?? "0",
    schedulable: ready && node.spec?.unschedulable !== true,
  };
}
