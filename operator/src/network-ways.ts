/** The named ways between pods, as NetworkPolicies have them; whatever is not named is closed in both directions. Pure. */
import { type ChildFields, HEALTH_PORT, type Manifest, metadataOf } from "./child-objects.ts";
import type { OperatorConfig } from "./config.ts";

type Labels = Readonly<Record<string, string>>;

export interface Way {
  /** Peers; none: anybody. */
  readonly peers?: readonly object[];
  readonly ports: readonly { readonly protocol: "TCP" | "UDP"; readonly port: number }[];
}

export const tcp = (...ports: number[]): Way["ports"] => ports.map((port) => ({ protocol: "TCP", port }));
export const pods = (labels: Labels): object => ({ podSelector: { matchLabels: labels } });
export const blocks = (cidrs: readonly string[]): object[] => cidrs.map((cidr) => ({ ipBlock: { cidr } }));

export const health: Way = { ports: tcp(HEALTH_PORT) };
export const dns: Way = {
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

export function operatorPods({ namespace }: OperatorConfig): object {
  return {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
    podSelector: { matchLabels: { "app.kubernetes.io/component": "operator" } },
  };
}

export function postgresWay({ postgres: { podLabels, port } }: OperatorConfig): Way {
  return Object.keys(podLabels).length === 0 ? { ports: tcp(port) } : { peers: [pods(podLabels)], ports: tcp(port) };
}

/** None where there is no Valkey. */
export function valkeyWays({ valkey: { enabled, namespace, podLabels, port } }: OperatorConfig): Way[] {
  if (!enabled) return [];
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  return [{ peers: [{ namespaceSelector, podSelector: { matchLabels: podLabels } }], ports: tcp(port) }];
}

/** The port that an http or https address names or implies. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return Number(port || (protocol === "http:" ? 80 : 443));
}

export interface Ways {
  /** Label selector of the pods it is about. */
  readonly selector: object;
  readonly ingress: readonly Way[];
  readonly egress: readonly Way[];
}

export function networkPolicy(fields: ChildFields, { selector, ingress, egress }: Ways): Manifest {
  const rule = (peer: "from" | "to", { peers, ports }: Way): object => ({ ...(peers && { [peer]: peers }), ports });
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadataOf(fields),
    spec: {
      podSelector: selector,
      policyTypes: ["Ingress", "Egress"],
      ingress: ingress.map((way) => rule("from", way)),
      egress: egress.map((way) => rule("to", way)),
    },
  };
}
