import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { systemClock } from "@bellwether/service-kit/clock";
import { silentLogger } from "@bellwether/service-kit/logger";
import { type Bar, syntheticBars } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { AgentConfigInput, BacktestConfig } from "../config.ts";
import { agentConfig } from "../config.ts";
import { backtest } from "./backtest.ts";

type BacktestInput = Extract<AgentConfigInput, { mode: "Backtest" }>;

const momentumFile = fileURLToPath(new URL("../programs/momentum.ts", import.meta.url));
const minute = 60_000;

function configOf(
  changes: Partial<BacktestInput> = {},
  backtestChanges: Partial<BacktestInput["backtest"]> = {},
): BacktestConfig {
  const config = agentConfig.parse({
    mode: "Backtest",
    strategy: { uid: "u", name: "demo", namespace: "default" },
    markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
    warmupBars: 0,
    program: { builtin: "momentum", parameters: { bandBps: 0 } },
    ...changes,
    backtest: {
      dataset: { synthetic: { seed: 3, bars: 3000 } },
      startingBalances: [{ asset: "USDT", amount: "10000" }],
      baseCurrency: "USDT",
      ...backtestChanges,
    },
  });
  if (config.mode !== "Backtest") throw new TypeError("it is a backtest");
  return config;
}

function run(config: BacktestConfig, files: Readonly<Record<string, string | Uint8Array>> = {}) {
  return backtest(config, {
    readFile: async (file) => (files[file] === undefined ? await readFile(file) : Buffer.from(files[file])),
    clock: systemClock,
    log: silentLogger,
    programLog: () => undefined,
  });
}

const source = (parameters: Record<string, number | string> = { bandBps: 0 }): BacktestInput["program"] => ({
  source: { file: momentumFile, name: "mine/momentum.ts" },
  parameters,
});

const csvOf = (bars: readonly Bar[]): string =>
  [
    "timestamp,open,high,low,close,volume",
    ...bars.map((bar) => [bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume].join(",")),
  ].join("\n");

function generated(): Bar[] {
  const { time, open, high, low, close, volume, length } = syntheticBars({ seed: 3, length: 3000, timeframeMs: minute });
  const at = (column: Float64Array, index: number): number => column[index] ?? 0;
  return Array.from({ length }, (_, index) => ({
    time: at(time, index),
    open: at(open, index),
    high: at(high, index),
    low: at(low, index),
    close: at(close, index),
    volume: at(volume, index),
  }));
}

describe("a backtest", () => {
  test("twice gives the same, and the same momentum as a source program gives the same", async () => {
    const first = await run(configOf());
    expect(first.trades).toBeGreaterThan(10);
    expect(await run(configOf())).toEqual(first);
    const { fills, ...figures } = await run(configOf({ program: source() }));
    expect({ ...figures, fills: fills.length }).toEqual({ ...first, fills: first.fills.length });
    expect(fills).toEqual(first.fills);
  });

  test("changes its digest with a used bar, a fee, a parameter, the share or the seed", async () => {
    const bars = generated();
    const changed = bars.map((bar, index) => (index === 1500 ? { ...bar, volume: bar.volume + 1 } : bar));
    const file = { dataset: { file: "bars.csv" } };
    const digests = [
      (await run(configOf({}, file), { "bars.csv": csvOf(bars) })).logSha256,
      (await run(configOf({}, file), { "bars.csv": csvOf(changed) })).logSha256,
      (await run(configOf({}, { feeBps: "11" }))).logSha256,
      (await run(configOf({ program: { builtin: "momentum", parameters: { bandBps: 0, fast: 21 } } }))).logSha256,
      (await run(configOf({ program: { builtin: "momentum", parameters: { bandBps: 0, stopLossRatio: "0.4" } } }))).logSha256,
      (await run(configOf({}, { shareRatio: "0.5" }))).logSha256,
      (await run(configOf({}, { seed: 2 }))).logSha256,
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(digests[0]).toBe((await run(configOf())).logSha256);
  });

  test("reads gzipped bars, and stops at `to`", async () => {
    const bars = generated();
    const config = configOf({}, { dataset: { file: "bars.csv.gz" }, toMs: bars[2000]?.time ?? 0 });
    expect(await run(config, { "bars.csv.gz": gzipSync(csvOf(bars)) })).toMatchObject({ bars: 2000 });
  });

  test("shows what lies before `from` and decides on nothing of it", async () => {
    const bars = generated();
    const fromMs = bars[2000]?.time ?? 0;
    const result = await run(configOf({ warmupBars: 100 }, { fromMs }));
    expect(result.bars).toBe(1100);
    expect(result.fills.length).toBeGreaterThan(0);
    expect(Math.min(...result.fills.map(({ time }) => time))).toBeGreaterThan(fromMs);
  });

  test("decides at the times of its schedule only", async () => {
    const hourly = await run(configOf({ schedule: { kind: "cron", cron: "0 * * * *" } }));
    expect(hourly.fills.length).toBeGreaterThan(0);
    for (const { time } of hourly.fills) expect((time / minute) % 60).toBe(0);
  });

  test.each([
    { fault: "a negative price", line: "60000,1,2,-1,1,1", says: "line 3" },
    { fault: "a repeated time", line: "0,1,1,1,1,1", says: "line 3" },
    { fault: "not a number", line: "60000,1,1,1,NaN,1", says: "line 3" },
  ])("does not start over $fault", async ({ line, says }) => {
    const csv = `timestamp,open,high,low,close,volume\n0,1,1,1,1,1\n${line}\n120000,1,1,1,1,1\n`;
    await expect(run(configOf({}, { dataset: { file: "bars.csv" } }), { "bars.csv": csv })).rejects.toMatchObject({
      code: "BARS_INVALID",
      message: expect.stringContaining(says) as string,
    });
  });

  test("refuses more than one market", async () => {
    const markets = ["BTC/USDT", "ETH/USDT"].map((symbol) => ({ symbol, timeframe: "1m" }));
    await expect(run(configOf({ markets }))).rejects.toMatchObject({ code: "BACKTEST_INVALID" });
  });

  test.each([
    {
      when: "throws",
      body: "if (context.closes.length > 1000) throw new Error('enough')",
      code: "PROGRAM_THREW",
      message: "Error: enough (mine.ts:1)",
    },
    {
      when: "never returns",
      body: "if (context.closes.length > 1000) for (;;);",
      code: "PROGRAM_TIMEOUT",
      message: "onBar did not return within 1500 ms",
      callTimeoutMs: 1500,
    },
    { when: "is slow but alive", body: "const t = Date.now() + 1.5; while (Date.now() < t);", code: undefined },
    {
      when: "keeps a state that is no JSON object",
      body: "context.state = 7",
      code: "PROGRAM_THREW",
      message: "context.state is 7, must be an object",
    },
  ])("of a source program that $when ends accordingly", async ({ body, code, message, callTimeoutMs = 30_000 }) => {
    const text = `import { defineStrategy } from "@bellwether/agent"; export default defineStrategy({ onBar(context) { ${body} } });`;
    const program = { source: { file: "mine.ts", name: "mine.ts" } };
    const result = run(configOf({ program, limits: { callTimeoutMs } }, { dataset: { synthetic: { seed: 1, bars: 1500 } } }), {
      "mine.ts": text,
    });
    if (code === undefined) await expect(result).resolves.toMatchObject({ bars: 1500, trades: 0 });
    else await expect(result).rejects.toMatchObject({ code, message });
  });
});
