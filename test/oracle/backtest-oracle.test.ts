// An independent Python program computes the backtest of momentum again, from the text of docs/fill-model.md; both must agree on every fill.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const bars = path.resolve(root, "../shared/data/btc-perp-1m.csv");
const python = spawnSync("python3", ["--version"]).status === 0;
const missing = [...(python ? [] : ["python3"]), ...(existsSync(bars) ? [] : ["../shared/data/btc-perp-1m.csv"])];
const folder = mkdtempSync(path.join(tmpdir(), "oracle-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Case {
  readonly what: string;
  readonly cash: string;
  readonly costs: { readonly feeBps: string; readonly slippageBps: string };
  readonly limits: Record<
    "maxPositionRatio" | "maxTokenConcentrationRatio" | "maxOrderNotional" | "maxDailyLossRatio" | "maxDrawdownRatio",
    string
  >;
  readonly parameters: { readonly fast: number; readonly slow: number; readonly bandBps: number; readonly equityRatio: string };
}

const cases: readonly Case[] = [
  {
    what: "the defaults",
    cash: "10000",
    costs: { feeBps: "10", slippageBps: "5" },
    limits: {
      maxPositionRatio: "0.20",
      maxTokenConcentrationRatio: "0.50",
      maxOrderNotional: "10000",
      maxDailyLossRatio: "0.05",
      maxDrawdownRatio: "0.20",
    },
    parameters: { fast: 20, slow: 60, bandBps: 20, equityRatio: "0.2" },
  },
  {
    what: "the whole cash, so that buys are shrunk and clipped, at every crossing",
    cash: "12345.67",
    costs: { feeBps: "7.5", slippageBps: "2.5" },
    limits: {
      maxPositionRatio: "1",
      maxTokenConcentrationRatio: "1",
      maxOrderNotional: "1000000",
      maxDailyLossRatio: "1",
      maxDrawdownRatio: "1",
    },
    parameters: { fast: 20, slow: 60, bandBps: 0, equityRatio: "1" },
  },
  {
    what: "more than the volume of a bar takes, over several bars",
    cash: "400000",
    costs: { feeBps: "1", slippageBps: "0" },
    limits: {
      maxPositionRatio: "0.30",
      maxTokenConcentrationRatio: "0.28",
      maxOrderNotional: "100100",
      maxDailyLossRatio: "1",
      maxDrawdownRatio: "1",
    },
    parameters: { fast: 10, slow: 30, bandBps: 0, equityRatio: "0.25" },
  },
  {
    what: "losing days, until the limits of loss keep new entries away",
    cash: "10000",
    costs: { feeBps: "10", slippageBps: "5" },
    limits: {
      maxPositionRatio: "1",
      maxTokenConcentrationRatio: "1",
      maxOrderNotional: "1000000",
      maxDailyLossRatio: "0.05",
      maxDrawdownRatio: "0.60",
    },
    parameters: { fast: 20, slow: 60, bandBps: 0, equityRatio: "0.9" },
  },
];

/** JSON is YAML. */
function manifest({ cash, costs, limits, parameters }: Case): string {
  const market = { replay: { dataset: { synthetic: { seed: 1 }, symbol: "BTC/USDT" } } };
  const paper = { balances: [{ asset: "USDT", amount: cash }], ...costs, market };
  const policy = {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: { name: "oracle" },
    spec: { baseCurrency: "USDT", accounts: [{ name: "paper", paper }], limits, circuitBreakers: [] },
  };
  const strategy = {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "Strategy",
    metadata: { name: "oracle" },
    spec: {
      riskPolicyRef: { name: "oracle", account: "paper" },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      program: { builtin: { name: "momentum", parameters } },
      capital: { shareRatio: "1" },
    },
  };
  return `${JSON.stringify(policy)}\n---\n${JSON.stringify(strategy)}\n`;
}

async function engineSays(given: Case): Promise<Record<string, unknown>> {
  const file = path.join(folder, "strategy.yaml");
  writeFileSync(file, manifest(given));
  const command = [
    path.join(root, "runtimes/agent/src/backtest-command.ts"),
    "-f",
    file,
    "--data",
    bars,
    "--volume-unit",
    "Quote",
    "-o",
    "json",
  ];
  const { stdout } = await run(process.execPath, command, { maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function oracleSays({ cash, costs, limits, parameters }: Case): Promise<Record<string, unknown>> {
  const options = {
    cash,
    "fee-bps": costs.feeBps,
    "slippage-bps": costs.slippageBps,
    "max-position-ratio": limits.maxPositionRatio,
    "max-order-notional": limits.maxOrderNotional,
    "max-token-concentration-ratio": limits.maxTokenConcentrationRatio,
    "max-daily-loss-ratio": limits.maxDailyLossRatio,
    "max-drawdown-ratio": limits.maxDrawdownRatio,
    fast: parameters.fast,
    slow: parameters.slow,
    "band-bps": parameters.bandBps,
    "equity-ratio": parameters.equityRatio,
  };
  const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const { stdout } = await run("python3", [path.join(import.meta.dirname, "backtest_oracle.py"), bars, ...words], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe.skipIf(missing.length > 0)(
  `the backtest command against the oracle${missing.length > 0 ? ` (missing: ${missing.join(", ")})` : ""}`,
  () => {
    test.each(cases)("agree on final equity, fees and every fill: $what", { timeout: 120_000 }, async (given) => {
      const [engine, oracle] = await Promise.all([engineSays(given), oracleSays(given)]);
      expect(engine).toMatchObject({ bars: 45_031 });
      const { finalEquity, fees, fills } = engine;
      expect((fills as unknown[]).length).toBeGreaterThan(100);
      expect({ finalEquity, fees, fills }).toEqual(oracle);
    });
  },
);
