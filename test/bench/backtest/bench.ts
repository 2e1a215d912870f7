/**
 * The backtest engine on a real month of minutes, through the public program interface, rules and marking included; parsing is not.
 * Wall time of one thread: on a busy machine the share of a core that it got counts, so the processor's time stands beside it.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DEFAULT_LIMITS } from "@bellwether/crds";
import { systemClock } from "@bellwether/service-kit/clock";
import { createLogger } from "@bellwether/service-kit/logger";
import {
  type BacktestOptions,
  type BacktestResult,
  type BarSeries,
  type EngineProgram,
  type RiskView,
  effectiveLimits,
  parseBars,
  parseDecimal,
  rulesFor,
  rulesFromSymbol,
  runBacktest,
  TRADING_ACTIVE,
} from "@bellwether/trading";
import { bindProgram } from "../../../runtimes/agent/src/interface/define-strategy.ts";
import { builtinProgram } from "../../../runtimes/agent/src/programs/builtins.ts";
import { SandboxedRunner } from "../../../runtimes/agent/src/sandbox/sandboxed-runner.ts";
import { ReferenceEngine } from "../../../runtimes/trading/src/testing/reference-engine.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const csv = path.resolve(root, "../shared/data/btc-perp-1m.csv");
const RUNS = 20;
/** Untimed: the compiler is done with the way of an order after a few thousand of them. */
const WARM_UP_RUNS = RUNS;
const RULE_EVALUATIONS = 2_000_000;

interface Measured {
  readonly result: BacktestResult;
  readonly barsPerSecond: number;
  /** The best of the runs: what the code does when nothing else wants the core. */
  readonly bestBarsPerSecond: number;
  readonly cpuNsPerBar: number;
}

type Job = Omit<BacktestOptions, "program" | "parameters">;

function jobOver(bars: BarSeries): Job {
  const market = rulesFromSymbol("BTC/USDT");
  if (market === undefined) throw new TypeError("BTC/USDT is a market");
  const startingBalances = [{ asset: "USDT", amount: "10000" }];
  return {
    market,
    timeframe: "1m",
    bars,
    volumeUnit: "Quote",
    feeBps: "10",
    slippageBps: "5",
    limits: {},
    startingBalances,
    seed: 1,
  };
}

async function timed(bars: number, run: () => Promise<BacktestResult>): Promise<Measured> {
  let result = await run();
  for (let index = 1; index < WARM_UP_RUNS; index++) result = await run();
  const cpuBefore = process.threadCpuUsage();
  const times: number[] = [];
  for (let index = 0; index < RUNS; index++) {
    const startedAt = performance.now();
    result = await run();
    times.push(performance.now() - startedAt);
  }
  const { user, system } = process.threadCpuUsage(cpuBefore);
  const totalMs = times.reduce((sum, time) => sum + time, 0);
  return {
    result,
    barsPerSecond: (bars * RUNS * 1000) / totalMs,
    bestBarsPerSecond: (bars * 1000) / Math.min(...times),
    cpuNsPerBar: ((user + system) * 1000) / (bars * RUNS),
  };
}

/** What a loop without an engine does with the same averages: two sums per bar, a comparison, nothing bought. */
function bareLoop({ close }: BarSeries): number {
  let crossings = 0;
  let above = false;
  for (let end = 60; end <= close.length; end++) {
    let [fast, slow] = [0, 0];
    for (let index = end - 60; index < end; index++) slow += close[index] ?? 0;
    for (let index = end - 20; index < end; index++) fast += close[index] ?? 0;
    if (fast / 20 > slow / 60 !== above) crossings++;
    above = fast / 20 > slow / 60;
  }
  return crossings;
}

function timeBareLoop(bars: BarSeries): number {
  for (let index = 0; index < WARM_UP_RUNS; index++) bareLoop(bars);
  const startedAt = performance.now();
  for (let index = 0; index < RUNS; index++) bareLoop(bars);
  return (bars.length * RUNS * 1000) / (performance.now() - startedAt);
}

/** The builtin's own file, as a source program in a confined process; the transfer of bars and result is in the figure. */
async function timeSource(job: Job): Promise<{ barsPerSecond: number; logSha256: string }> {
  const text = readFileSync(path.join(root, "runtimes/agent/src/programs/momentum.ts"), "utf8");
  const surroundings = {
    callTimeoutMs: 60_000,
    memoryMiB: 512,
    clock: systemClock,
    log: createLogger({ name: "bench", level: "silent" }),
  };
  const runner = await SandboxedRunner.start({ text, name: "momentum.ts", parameters: {} }, surroundings);
  try {
    const sandboxed = { options: job, schedule: { kind: "onBar" as const }, timeframeMs: 60_000 };
    let { logSha256 } = await runner.backtest(sandboxed);
    for (let index = 1; index < WARM_UP_RUNS; index++) ({ logSha256 } = await runner.backtest(sandboxed));
    const startedAt = performance.now();
    for (let index = 0; index < RUNS; index++) await runner.backtest(sandboxed);
    return { barsPerSecond: (job.bars.length * RUNS * 1000) / (performance.now() - startedAt), logSha256 };
  } finally {
    await runner.close();
  }
}

