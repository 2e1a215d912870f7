import { describe, expect, test } from "vitest";
import { agentConfig, type AgentConfigInput } from "./config.ts";

const paper = {
  mode: "Paper",
  strategy: { uid: "u-1", name: "demo", namespace: "bellwether" },
  risk: { url: "http://rpol-main-risk:8080" },
  markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
  program: { builtin: "momentum" },
} satisfies AgentConfigInput;

const backtest = {
  strategy: paper.strategy,
  markets: paper.markets,
  program: { source: { file: "/program/strategy.ts", name: "mine/strategy.ts" } },
  mode: "Backtest",
  backtest: {
    dataset: { file: "/dataset/bars.csv" },
    startingBalances: [{ asset: "USDT", amount: "10000" }],
    baseCurrency: "USDT",
  },
} satisfies AgentConfigInput;

describe("the agent's configuration", () => {
  test("a paper agent needs no more than risk, markets and a program", () => {
    expect(agentConfig.parse(paper)).toMatchObject({
      schedule: { kind: "onBar" },
      warmupBars: 200,
      limits: { callTimeoutMs: 5000 },
    });
  });

  test("a backtest names its dataset and no risk service", () => {
    expect(agentConfig.parse(backtest)).toMatchObject({ backtest: { gaps: "Refuse", volumeUnit: "Base", seed: 1 } });
  });

  test.each([
    { when: "a paper agent carries a backtest", config: { ...paper, backtest: backtest.backtest }, path: "" },
    {
      when: "the cron expression is no cron expression",
      config: { ...paper, schedule: { kind: "cron", cron: "every noon" } },
      path: "schedule",
    },
    {
      when: "the time zone does not exist",
      config: { ...paper, schedule: { kind: "cron", cron: "0 9 * * *", timeZone: "Mars/Olympus" } },
      path: "schedule",
    },
    {
      when: "a timeframe is not one",
      config: { ...paper, markets: [{ symbol: "BTC/USDT", timeframe: "1 minute" }] },
      path: "markets.0.timeframe",
    },
    {
      when: "a fee is negative",
      config: { ...backtest, backtest: { ...backtest.backtest, feeBps: "-1" } },
      path: "backtest.feeBps",
    },
    {
      when: "both kinds of program are given",
      config: { ...paper, program: { builtin: "grid", source: { file: "a", name: "b" } } },
      path: "program",
    },
  ])("is refused when $when", ({ config, path }) => {
    const result = agentConfig.safeParse(config);
    expect(result.error?.issues.map((issue) => issue.path.join("."))).toContain(path);
  });
});
