/** The kind of the benchmark: for each Probe a ConfigMap of the same name with `data.value`, owned by it, and one status write. */
import { type KubernetesObject, defineResource } from "@bellwether/kubernetes";

export interface Probe extends KubernetesObject {
  readonly spec?: { readonly value?: string };
  readonly status?: { readonly observedGeneration?: number; readonly configMap?: string };
}

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const probes = defineResource<Probe>({
  group: "bench.example.com",
  version: "v1",
  plural: "probes",
  kind: "Probe",
  namespaced: true,
});

export const configMaps = defineResource<ConfigMap>({
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
});

export const probeCrd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "probes.bench.example.com" },
  spec: {
    group: "bench.example.com",
    scope: "Namespaced",
    names: { plural: "probes", singular: "probe", kind: "Probe", listKind: "ProbeList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { value: { type: "string" } } },
              status: {
                type: "object",
                properties: { observedGeneration: { type: "integer", format: "int64" }, configMap: { type: "string" } },
              },
            },
          },
        },
      },
    ],
  },
};

/** The operator has done its work on this state of the object. */
export function isReady({ metadata, status }: Probe): boolean {
  return status?.observedGeneration === metadata.generation;
}
