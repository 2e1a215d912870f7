import { network } from "./layout.ts";

/** Name in StorageClass.provisioner; claims that ask for it get a directory of the machine. */
export const provisionerName = "bellwether.dev/local";
export const storageClassName = "bellwether-local";

export interface Claim {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
}

export interface Volume {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly storageClassName?: string; readonly claimRef?: { readonly uid?: string } };
  readonly status?: { readonly phase?: string };
}

export type VolumeAction =
  { readonly do: "create"; readonly name: string; readonly claim: Claim } | { readonly do: "remove"; readonly name: string };

const volumeName = (claim: Claim): string => `pvc-${claim.metadata.uid}`;

/** What to make and what to remove, from what is: the same world gives the same actions. */
export function volumeActions(claims: readonly Claim[], volumes: readonly Volume[]): VolumeAction[] {
  const ours = volumes.filter((volume) => volume.spec.storageClassName === storageClassName);
  const names = new Set(ours.map((volume) => volume.metadata.name));
  const wanted = claims.filter(
    (claim) => claim.spec.storageClassName === storageClassName && !claim.spec.volumeName && !claim.metadata.deletionTimestamp,
  );
  const create = wanted
    .filter((claim) => !names.has(volumeName(claim)))
    .map((claim): VolumeAction => ({ do: "create", name: volumeName(claim), claim }));
  const remove = ours
    .filter((volume) => volume.status?.phase === "Released")
    .map((volume): VolumeAction => ({ do: "remove", name: volume.metadata.name }));
  return [...create, ...remove];
}

/** The PersistentVolume of a claim: `local`, not `hostPath`, because only local volumes get the pod's fsGroup. */
export function volumeManifest(name: string, claim: Claim, directory: string): object {
  const { metadata, spec } = claim;
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": provisionerName } },
    spec: {
      capacity: { storage: spec.resources?.requests?.storage ?? "1Gi" },
      accessModes: spec.accessModes ?? ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain", // removed by us once it is Released: no plugin of Kubernetes can delete a local volume
      storageClassName,
      claimRef: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
      },
      local: { path: directory },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [network.nodeName] }] },
          ],
        },
      },
    },
  };
}
