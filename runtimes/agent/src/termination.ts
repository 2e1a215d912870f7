import { type BacktestSummary, type TerminationMessage, exitCodes } from "./config.ts";
import type { BacktestResult } from "@bellwether/trading/backtest";
import { messageOf } from "@bellwether/service-kit/coded-error";
import { TradingError } from "@bellwether/trading/trading-error";
import { isProgramFault } from "./errors.ts";

/** Kubernetes keeps this much of a container's termination message. */
const mostBytes = 4096;

export interface Ending {
  readonly exitCode: number;
  readonly message: TerminationMessage;
}

/** How a process that met `error` ends: who is to blame, told so that the operator can put it into a condition. */
export function endingOf(error: unknown): Ending {
  const text = messageOf(error);
  if (isProgramFault(error)) {
    return {
      exitCode: exitCodes.programFailed,
      message: { reason: "ProgramFailed", message: cut(text.split("\n")[0] ?? text, 1000) },
    };
  }
  if (isConfigFault(error)) return { exitCode: exitCodes.badConfig, message: { reason: "BadConfig", message: cut(text, 3000) } };
  if (error instanceof TradingError || isFileFault(error)) {
    return { exitCode: exitCodes.badInput, message: { reason: "BadInput", message: cut(text, 3000) } };
  }
  return { exitCode: exitCodes.crashed, message: { reason: "Crashed", message: cut(text, 1000) } };
}

export function completed(result: BacktestResult): Ending {
  const { bars, trades, pnlRatio, maxDrawdownRatio, sharpe, finalEquity, fees, logSha256 } = result;
  const summary: BacktestSummary = { bars, trades, pnlRatio, maxDrawdownRatio, sharpe, finalEquity, fees, logSha256 };
  return { exitCode: exitCodes.completed, message: { reason: "Completed", backtest: summary } };
}

/** The JSON that is written, at most 4,096 bytes of UTF-8: a message that does not fit loses its end. */
export function terminationText(message: TerminationMessage): string {
  const text = JSON.stringify(message);
  if (Buffer.byteLength(text) <= mostBytes || !("message" in message)) return text;
  return terminationText({ ...message, message: cut(message.message, Math.floor(message.message.length / 2)) });
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function isConfigFault(error: unknown): boolean {
  return ["CONFIG_INVALID", "CONFIG_UNREADABLE"].includes(String(codeOf(error)));
}

/** The program or the dataset is not where the configuration says, or is no gzip after all. */
function isFileFault(error: unknown): boolean {
  return /^(ENOENT|EACCES|EISDIR|Z_|ERR_BUFFER_TOO_LARGE)/.test(String(codeOf(error)));
}
