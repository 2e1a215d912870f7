/**
 * `npm run --silent backtest -- -f strategy.yaml`: the engine of a Backtest without a cluster. Composition root: reads the
 * command line and files, prints.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Dependency } from "@bellwether/service-kit/check";
import { systemClock } from "@bellwether/service-kit/clock";
import { type Logger, createLogger } from "@bellwether/service-kit/logger";
import { ServiceClient } from "@bellwether/service-kit/service-client";
import { TradingError } from "@bellwether/trading/trading-error";
import type { BacktestResult } from "@bellwether/trading/backtest";
import type { ModelPort } from "@bellwether/trading/engine/language-model";
import { openAnswers } from "./backtest/answers-file.ts";
import { backtest } from "./backtest/backtest.ts";
import { type ManifestOverrides, readManifest } from "./backtest/manifest.ts";
import { resultTable } from "./backtest/result-table.ts";
import { exitCodes } from "./config.ts";
import { AgentError, isProgramFault } from "./errors.ts";
import { GatewayModels } from "./llm/gateway-models.ts";
import { backtestUsage } from "./backtest/usage.ts";

/** No bar waits for it: a slow model may take its time. */
const answerTimeoutMs = 300_000;

interface CommandLine extends ManifestOverrides {
  readonly manifest: string;
  readonly output: "json" | "table";
  readonly verbose: boolean;
  readonly answers: string | undefined;
  readonly gateway: string | undefined;
  readonly gatewayToken: string | undefined;
}

const options = {
  file: { type: "string", short: "f" },
  data: { type: "string" },
  program: { type: "string" },
  "volume-unit": { type: "string" },
  gaps: { type: "string" },
  answers: { type: "string" },
  gateway: { type: "string" },
  "gateway-token": { type: "string" },
  output: { type: "string", short: "o" },
  verbose: { type: "boolean", short: "v" },
  help: { type: "boolean", short: "h" },
} as const;

/** Undefined: help was asked for. */
function readCommandLine(words: readonly string[]): CommandLine | undefined {
  const { values } = parse(words);
  if (values.help === true) return undefined;
  const { file, data, program, "volume-unit": volumeUnit, gaps, output = "table", verbose = false } = values;
  const { answers, gateway, "gateway-token": gatewayToken } = values;
  if (file === undefined) throw usageError("-f strategy.yaml is missing");
  if (gateway !== undefined && answers === undefined) throw usageError("--gateway needs --answers: what is asked is recorded");
  if (gateway !== undefined && !URL.canParse(gateway)) throw usageError(`--gateway is ${gateway}: must be a URL`);
  return {
    manifest: file,
    output: oneOf("-o", output, ["json", "table"]),
    verbose,
    answers,
    gateway,
    gatewayToken,
    ...(data !== undefined && { data }),
    ...(program !== undefined && { program }),
    ...(volumeUnit !== undefined && { volumeUnit: oneOf("--volume-unit", volumeUnit, ["Base", "Quote"]) }),
    ...(gaps !== undefined && { gaps: oneOf("--gaps", gaps, ["Refuse", "Skip"]) }),
  };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: false });
  } catch (cause) {
    throw usageError(cause instanceof Error ? cause.message : String(cause));
  }
}

function oneOf<Choice extends string>(option: string, given: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === given);
  if (found === undefined) throw usageError(`${option} is ${given}: must be one of ${choices.join(", ")}`);
  return found;
}

function usageError(message: string): AgentError {
  return new AgentError("BAD_USAGE", message);
}

async function run(words: readonly string[]): Promise<void> {
  const commandLine = readCommandLine(words);
  if (!commandLine) {
    console.log(backtestUsage);
    return;
  }
  const text = await readFile(commandLine.manifest, "utf8");
  const { config, files } = readManifest(text, commandLine);
  const { answers } = commandLine;
  if (answers === undefined && "builtin" in config.program && config.program.builtin === "llm-analyst")
    throw usageError(
      "llm-analyst asks language models: give recorded answers with --answers FILE, or record them with --gateway URL",
    );
  const log = createLogger({ name: "backtest", level: commandLine.verbose ? "info" : "silent" });
  const gateway = gatewayOf(commandLine, log);
  try {
    const result = await backtest(config, {
      readFile: async (file) => files.get(file) ?? (await readFile(file)),
      clock: systemClock,
      log,
      programLog: (message) => {
        if (commandLine.verbose) console.error(message);
      },
      models: answers === undefined ? undefined : await openAnswers(answers, gateway?.models),
    });
    console.log(commandLine.output === "json" ? JSON.stringify(printed(result), null, 2) : resultTable(result));
  } finally {
    await gateway?.close();
  }
}

function gatewayOf(
  { gateway, gatewayToken }: CommandLine,
  log: Logger,
): { models: ModelPort; close: () => Promise<void> } | undefined {
  if (gateway === undefined) return undefined;
  const token = gatewayToken === undefined ? {} : { tokenFile: gatewayToken };
  const client = new ServiceClient({ baseUrl: gateway, ...token, clock: systemClock });
  const health = new Dependency("gateway", () => systemClock.nowMs());
  const options = { client, timeoutMs: answerTimeoutMs, strategyUid: "backtest", count: () => undefined, health, log };
  return { models: new GatewayModels(options), close: () => client.close() };
}

/** The fields of `status.backtest` and the fills; times as ISO 8601. */
function printed({ fills, log: _log, ...summary }: BacktestResult): object {
  return { ...summary, fills: fills.map((fill) => ({ ...fill, time: new Date(fill.time).toISOString() })) };
}

function exitCodeOf(error: unknown): number {
  if (isProgramFault(error)) return exitCodes.programFailed;
  if (error instanceof AgentError && error.code === "BAD_USAGE") return exitCodes.badConfig;
  const isFileFault = error instanceof Error && "code" in error && ["ENOENT", "EISDIR", "EACCES"].includes(String(error.code));
  return error instanceof AgentError || error instanceof TradingError || isFileFault ? exitCodes.badInput : exitCodes.crashed;
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  const code = exitCodeOf(error);
  process.exitCode = code;
  console.error(code === exitCodes.crashed ? error : `backtest: ${(error as Error).message}`);
}
