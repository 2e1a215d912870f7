/** The named ways between the pods of a policy; whatever is not named here is closed in both directions. Pure. */
import { OWNER_LABEL, type RiskAccount, type RiskPolicy, marketDataOf } from "@bellwether/crds";
import { childName } from "../child-name.ts";
import { ACCOUNT_LABEL, API_PORT, type Component, HEALTH_PORT, MODE_LABEL, type Manifest, metadataOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";

type Labels = Readonly<Record<string, string>>;

interface Way {
  /** Peers; none: anybody. */
  readonly peers?: readonly object[];
  readonly ports: readonly { readonly protocol: "TCP" | "UDP"; readonly port: number }[];
}

interface Ways {
  readonly ingress: readonly Way[];
  readonly egress: readonly Way[];
}

/**
 *   operator ─► risk ◄─ agents of the policy           risk ─► brokers of the policy, Postgres, API server
 *   risk ─► broker                                     broker ─► Postgres, its exchange
 *   risk ─► HTTPS, where the policy names a webhook
 *   backtest: nobody, nothing                          everybody but backtests ─► DNS; health and metrics from anywhere
 */
export function networkPolicies(policy: RiskPolicy, config: OperatorConfig): Manifest[] {
  if (!config.networkPolicies.enabled) return [];
  return [
    agentWays(policy),
    backtestWays(policy),
    riskWays(policy, config),
    ...policy.spec.accounts.map((account) => brokerWays(policy, account, config)),
  ];
}

const tcp = (...ports: number[]): Way["ports"] => ports.map((port) => ({ protocol: "TCP", port }));
const pods = (labels: Labels): object => ({ podSelector: { matchLabels: labels } });
const blocks = (cidrs: readonly string[]): object[] => cidrs.map((cidr) => ({ ipBlock: { cidr } }));

const health: Way = { ports: tcp(HEALTH_PORT) };
const dns: Way = {
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

const componentOf = (policy: RiskPolicy, component: Component): Labels => ({
  "app.kubernetes.io/component": component,
  [OWNER_LABEL.RiskPolicy]: policy.metadata.name,
});

function postgres({ postgres: { podLabels, port } }: OperatorConfig): Way {
  return Object.keys(podLabels).length === 0 ? { ports: tcp(port) } : { peers: [pods(podLabels)], ports: tcp(port) };
}

function agentWays(policy: RiskPolicy): Manifest {
  const selector = {
    matchLabels: componentOf(policy, "agent"),
    matchExpressions: [{ key: MODE_LABEL, operator: "NotIn", values: ["Backtest"] }],
  };
  const egress = [dns, { peers: [pods(componentOf(policy, "risk"))], ports: tcp(API_PORT) }];
  return networkPolicy({ policy, role: "agents", selector, ways: { ingress: [health], egress } });
}

function backtestWays(policy: RiskPolicy): Manifest {
  const selector = { matchLabels: { ...componentOf(policy, "agent"), [MODE_LABEL]: "Backtest" } };
  return networkPolicy({ policy, role: "backtests", selector, ways: { ingress: [], egress: [] } });
}

function riskWays(policy: RiskPolicy, config: OperatorConfig): Manifest {
  const operator = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": config.namespace } },
    podSelector: { matchLabels: { "app.kubernetes.io/component": "operator" } },
  };
  const callers: Way = { peers: [operator, pods(componentOf(policy, "agent"))], ports: tcp(API_PORT) };
  const { apiServerCidrs, apiServerPorts, exchangeCidrs, webhookPorts } = config.networkPolicies;
  // Where a webhook is, only its Secret knows, and the operator reads none: the configured ports to the outside, and only for policies that have one.
  // Risk is told which, and refuses an address of another port instead of waiting for it.
  const tellsWebhook = policy.spec.alerts?.webhookUrlSecretRef !== undefined;
  const egress = [
    dns,
    postgres(config),
    { peers: [pods(componentOf(policy, "broker"))], ports: tcp(API_PORT) },
    { peers: blocks(apiServerCidrs), ports: tcp(...apiServerPorts) },
    ...(tellsWebhook ? [{ peers: blocks(exchangeCidrs), ports: tcp(...webhookPorts) }] : []),
  ];
  return networkPolicy({
    policy,
    role: "risk",
    selector: { matchLabels: componentOf(policy, "risk") },
    ways: { ingress: [callers, health], egress },
  });
}

function brokerWays(policy: RiskPolicy, account: RiskAccount, config: OperatorConfig): Manifest {
  const { exchangeCidrs, exchangePorts } = config.networkPolicies;
  const usesExchange = !account.paper || marketDataOf(account)?.kind === "ccxt" || account.referencePrice !== undefined;
  const exchange: Way = { peers: blocks(exchangeCidrs), ports: tcp(...exchangePortsOf(account, exchangePorts)) };
  const ingress = [{ peers: [pods(componentOf(policy, "risk"))], ports: tcp(API_PORT) }, health];
  const selector = { matchLabels: { ...componentOf(policy, "broker"), [ACCOUNT_LABEL]: account.name } };
  const egress = [dns, postgres(config), ...(usesExchange ? [exchange] : [])];
  return networkPolicy({ policy, role: `broker-${account.name}`, selector, ways: { ingress, egress } });
}

/** HTTPS, and whatever other ports the account's addresses name; a Solana RPC has its WebSocket one port above where it is not HTTPS'. */
function exchangePortsOf(account: RiskAccount, usual: readonly number[]): number[] {
  const { ccxt, solana, referencePrice } = account;
  const market = marketDataOf(account);
  const marketUrl = market?.kind === "ccxt" ? market.baseUrl : undefined;
  const baseUrls = [marketUrl, ccxt?.baseUrl, referencePrice?.ccxt?.baseUrl, solana?.swap?.baseUrl];
  const named = baseUrls.filter((url) => url !== undefined).map(portOf);
  const rpc = (solana?.rpcUrls ?? []).map(portOf).flatMap((port) => (port === 443 || port === 80 ? [port] : [port, port + 1]));
  return [...new Set([...usual, ...named, ...rpc])];
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return Number(port || (protocol === "http:" ? 80 : 443));
}

function networkPolicy({
  policy,
  role,
  selector,
  ways,
}: {
  policy: RiskPolicy;
  role: string;
  selector: object;
  ways: Ways;
}): Manifest {
  const component = role === "risk" ? "risk" : role === "agents" || role === "backtests" ? "agent" : "broker";
  const rule = (peer: "from" | "to", { peers, ports }: Way): object => ({ ...(peers && { [peer]: peers }), ports });
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadataOf({ owner: policy, component, name: childName("rpol", policy.metadata.name, role) }),
    spec: {
      podSelector: selector,
      policyTypes: ["Ingress", "Egress"],
      ingress: ways.ingress.map((way) => rule("from", way)),
      egress: ways.egress.map((way) => rule("to", way)),
    },
  };
}
