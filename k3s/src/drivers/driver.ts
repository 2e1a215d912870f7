import type { BuiltImage } from "../images/image-builder.ts";

export type DriverName = "current" | "k3s" | "kind" | "source";

/** Told what is happening inside a step, for the terminal. */
export type Report = (line: string) => void;

/** What the chart has to know about a kind of cluster. */
export interface ClusterTraits {
  /** The kubelet's root directory on the node: the node agent mounts its PodResources socket from there. */
  readonly kubeletRoot: string;
  /** Cores that the node's kubelet keeps shared: what the drop-in says. */
  readonly sharedCores: number;
  /** undefined: the cluster's default StorageClass. */
  readonly storageClass: string | undefined;
  /** Whether NetworkPolicies are enforced; undefined where only a probe can tell. */
  readonly enforcesNetworkPolicy: boolean | undefined;
}

/** Something that keeps `up` from starting, and what a person does about it. */
export interface Problem {
  readonly what: string;
  readonly remedy: string;
}

/** One way to a cluster. Nothing is changed before `problems` has answered with an empty list. */
export interface Driver {
  readonly name: DriverName;
  readonly traits: ClusterTraits;
  /** Names of the images this driver needs besides the platform's own. */
  readonly ownImages: readonly ("coredns" | "pause")[];
  problems(): Promise<Problem[]>;
  /** Installs packages and builds programs. */
  prepare(report: Report): Promise<void>;
  /** Starts the cluster, or brings a running one up to date, and returns a kubeconfig with embedded credentials. */
  start(images: ReadonlyMap<string, BuiltImage>, report: Report): Promise<string>;
  /** Makes images known to the cluster's nodes; those it has are skipped. Returns the references that pods use. */
  load(images: readonly BuiltImage[], report: Report): Promise<ReadonlyMap<string, string>>;
  /** Removes what this driver made on the machine, and nothing else. */
  stop(report: Report): Promise<void>;
}
