import { timeframeMs } from "@bellwether/trading/bars";
import { formatDecimal, multiply, parseDecimal } from "@bellwether/trading/decimal";
import type { BacktestResult } from "@bellwether/trading/backtest";
import { rulesFromSymbol } from "@bellwether/trading/market-terms";
import { TradingError } from "@bellwether/trading/trading-error";
import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { BacktestConfig } from "../config.ts";
import { bindProgram } from "../interface/define-strategy.ts";
import type { RecordedModels } from "../llm/recorded-models.ts";
import { builtinProgram } from "../programs/builtins.ts";
import { SandboxedRunner } from "../sandbox/sandboxed-runner.ts";
import { type ReadFile, loadBars, shownBars } from "./dataset.ts";
import { type BacktestJob, runJob } from "./job.ts";

export interface BacktestSurroundings {
  readonly readFile: ReadFile;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the program writes with `context.log`. */
  readonly programLog: (message: string) => void;
  /** What answers the program's questions to models. */
  readonly models?: RecordedModels | undefined;
}

/**
 * One backtest, from its configuration to its result: builtins in this process, a source program together with the engine in
 * its own (a call across processes for every bar would cost a hundred times the bar).
 *
 * @throws TradingError for data and options, AgentError for the program
 */
export async function backtest(config: BacktestConfig, surroundings: BacktestSurroundings): Promise<BacktestResult> {
  const job = await prepareJob(config, surroundings.readFile);
  const { program, limits } = config;
  const { programLog, models } = surroundings;
  if ("builtin" in program) {
    const result = await runJob(bindProgram(builtinProgram(program.builtin), program.parameters), job, {
      log: programLog,
      models,
    });
    if (models?.failure) throw models.failure;
    return result;
  }
  const { file, name } = program.source;
  const text = new TextDecoder().decode(await surroundings.readFile(file));
  const { clock, log } = surroundings;
  const runner = await SandboxedRunner.start({ text, name, parameters: program.parameters }, { ...limits, clock, log, models });
  try {
    const result = await runner.backtest(job);
    if (models?.failure) throw models.failure;
    return result;
  } finally {
    await runner.close();
  }
}

async function prepareJob(config: BacktestConfig, readFile: ReadFile): Promise<BacktestJob> {
  const [only, ...others] = config.markets;
  if (!only || others.length > 0) {
    throw new TradingError("BACKTEST_INVALID", `a backtest runs over one market, the strategy has ${config.markets.length}`);
  }
  const market = rulesFromSymbol(only.symbol);
  if (!market) throw new TradingError("BACKTEST_INVALID", `${only.symbol} is not a market of the form BASE/QUOTE`);
  const stepMs = timeframeMs(only.timeframe);
  const { volumeUnit, seed, feeBps, slippageBps, volumeShareRatio, limits, trading, fromMs } = config.backtest;
  const { sizing, circuitBreakers } = config.backtest;
  return {
    options: {
      market,
      timeframe: only.timeframe,
      volumeUnit,
      volumeShareRatio,
      feeBps,
      slippageBps,
      limits,
      sizing,
      circuitBreakers: circuitBreakers.map((breaker) => ({ ...breaker, threshold: breaker.threshold })),
      seed,
      bars: shownBars(await loadBars(config, readFile), config, stepMs),
      trading: { state: trading, by: "policy", message: `the policy's trading is ${trading}` },
      startingBalances: startingBalances(config),
      ...(fromMs === undefined && { warmupBars: config.warmupBars }),
    },
    schedule: config.schedule,
    timeframeMs: stepMs,
    ...(fromMs !== undefined && { fromMs }),
  };
}

/** The strategy's share of the account; rounded down at the 18th decimal. */
function startingBalances({
  backtest: { startingBalances: balances, shareRatio },
}: BacktestConfig): BacktestJob["options"]["startingBalances"] {
  const share = parseDecimal(shareRatio);
  return balances.map(({ asset, amount }) => ({ asset, amount: formatDecimal(multiply(parseDecimal(amount), share, "down")) }));
}
