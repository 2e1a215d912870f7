import { agentConfig } from "@bellwether/agent/config";
import { type StrategySpec, effectiveStrategySpec } from "@bellwether/crds";
import { expect, test } from "vitest";
import { testPolicy, testStrategy } from "../testing/objects.ts";
import { renderAgentConfig } from "./agent-config.ts";

function llmOf(spec: Partial<StrategySpec>, gatewayUrl: string | undefined) {
  const rendered = renderAgentConfig({
    strategy: { uid: "uid-btc", name: "btc", namespace: "demo" },
    spec: effectiveStrategySpec(testStrategy("btc", spec).spec),
    policy: testPolicy(),
    riskUrl: "http://rpol-main-risk.demo.svc:8080",
    gatewayUrl,
  });
  if (!rendered.ok) throw new Error(rendered.message);
  const config = agentConfig.parse(JSON.parse(rendered.text));
  return config.llm;
}

const gateway = "http://llmr-main-gateway.demo.svc:8080";
const tokenFile = "/var/run/secrets/bellwether/gateway.bellwether.dev/token";
const bar = (timeframe: string): StrategySpec["markets"][number] => ({ symbol: "BTC/USDT", timeframe });

test.each([
  { when: "its strategy names no route", markets: [bar("1m")], url: undefined, then: undefined },
  { when: "its bars are a minute", markets: [bar("1m")], url: gateway, then: { url: gateway, tokenFile, timeoutMs: 30_000 } },
  { when: "its bars are an hour", markets: [bar("1h")], url: gateway, then: { url: gateway, tokenFile, timeoutMs: 60_000 } },
  {
    when: "one of its markets has short bars",
    markets: [bar("1h"), { symbol: "ETH/USDT", timeframe: "1s" }],
    url: gateway,
    then: { url: gateway, tokenFile, timeoutMs: 1_000 },
  },
])("the agent is told of a gateway when $when", ({ markets, url, then }) => {
  expect(llmOf({ markets, ...(url !== undefined && { llmRouteRef: { name: "main" } }) }, url)).toEqual(then);
});

test("a backtest that names a route keeps what its models answer", () => {
  const backtest = { dataset: { synthetic: { seed: 1 } } };
  const spec = { mode: "Backtest", backtest, llmRouteRef: { name: "main" } } as const;
  const answersFile = "/var/lib/bellwether/answers/answers.jsonl";
  expect(llmOf(spec, gateway)).toEqual({ url: gateway, tokenFile, timeoutMs: 300_000, answersFile });
  expect(llmOf({ mode: "Backtest", backtest }, undefined)).toBeUndefined();
});
