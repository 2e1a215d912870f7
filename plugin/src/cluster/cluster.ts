import type { RiskPolicy, Strategy } from "@bellwether/crds";
import type { Stored } from "@bellwether/kubernetes";

export type StoredPolicy = Stored<RiskPolicy & { readonly metadata: { readonly name: string } }>;
export type StoredStrategy = Stored<Strategy & { readonly metadata: { readonly name: string } }>;

export interface AnnotationChange {
  /** Null removes. */
  readonly annotations: Readonly<Record<string, string | null>>;
  /** Given: refused with CHANGED_MEANWHILE when the object is not this version any more. */
  readonly resourceVersion?: string;
  readonly dryRun: boolean;
}

/** The API server as the commands need it. Every method throws PluginError. */
export interface Cluster {
  readonly namespace: string;
  policies(): Promise<readonly StoredPolicy[]>;
  policy(name: string): Promise<StoredPolicy | undefined>;
  strategies(): Promise<readonly StoredStrategy[]>;
  annotate(policy: string, change: AnnotationChange): Promise<StoredPolicy>;
  /** The caller's name as the API server sees it. */
  whoAmI(): Promise<string>;
}
