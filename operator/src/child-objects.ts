/** What all children have alike: labels, owner, how locked down their pods are. Pure. */
import { type CustomResource, OWNER_LABEL } from "@bellwether/crds";
import type { KubernetesObject } from "@bellwether/kubernetes";
import type { OperatorConfig } from "./config.ts";

/** An object as it is applied: only the fields that are ours. */
export type Manifest = KubernetesObject & Readonly<Record<string, unknown>>;

export type Owner = CustomResource<keyof typeof OWNER_LABEL, unknown, unknown>;
export type Component = "agent" | "risk" | "broker" | "gateway" | "ollama";

export const CONFIG_HASH = "bellwether.dev/config-hash";
/** On a pod, not in its template: the kubelet brings mounted files up to date at once when a pod is touched, else within a minute or so. */
export const CALLERS_HASH = "bellwether.dev/callers-hash";
export const MODE_LABEL = "bellwether.dev/mode";
export const ACCOUNT_LABEL = "bellwether.dev/account";
export const MODEL_LABEL = "bellwether.dev/model";
export const CONFIG_DIRECTORY = "/etc/bellwether";
export const API_PORT = 8080;
export const HEALTH_PORT = 9090;

/** The user that every image of ours runs as; named here, so that volumes can be given to it. */
const userId = 65_532;

/** Labels of a child; also what a Service or a NetworkPolicy selects it by. */
export function labelsOf(owner: Owner, component: Component): Record<string, string> {
  return {
    "app.kubernetes.io/name": "bellwether",
    "app.kubernetes.io/instance": owner.metadata.name,
    "app.kubernetes.io/component": component,
    "app.kubernetes.io/part-of": "bellwether",
    "app.kubernetes.io/managed-by": "bellwether-operator",
    [OWNER_LABEL[owner.kind]]: owner.metadata.name,
  };
}

export interface ChildFields {
  readonly owner: Owner;
  readonly component: Component;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Metadata of a child but for its owner reference, which `ensureChild` adds. */
export function metadataOf({ owner, component, name, labels, annotations }: ChildFields): Manifest["metadata"] {
  return {
    name,
    namespace: namespaceOf(owner),
    labels: { ...labelsOf(owner, component), ...labels },
    ...(annotations && { annotations }),
  };
}

export function uidOf(owner: Pick<Owner, "kind" | "metadata">): string {
  if (owner.metadata.uid === undefined)
    throw new TypeError(`${owner.kind} ${owner.metadata.name} has no uid: it does not come from the API server`);
  return owner.metadata.uid;
}

export function namespaceOf(owner: Pick<Owner, "kind" | "metadata">): string {
  if (owner.metadata.namespace === undefined) throw new TypeError(`${owner.kind} ${owner.metadata.name} has no namespace`);
  return owner.metadata.namespace;
}

/** A ServiceAccount whose token reaches a pod only where the pod asks for it. */
export function serviceAccount(fields: ChildFields): Manifest {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: metadataOf(fields), automountServiceAccountToken: false };
}

export function configMap(fields: ChildFields, data: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: metadataOf(fields), data };
}

export const podSecurityContext = {
  runAsNonRoot: true,
  runAsUser: userId,
  runAsGroup: userId,
  fsGroup: userId,
  fsGroupChangePolicy: "OnRootMismatch",
  seccompProfile: { type: "RuntimeDefault" },
} as const;

export const containerSecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
} as const;

/** A volume of a pod and where its container sees it. */
export interface Mounted {
  readonly volume: object;
  readonly mount: object;
}

/** A projected token for one audience, at the path every runtime looks for it. */
export function tokenVolume(audience: string): Mounted {
  const name = `token-${audience.split(".")[0]}`;
  const source = { serviceAccountToken: { audience, expirationSeconds: 3600, path: "token" } };
  return {
    volume: { name, projected: { sources: [source], defaultMode: 0o440 } },
    mount: { name, mountPath: `/var/run/secrets/bellwether/${audience}`, readOnly: true },
  };
}

/** The pod's own ConfigMap, with config.json and where needed jwks.json. */
export function configVolume(name: string): Mounted {
  return {
    volume: { name: "config", configMap: { name } },
    mount: { name: "config", mountPath: CONFIG_DIRECTORY, readOnly: true },
  };
}

/** One key of a ConfigMap, under its own name: the other keys are none of the pod's business. */
export function keyVolume(name: string, ref: { name: string; key: string }, mountPath: string): Mounted {
  return {
    volume: { name, configMap: { name: ref.name, items: [{ key: ref.key, path: ref.key }] } },
    mount: { name, mountPath, readOnly: true },
  };
}

export function claimVolume(name: string, claimName: string, mountPath: string): Mounted {
  return { volume: { name, persistentVolumeClaim: { claimName, readOnly: true } }, mount: { name, mountPath, readOnly: true } };
}

/**
 * Keys of a Secret as files. Optional, the Secret and each of its keys: a pod that cannot mount them would hang without a word, while one that
 * runs says which is missing, and finds it when it is put there (the kubelet mounts it within about a minute).
 */
export function credentialsVolume(secretName: string, keys: readonly string[], mountPath: string): Mounted {
  return secretFiles("credentials", { secretName, keys, mountPath });
}

/** The same under a name of one's own, for a pod with several. */
export function secretFiles(
  name: string,
  { secretName, keys, mountPath }: { secretName: string; keys: readonly string[]; mountPath: string },
): Mounted {
  const items = keys.map((key) => ({ key, path: key }));
  return {
    volume: { name, secret: { secretName, items, optional: true, defaultMode: 0o440 } },
    mount: { name, mountPath, readOnly: true },
  };
}

/** The root file system is read-only; this is where Node may write. */
export const scratchVolume = {
  volume: { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
  mount: { name: "tmp", mountPath: "/tmp" },
} as const;

/** Probes of a service: restarted only when it says itself that a restart would help, taken out of its Service while it is not ready. */
export const serviceProbes = {
  readinessProbe: { httpGet: { path: "/readyz", port: "health" }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
  livenessProbe: {
    httpGet: { path: "/livez", port: "health" },
    initialDelaySeconds: 10,
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 3,
  },
} as const;

/** What of the configuration goes into every pod. */
export function imageFields(config: OperatorConfig): { imagePullSecrets?: readonly { name: string }[] } {
  return config.imagePullSecrets.length === 0 ? {} : { imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })) };
}
