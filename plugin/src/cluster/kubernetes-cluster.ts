import { GROUP, VERSION } from "@bellwether/crds";
import {
  type KubernetesClient,
  type KubernetesObject,
  type Resource,
  type Stored,
  defineResource,
  isKubernetesError,
} from "@bellwether/kubernetes";
import { messageOf } from "@bellwether/service-kit/coded-error";
import { PluginError } from "../errors.ts";
import type { AnnotationChange, Cluster, StoredPolicy, StoredStrategy } from "./cluster.ts";

const ofGroup = { group: GROUP, version: VERSION, namespaced: true } as const;
const riskPolicies: Resource<StoredPolicy> = defineResource({ ...ofGroup, plural: "riskpolicies", kind: "RiskPolicy" });
const strategies: Resource<StoredStrategy> = defineResource({ ...ofGroup, plural: "strategies", kind: "Strategy" });

interface SelfSubjectReview extends KubernetesObject {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}
const selfSubjectReviews: Resource<SelfSubjectReview> = defineResource({
  group: "authentication.k8s.io",
  version: "v1",
  plural: "selfsubjectreviews",
  kind: "SelfSubjectReview",
  namespaced: false,
});

const longestWho = 200;
const pageBound = 20;

/** The commands' cluster over the API client. */
export class KubernetesCluster implements Cluster {
  readonly namespace: string;
  readonly #client: KubernetesClient;

  constructor(client: KubernetesClient, namespace: string) {
    this.#client = client;
    this.namespace = namespace;
  }

  policies(): Promise<readonly StoredPolicy[]> {
    return this.#all(riskPolicies);
  }

  strategies(): Promise<readonly StoredStrategy[]> {
    return this.#all(strategies);
  }

  policy(name: string): Promise<StoredPolicy | undefined> {
    return this.#ask(`read riskpolicy/${name}`, () => this.#client.get(riskPolicies, { name, namespace: this.namespace }));
  }

  annotate(policy: string, { annotations, resourceVersion, dryRun }: AnnotationChange): Promise<StoredPolicy> {
    const metadata = { annotations, ...(resourceVersion !== undefined && { resourceVersion }) };
    const target = { ref: { name: policy, namespace: this.namespace }, patch: { metadata } };
    return this.#ask(`annotate riskpolicy/${policy}`, async () => {
      try {
        return await this.#client.patch(riskPolicies, target, { dryRun });
      } catch (error) {
        if (!isKubernetesError(error, "NOT_FOUND")) throw error;
        throw new PluginError("POLICY_NOT_FOUND", `riskpolicy/${policy} is gone from namespace ${this.namespace}`, {
          cause: error,
        });
      }
    });
  }

  /** Unknown where the API server does not say: a stop must not fail for the want of a name. */
  async whoAmI(): Promise<string> {
    try {
      const review: SelfSubjectReview = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview", metadata: {} };
      const { status } = await this.#client.create(selfSubjectReviews, review);
      return (status?.userInfo?.username || "unknown").slice(0, longestWho);
    } catch (error) {
      if (isKubernetesError(error)) return "unknown";
      throw error;
    }
  }

  async #all<T extends KubernetesObject>(resource: Resource<T>): Promise<readonly Stored<T>[]> {
    const found: Stored<T>[] = [];
    let next: string | undefined;
    for (let page = 0; page < pageBound; page += 1) {
      const options = { namespace: this.namespace, ...(next !== undefined && { continue: next }) };
      const answer = await this.#ask(`list ${resource.plural}`, () => this.#client.list(resource, options));
      found.push(...answer.items);
      next = answer.continue;
      if (next === undefined) break;
    }
    return found;
  }

  async #ask<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw faultOf(error, { what, namespace: this.namespace });
    }
  }
}

/** What the API server or the way to it says, in the plugin's terms. Anything else is passed on: nobody foresaw it. */
export function faultOf(error: unknown, { what, namespace }: { what: string; namespace: string | undefined }): unknown {
  if (!isKubernetesError(error)) return error;
  const details = { cause: error };
  const message = `cannot ${what}${namespace === undefined ? "" : ` in namespace ${namespace}`}: ${messageOf(error)}`;
  switch (error.code) {
    case "FORBIDDEN":
      return new PluginError("FORBIDDEN", message, {
        ...details,
        next: "kubectl auth whoami; the rights are listed in docs/guides/operations.md",
      });
    case "CONFLICT":
      return new PluginError("CHANGED_MEANWHILE", message, { ...details, next: "the same command again" });
    case "NOT_FOUND":
      return new PluginError("KINDS_NOT_FOUND", message, {
        ...details,
        next: "is the context right? kubectl config current-context; kubectl get crd",
      });
    case "UNREACHABLE":
    case "TIMEOUT":
    case "CONNECTION_FROZEN":
    case "CLUSTER_ACCESS_INVALID":
    case "CREDENTIALS_UNREADABLE":
    case "UNAUTHORIZED":
      return new PluginError("CLUSTER_UNREACHABLE", message, {
        ...details,
        next: "kubectl cluster-info; --context, --kubeconfig",
      });
    default:
      return new PluginError("CLUSTER_REFUSED", message, details);
  }
}
