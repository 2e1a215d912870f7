/** The named ways between the pods of a policy; whatever is not named here is closed in both directions. Pure. */
import { OWNER_LABEL, type RiskAccount, type RiskPolicy, marketDataOf } from "@bellwether/crds";
import { childName } from "../child-name.ts";
import { ACCOUNT_LABEL, API_PORT, type Component, MODE_LABEL, type Manifest } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import {
  type Way,
  type Ways,
  blocks,
  dns,
  health,
  networkPolicy,
  operatorPods,
  pods,
  portOf,
  postgresWay,
  tcp,
  valkeyWays,
} from "../network-ways.ts";

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

type Labels = Readonly<Record<string, string>>;

const componentOf = (policy: RiskPolicy, component: Component): Labels => ({
  "app.kubernetes.io/component": component,
  [OWNER_LABEL.RiskPolicy]: policy.metadata.name,
});

function agentWays(policy: RiskPolicy): Manifest {
  const selector = {
    matchLabels: componentOf(policy, "agent"),
    matchExpressions: [{ key: MODE_LABEL, operator: "NotIn", values: ["Backtest"] }],
  };
  const egress = [dns, { peers: [pods(componentOf(policy, "risk"))], ports: tcp(API_PORT) }];
  return policyOf(policy, "agents", { selector, ingress: [health], egress });
}

function backtestWays(policy: RiskPolicy): Manifest {
  const selector = { matchLabels: { ...componentOf(policy, "agent"), [MODE_LABEL]: "Backtest" } };
  return policyOf(policy, "backtests", { selector, ingress: [], egress: [] });
}

function riskWays(policy: RiskPolicy, config: OperatorConfig): Manifest {
  const callers: Way = { peers: [operatorPods(config), pods(componentOf(policy, "agent"))], ports: tcp(API_PORT) };
  const { apiServerCidrs, apiServerPorts, exchangeCidrs, webhookPorts } = config.networkPolicies;
  // Where a webhook is, only its Secret knows, and the operator reads none: the configured ports to the outside, and only for policies that have one.
  // Risk is told which, and refuses an address of another port instead of waiting for it.
  const tellsWebhook = policy.spec.alerts?.webhookUrlSecretRef !== undefined;
  const egress = [
    dns,
    postgresWay(config),
    ...valkeyWays(config),
    { peers: [pods(componentOf(policy, "broker"))], ports: tcp(API_PORT) },
    { peers: blocks(apiServerCidrs), ports: tcp(...apiServerPorts) },
    ...(tellsWebhook ? [{ peers: blocks(exchangeCidrs), ports: tcp(...webhookPorts) }] : []),
  ];
  const selector = { matchLabels: componentOf(policy, "risk") };
  return policyOf(policy, "risk", { selector, ingress: [callers, health], egress });
}

function brokerWays(policy: RiskPolicy, account: RiskAccount, config: OperatorConfig): Manifest {
  const { exchangeCidrs, exchangePorts } = config.networkPolicies;
  const usesExchange = !account.paper || marketDataOf(account)?.kind === "ccxt" || account.referencePrice !== undefined;
  const exchange: Way = { peers: blocks(exchangeCidrs), ports: tcp(...exchangePortsOf(account, exchangePorts)) };
  const ingress = [{ peers: [pods(componentOf(policy, "risk"))], ports: tcp(API_PORT) }, health];
  const selector = { matchLabels: { ...componentOf(policy, "broker"), [ACCOUNT_LABEL]: account.name } };
  const egress = [dns, postgresWay(config), ...(usesExchange ? [exchange] : [])];
  return policyOf(policy, `broker-${account.name}`, { selector, ingress, egress });
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

function policyOf(policy: RiskPolicy, role: string, ways: Ways): Manifest {
  const component = role === "risk" ? "risk" : role === "agents" || role === "backtests" ? "agent" : "broker";
  return networkPolicy({ owner: policy, component, name: childName("rpol", policy.metadata.name, role) }, ways);
}
