/** Objects as the API server would hand them out, for tests. */
import type { LlmRoute, RiskPolicy, Strategy } from "@bellwether/crds";
import { type OperatorConfig, operatorConfig } from "../config.ts";

export const testConfig = (overrides: object = {}): OperatorConfig =>
  operatorConfig.parse({
    images: { agent: "agent:1", risk: "risk:1", broker: "broker:1", gateway: "gateway:1", ollama: "ollama:1" },
    ...overrides,
  });

export function testStrategy(name: string, spec: Partial<Strategy["spec"]> = {}, status?: Strategy["status"]): Strategy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "Strategy",
    metadata: { name, namespace: "demo", uid: `uid-${name}`, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      riskPolicyRef: { name: "main", account: "paper" },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      program: { builtin: { name: "momentum", parameters: { fast: 5 } } },
      ...spec,
    },
    ...(status && { status }),
  };
}

export function testPolicy(spec: Partial<RiskPolicy["spec"]> = {}, status?: RiskPolicy["status"]): RiskPolicy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: { name: "main", namespace: "demo", uid: "uid-main", generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      baseCurrency: "USDT",
      accounts: [
        {
          name: "paper",
          paper: {
            balances: [{ asset: "USDT", amount: "10000" }],
            market: { replay: { dataset: { synthetic: { seed: 7 } }, speed: 60 } },
          },
        },
      ],
      ...spec,
    },
    ...(status && { status }),
  };
}

export function testRoute(spec: Partial<LlmRoute["spec"]> = {}, status?: LlmRoute["status"]): LlmRoute {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "LlmRoute",
    metadata: { name: "mixed", namespace: "demo", uid: "uid-mixed", generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { models: [{ name: "local", ollama: { model: "llama3.2:3b" } }], ...spec },
    ...(status && { status }),
  };
}
