/** Pods that stay: what StatefulSets, Deployments and Services of ours have alike. Pure. */
import {
  API_PORT,
  CONFIG_HASH,
  type ChildFields,
  HEALTH_PORT,
  type Manifest,
  type Mounted,
  containerSecurityContext,
  imageFields,
  labelsOf,
  metadataOf,
  podSecurityContext,
  serviceProbes,
} from "./child-objects.ts";
import type { OperatorConfig } from "./config.ts";
import { digestOf } from "./digest.ts";

export const POSTGRES_DIRECTORY = "/var/run/secrets/bellwether/postgres";
export const VALKEY_DIRECTORY = "/var/run/secrets/bellwether/valkey";
const gracePeriodSeconds = 15;

export interface Claim {
  readonly template: object;
  readonly mount: object;
}

export interface WorkloadFields {
  readonly child: ChildFields;
  readonly config: OperatorConfig;
  /** What the pods read at their start: a change of it replaces them. */
  readonly configText: string;
  readonly image: string;
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly volumes: readonly Mounted[];
  readonly automountServiceAccountToken?: boolean;
  readonly probes?: object;
  /** Besides `api` and `health`. */
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
}

/** Requests that a pod shares its cores by; memory alone is limited. */
export function sharedResources({ cpuRequest, memoryRequest, memoryLimit }: OperatorConfig["risk"]): WorkloadFields["resources"] {
  return { requests: { cpu: cpuRequest, memory: memoryRequest }, limits: { memory: memoryLimit } };
}

/** Exclusive: limits equal to requests and whole CPUs, which is what the kubelet's static policy gives cores of their own to. */
export function pinnableResources(
  { cpus, memory, pinning }: { cpus: number; memory: string; pinning: "Exclusive" | "Shared" },
  shared: { readonly sharedCpuRequest: string; readonly sharedMemoryRequest: string },
): WorkloadFields["resources"] {
  const limits = { cpu: String(cpus), memory };
  if (pinning === "Exclusive") return { requests: limits, limits };
  return { requests: { cpu: shared.sharedCpuRequest, memory: shared.sharedMemoryRequest }, limits };
}

/**
 * At most one replica: a StatefulSet never runs two of a name at once, and should two run all the same, the journal's writer epoch lets one write.
 * `Parallel`, because an ordered one does not replace a pod that never became ready, not even by the version that would mend it.
 */
export function statefulSet(fields: WorkloadFields & { readonly claims: readonly Claim[]; readonly replicas?: 0 | 1 }): Manifest {
  const { child, claims, replicas = 1 } = fields;
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadataOf(child),
    spec: {
      replicas,
      serviceName: child.name,
      podManagementPolicy: "Parallel",
      revisionHistoryLimit: 2,
      selector: { matchLabels: selectorOf(child) },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Retain" },
      template: podTemplate(
        fields,
        claims.map(({ mount }) => mount),
      ),
      ...(claims.length > 0 && { volumeClaimTemplates: claims.map(({ template }) => template) }),
    },
  };
}

/** One replica, and a second while it is replaced: callers notice nothing. */
export function deployment(fields: WorkloadFields): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(fields.child),
    spec: {
      replicas: 1,
      revisionHistoryLimit: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      selector: { matchLabels: selectorOf(fields.child) },
      template: podTemplate(fields, []),
    },
  };
}

export function service(child: ChildFields, port: { name: string; port: number } = { name: "api", port: API_PORT }): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadataOf(child),
    spec: { selector: selectorOf(child), ports: [{ ...port, targetPort: port.name, protocol: "TCP" }] },
  };
}

/** The DSN as a file. The operator names the Secret and never reads it. */
export function postgresVolume({ postgres }: OperatorConfig, key: string): Mounted {
  return {
    volume: { name: "postgres", secret: { secretName: postgres.secretName, items: [{ key, path: key }], defaultMode: 0o440 } },
    mount: { name: "postgres", mountPath: POSTGRES_DIRECTORY, readOnly: true },
  };
}

/** Where Valkey is, with its password; nothing where there is none. */
export function valkeyVolumes({ valkey: { enabled, secretName, urlKey } }: OperatorConfig): Mounted[] {
  if (!enabled) return [];
  const items = [{ key: urlKey, path: urlKey }];
  return [
    {
      volume: { name: "valkey", secret: { secretName, items, defaultMode: 0o440 } },
      mount: { name: "valkey", mountPath: VALKEY_DIRECTORY, readOnly: true },
    },
  ];
}

/** A volume of the pod's own, as a claim that outlives it or as an `emptyDir` that does not. */
export function ownVolume(
  { kind, size, storageClassName }: OperatorConfig["brokerVolume"],
  mount: { readonly name: string; readonly mountPath: string },
): { volumes: Mounted[]; claims: Claim[] } {
  const { name } = mount;
  if (kind === "EmptyDir") return { volumes: [{ volume: { name, emptyDir: {} }, mount }], claims: [] };
  const template = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: claimSpec({ size, storageClassName }),
  };
  return { volumes: [], claims: [{ template, mount }] };
}

function claimSpec({ size, storageClassName }: Pick<OperatorConfig["answersVolume"], "size" | "storageClassName">): object {
  return {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: size } },
    ...(storageClassName !== undefined && { storageClassName }),
  };
}

/** The claim of a bare pod, which is made before it and outlives it; none where an `emptyDir` will do. */
export function volumeClaim(child: ChildFields, volume: OperatorConfig["answersVolume"]): Manifest[] {
  if (volume.kind === "EmptyDir") return [];
  return [{ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: metadataOf(child), spec: claimSpec(volume) }];
}

/** The same in its pod. */
export function ownClaim(
  claimName: string,
  { kind }: OperatorConfig["answersVolume"],
  mount: { readonly name: string; readonly mountPath: string },
): Mounted {
  const { name } = mount;
  return { volume: kind === "EmptyDir" ? { name, emptyDir: {} } : { name, persistentVolumeClaim: { claimName } }, mount };
}

const selectorOf = ({ owner, component, labels }: ChildFields): Record<string, string> => ({
  ...labelsOf(owner, component),
  ...labels,
});

function podTemplate(fields: WorkloadFields, claimed: readonly object[]): object {
  const { child, config, image, resources, volumes, ports = [], probes = serviceProbes } = fields;
  const named = [{ name: "api", containerPort: API_PORT }, { name: "health", containerPort: HEALTH_PORT }, ...ports];
  const container = {
    name: child.component,
    image,
    imagePullPolicy: config.imagePullPolicy,
    ports: named.map((port) => ({ ...port, protocol: "TCP" })),
    resources,
    securityContext: containerSecurityContext,
    volumeMounts: [...volumes.map(({ mount }) => mount), ...claimed],
    ...probes,
  };
  return {
    metadata: { labels: selectorOf(child), annotations: { [CONFIG_HASH]: digestOf(fields.configText) } },
    spec: {
      serviceAccountName: child.name,
      automountServiceAccountToken: fields.automountServiceAccountToken ?? false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: gracePeriodSeconds,
      securityContext: podSecurityContext,
      ...imageFields(config),
      containers: [container],
      volumes: volumes.map(({ volume }) => volume),
    },
  };
}
