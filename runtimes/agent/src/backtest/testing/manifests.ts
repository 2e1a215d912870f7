/** The smallest manifest a backtest runs. */
export const policyYaml = `apiVersion: bellwether.dev/v1alpha1
kind: RiskPolicy
metadata: { name: main }
spec:
  baseCurrency: USDT
  accounts:
    - name: paper
      paper:
        balances: [{ asset: USDT, amount: "10000" }]
        feeBps: "7.5"
        market: { replay: { dataset: { synthetic: { seed: 1 } } } }
`;

export const strategyYaml = `apiVersion: bellwether.dev/v1alpha1
kind: Strategy
metadata: { name: demo }
spec:
  riskPolicyRef: { name: main, account: paper }
  markets: [{ symbol: BTC/USDT, timeframe: 1m }]
  program: { builtin: { name: momentum, parameters: { fast: 10, equityRatio: "0.1" } } }
  backtest: { dataset: { synthetic: { seed: 3, bars: 3000 }, volumeUnit: Quote }, seed: 5 }
`;

export const manifestYaml = `${policyYaml}---\n${strategyYaml}`;