function ruleEvaluationsPerSecond(): number {
  const chain = rulesFor(effectiveLimits(DEFAULT_LIMITS));
  const exposure = { positionNotional: parseDecimal("1200.5"), workingBuysNotional: parseDecimal("310.25") };
  const view: RiskView = {
    trading: TRADING_ACTIVE,
    equity: parseDecimal("10000.123456"),
    openOrders: 3,
    ordersLastMinute: 2,
    exposure: () => exposure,
    policy: {
      equity: parseDecimal("20000.5"),
      dayStartEquity: parseDecimal("20100.25"),
      peakEquity: parseDecimal("20900"),
      exposure: () => exposure,
    },
  };
  const order = {
    market: "BTC/USDT",
    side: "buy" as const,
    quantity: parseDecimal("0.01"),
    notional: parseDecimal("410.07"),
    reduceOnly: false,
  };
  let allowed = 0;
  for (let index = 0; index < RULE_EVALUATIONS / 10; index++) if (chain(order, view).allowed) allowed++;
  const startedAt = performance.now();
  for (let index = 0; index < RULE_EVALUATIONS; index++) if (chain(order, view).allowed) allowed++;
  if (allowed === 0) throw new Error("the order should pass");
  return (RULE_EVALUATIONS * 1000) / (performance.now() - startedAt);
}

async function exactEngine(options: BacktestOptions, fast: BacktestResult): Promise<readonly BenchRow[]> {
  const startedAt = performance.now();
  const reference = new ReferenceEngine(options);
  const sha256 = await reference.run();
  const perSecond = (options.bars.length * 1000) / (performance.now() - startedAt);
  return [
    { metric: "log equals the all-exact engine's", value: sha256 === fast.logSha256 ? 1 : 0, unit: "1 = yes", goal: "≥ 1" },
    { metric: "the all-exact engine", value: perSecond, unit: "bars/s" },
  ];
}

export async function bench(): Promise<BenchResult> {
  const name = "backtest";
  if (!existsSync(csv)) return { name, rows: [], skipped: "needs ../shared/data/btc-perp-1m.csv" };
  const bars = parseBars(readFileSync(csv), { gaps: "Refuse" });
  const job = jobOver(bars);
  const momentum = bindProgram(builtinProgram("momentum"), {});
  const without = bindProgram(builtinProgram("momentum"), { bandBps: 0 });
  const run = (program: EngineProgram & { parameters: BacktestOptions["parameters"] }) =>
    timed(bars.length, () => runBacktest({ ...job, program, parameters: program.parameters }));
  const bare = timeBareLoop(bars);
  const built = await run(momentum);
  const busy = await run(without);
  const source = await timeSource(job);
  const perThousand = ({ result }: Measured) => (result.trades * 1000) / bars.length;
  const compared = { baseline: bare, ratio: built.barsPerSecond / bare };
  return {
    name,
    rows: [
      { metric: "momentum, 20 runs", value: built.barsPerSecond, unit: "bars/s", goal: "≥ 5000000", ...compared },
      { metric: "momentum, best run", value: built.bestBarsPerSecond, unit: "bars/s" },
      { metric: "momentum, processor time", value: built.cpuNsPerBar, unit: "ns/bar", goal: "≤ 200" },
      { metric: "momentum, round trips per 1,000 bars", value: perThousand(built), unit: "trades", goal: "≥ 1" },
      { metric: "momentum at every crossing (bandBps 0), 20 runs", value: busy.barsPerSecond, unit: "bars/s" },
      { metric: "momentum at every crossing, best run", value: busy.bestBarsPerSecond, unit: "bars/s" },
      { metric: "momentum at every crossing, round trips per 1,000", value: perThousand(busy), unit: "trades" },
      { metric: "momentum as a source program", value: source.barsPerSecond, unit: "bars/s" },
      {
        metric: "its log equals the builtin's",
        value: source.logSha256 === built.result.logSha256 ? 1 : 0,
        unit: "1 = yes",
        goal: "≥ 1",
      },
      ...(await exactEngine({ ...job, program: momentum, parameters: momentum.parameters }, built.result)),
      { metric: "rule chain, all default limits on", value: ruleEvaluationsPerSecond(), unit: "orders/s", goal: "≥ 1000000" },
    ],
  };
}
