import { OWNER_LABEL } from "@bellwether/crds";
import {
  type ClusterAccess,
  type KubernetesClient,
  type KubernetesObject,
  defineResource,
  isKubernetesError,
} from "@bellwether/kubernetes";
import type { Clock } from "@bellwether/service-kit/clock";
import { ServiceClient } from "@bellwether/service-kit/service-client";
import { z } from "zod";
import { faultOf } from "../cluster/kubernetes-cluster.ts";
import { PluginError } from "../errors.ts";
import { HttpRisk } from "./http-risk.ts";
import { forwardPort } from "./port-forward.ts";
import type { OpenRisk } from "./risk-api.ts";
import { openTunnel } from "./tunnel.ts";

interface Pod extends KubernetesObject {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly state?: { readonly waiting?: { readonly reason?: string } } }[];
  };
}
interface TokenRequest extends KubernetesObject {
  readonly spec: { readonly audiences: readonly string[]; readonly expirationSeconds: number };
}
const issuedToken = z.object({ status: z.object({ token: z.string().min(1) }) });

const pods = defineResource<Pod>({ group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true });
const serviceAccount = "bellwether-cli";
/** A subresource whose POST makes something: for the client, a collection of its own. */
const tokens = defineResource<TokenRequest>({
  group: "",
  version: "v1",
  plural: `serviceaccounts/${serviceAccount}/token`,
  kind: "TokenRequest",
  namespaced: true,
});

const apiPort = 8080;
const audience = "risk.bellwether.dev";
/** The shortest that the API server gives; the command is over long before. */
const tokenSeconds = 600;
const requestTimeoutMs = 10_000;

interface OpenRiskOptions {
  readonly access: ClusterAccess;
  readonly client: KubernetesClient;
  /** Of the policies. */
  readonly namespace: string;
  /** Of the ServiceAccount bellwether-cli. */
  readonly platformNamespace: string;
  readonly clock: Clock;
}

/** The way to risk that a person has: a port-forward through the API server, and a token that the cluster's RBAC lets them ask for. */
export function riskThroughCluster(options: OpenRiskOptions): OpenRisk {
  const { access, namespace, clock } = options;
  let token: Promise<string> | undefined;
  return async (policy) => {
    // One token serves all policies: risk tells them apart by its own address.
    token ??= requestToken(options);
    const [pod, bearer] = await Promise.all([findPod(options, policy), token]);
    const tunnel = await openTunnel((handlers) => forwardPort(access, { namespace, pod, port: apiPort }, handlers));
    const client = new ServiceClient({ baseUrl: tunnel.baseUrl, token: async () => bearer, clock, timeoutMs: requestTimeoutMs });
    return new HttpRisk({
      client,
      policy,
      wayFault: () => tunnel.fault(),
      close: async () => {
        await client.close();
        await tunnel.close();
      },
    });
  };
}

/** A pod that can be asked; a ready one first. @throws PluginError RISK_UNREACHABLE saying what the pods do instead */
async function findPod({ client, namespace }: OpenRiskOptions, policy: string): Promise<string> {
  const labelSelector = `${OWNER_LABEL.RiskPolicy}=${policy},app.kubernetes.io/component=risk`;
  const next = `kubectl describe pods -n ${namespace} -l ${labelSelector}`;
  const { items } = await ask(`list the pods of risk`, namespace, () => client.list(pods, { namespace, labelSelector }));
  const running = items.filter(({ metadata, status }) => status?.phase === "Running" && metadata.deletionTimestamp === undefined);
  const chosen = running.find(isReady) ?? running[0];
  if (chosen) return chosen.metadata.name;
  const seen = items.map(describePod).join(", ");
  throw new PluginError(
    "RISK_UNREACHABLE",
    `riskpolicy/${policy} has no running risk pod in namespace ${namespace} (${seen || "there is none at all"}): no order is approved without it`,
    { next: items.length === 0 ? "is the operator running? kubectl get pods -A -l app.kubernetes.io/component=operator" : next },
  );
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True") === true;
}

function describePod({ metadata, status }: Pod): string {
  const waiting = status?.containerStatuses?.find(({ state }) => state?.waiting !== undefined)?.state?.waiting?.reason;
  const phase = metadata.deletionTimestamp === undefined ? (status?.phase ?? "Unknown") : "Terminating";
  return `${metadata.name}: ${phase}${waiting === undefined ? "" : `, ${waiting}`}`;
}

async function requestToken({ client, platformNamespace }: OpenRiskOptions): Promise<string> {
  const request: TokenRequest = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: { namespace: platformNamespace },
    spec: { audiences: [audience], expirationSeconds: tokenSeconds },
  };
  const what = `get a token of ServiceAccount ${serviceAccount}`;
  const answer = issuedToken.safeParse(await ask(what, platformNamespace, () => client.create(tokens, request)));
  if (answer.success) return answer.data.status.token;
  throw new PluginError(
    "RISK_UNREACHABLE",
    `the API server answered without a token for ServiceAccount ${platformNamespace}/${serviceAccount}`,
  );
}

async function ask<T>(what: string, namespace: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isKubernetesError(error, "NOT_FOUND")) {
      const next = "the chart makes it: helm upgrade, or name the platform's namespace with --platform-namespace";
      throw new PluginError("RISK_UNREACHABLE", `cannot ${what} in namespace ${namespace}: there is none`, {
        cause: error,
        next,
      });
    }
    throw faultOf(error, { what, namespace });
  }
}
