import { type BacktestOptions, type BacktestResult, runBacktest } from "@bellwether/trading/backtest";
import { TradingError } from "@bellwether/trading/trading-error";
import type { ModelPort } from "@bellwether/trading/engine/language-model";
import type { ScheduleConfig } from "../config.ts";
import { AgentError } from "../errors.ts";
import type { BoundProgram } from "../interface/define-strategy.ts";
import { triggerOf } from "../schedule/triggers.ts";

/** A backtest but for its program: plain data, because a source program's runs in another process. */
export interface BacktestJob {
  readonly options: Omit<BacktestOptions, "program" | "parameters" | "decides" | "log" | "models">;
  readonly schedule: ScheduleConfig;
  /** Length of a decided bar. */
  readonly timeframeMs: number;
  /** Bars opening before it are shown, not decided on. */
  readonly fromMs?: number;
}

export interface JobSurroundings {
  readonly log: (message: string) => void;
  readonly models?: ModelPort | undefined;
}

/**
 * Runs a job with a program, in whatever process this is.
 *
 * @throws AgentError for the program's faults, TradingError for those of data and options
 */
export async function runJob(program: BoundProgram, job: BacktestJob, { log, models }: JobSurroundings): Promise<BacktestResult> {
  const decides = decisionTimes(job);
  const { parameters } = program;
  try {
    return await runBacktest({
      ...job.options,
      program,
      parameters,
      log,
      ...(models && { models }),
      ...(decides && { decides }),
    });
  } catch (error) {
    // Its state is looked at after the last bar, when no callback of the program is there to blame.
    if (!(error instanceof TradingError) || error.code !== "PROGRAM_ACTION_INVALID") throw error;
    throw new AgentError("PROGRAM_THREW", error.message, { cause: error });
  }
}

/** Undefined where every close is decided on: the engine then asks nobody. */
function decisionTimes({ schedule, timeframeMs, fromMs }: BacktestJob): ((closeMs: number) => boolean) | undefined {
  if (schedule.kind === "onBar" && fromMs === undefined) return undefined;
  const isDue = triggerOf(schedule);
  const firstMs = (fromMs ?? Number.NEGATIVE_INFINITY) + timeframeMs;
  return (closeMs) => closeMs >= firstMs && isDue(closeMs - timeframeMs, closeMs);
}
