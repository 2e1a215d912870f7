import { readFileSync } from "node:fs";
import path from "node:path";

/** As much of a rendered manifest as the tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly replicas?: number; readonly template?: PodTemplate } & Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
}

interface PodTemplate {
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly object[];
  };
}

export interface Container {
  readonly name: string;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: { readonly requests: { readonly cpu: string | number } };
}

const workloads = new Set(["Deployment", "StatefulSet", "DaemonSet", "Job"]);

export const podTemplateOf = (manifest: Manifest): PodTemplate | undefined =>
  workloads.has(manifest.kind) ? manifest.spec?.template : undefined;

export function containersOf(manifest: Manifest): readonly Container[] {
  const spec = podTemplateOf(manifest)?.spec;
  return spec ? [...spec.containers, ...(spec.initContainers ?? [])] : [];
}

/** `100m` → 100, `1` → 1000. */
export function requestedMillicores(quantity: string | number): number {
  const text = String(quantity);
  return text.endsWith("m") ? Number(text.slice(0, -1)) : Number(text) * 1000;
}

/** What a workload requests at the most: a Deployment has one pod more during a rollout, a DaemonSet one on the one node. */
export function podsAtOnce(manifest: Manifest): { millicores: number; hook: boolean }[] {
  const containers = containersOf(manifest);
  if (containers.length === 0) return [];
  const perPod = containers.reduce((sum, { resources }) => sum + requestedMillicores(resources.requests.cpu), 0);
  const pods = manifest.kind === "Deployment" ? (manifest.spec?.replicas ?? 1) + 1 : 1;
  return [{ millicores: perPod * pods, hook: manifest.metadata.annotations?.["helm.sh/hook"] !== undefined }];
}

/** The sum under the table at the head of values.yaml. */
export function valuesTable(): number {
  const file = path.resolve(import.meta.dirname, "../../../charts/bellwether/values.yaml");
  const sum = /^# +(\d+)m$/m.exec(readFileSync(file, "utf8"))?.[1];
  return Number(sum);
}
