/** Manifests of the end-to-end tests, as a user would write them. */

export interface StrategyOptions {
  readonly name: string;
  readonly policy?: string;
  readonly account?: string;
  readonly mode?: string;
  readonly program?: string;
  readonly resources?: string;
  readonly extra?: string;
}

const momentum = "{builtin: {name: momentum, parameters: {fast: 5, slow: 15}}}";

/** A paper strategy on BTC/USDT, one-minute bars; on shared cores unless `resources` says otherwise. */
export function strategy(options: StrategyOptions): string {
  const {
    name,
    policy = "lab",
    account = "paper",
    mode = "Paper",
    program = momentum,
    resources = "{pinning: Shared}",
    extra = "",
  } = options;
  return `
apiVersion: bellwether.dev/v1alpha1
kind: Strategy
metadata: {name: ${name}}
spec:
  mode: ${mode}
  riskPolicyRef: {name: ${policy}, account: ${account}}
  markets: [{symbol: BTC/USDT, timeframe: 1m}]
  program: ${program}
  resources: ${resources}
${extra}
`;
}

/** A policy with one paper account on a replayed synthetic market; with the limits wide enough for every test. */
export function riskPolicy(name: string, extra = ""): string {
  return `
apiVersion: bellwether.dev/v1alpha1
kind: RiskPolicy
metadata: {name: ${name}}
spec:
  baseCurrency: USDT
  accounts:
    - name: paper
      paper:
        balances: [{asset: USDT, amount: "10000"}]
        feeBps: "10"
        slippageBps: "5"
        market: {replay: {dataset: {synthetic: {seed: 7}, symbol: BTC/USDT}, speed: 120}}
  limits: {maxPositionRatio: "0.9", maxOrderNotional: "9000", maxOpenOrders: 20}
${extra}
`;
}

/** A ConfigMap holding one TypeScript program. */
export function programConfigMap(name: string, source: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "program.ts": source } });
}
