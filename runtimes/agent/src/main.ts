/** Composition root of the agent's image: a backtest that completes, or a strategy on paper or live. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { Dependency } from "@bellwether/service-kit/check";
import { systemClock } from "@bellwether/service-kit/clock";
import { loadConfig } from "@bellwether/service-kit/config";
import { type HealthServer, startHealthServer } from "@bellwether/service-kit/health-server";
import { type Lifetime, runService } from "@bellwether/service-kit/lifetime";
import { type Logger, createLogger } from "@bellwether/service-kit/logger";
import { Metrics } from "@bellwether/service-kit/metrics";
import { systemRandom } from "@bellwether/service-kit/random";
import { ServiceClient } from "@bellwether/service-kit/service-client";
import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import { timeframeMs } from "@bellwether/trading/timeframe";
import { openAnswers } from "./backtest/answers-file.ts";
import { backtest } from "./backtest/backtest.ts";
import { type AgentConfig, type BacktestConfig, type TradingConfig, agentConfig } from "./config.ts";
import { AgentError } from "./errors.ts";
import { bindProgram } from "./interface/define-strategy.ts";
import { GatewayModels } from "./llm/gateway-models.ts";
import { AgentLoop } from "./loop/agent-loop.ts";
import { riskOverHttp } from "./loop/risk-port.ts";
import { agentMetrics } from "./metrics.ts";
import { InProcessRunner, type ProgramRunner } from "./program/runner.ts";
import { builtinProgram } from "./programs/builtins.ts";
import { SandboxedRunner } from "./sandbox/sandboxed-runner.ts";
import { triggerOf } from "./schedule/triggers.ts";
import { type Ending, completed, endingOf, terminationText } from "./termination.ts";

const configFile = process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json";
/** Where a configuration that cannot be read would have said something else. */
const defaultTerminationFile = "/dev/termination-log";

interface Agent {
  readonly config: AgentConfig;
  readonly metrics: ReturnType<typeof agentMetrics>;
  readonly registry: Metrics;
  readonly log: Logger;
  readonly lifetime: Lifetime;
}

const startLog = createLogger({ name: "agent" });
runService(start, { log: startLog });

async function start(lifetime: Lifetime): Promise<void> {
  let terminationFile = defaultTerminationFile;
  try {
    const config = loadConfig(agentConfig, { file: configFile });
    terminationFile = config.terminationMessageFile;
    const log = createLogger({ name: "agent", level: config.log.level }).child({ strategy: config.strategy.name });
    const registry = new Metrics().collectProcess();
    const agent = { config, log, registry, metrics: agentMetrics(registry), lifetime };
    if (config.mode === "Backtest") await end(terminationFile, await runBacktest(agent, config), lifetime);
    else await runLoop(agent, config);
  } catch (error) {
    const ending = endingOf(error);
    startLog.error({ err: error, exitCode: ending.exitCode }, `the agent ends: ${ending.message.reason}`);
    await end(terminationFile, ending, lifetime);
  }
}

/** The last words go to the kubelet first: nothing may come between them and the exit. */
async function end(terminationFile: string, { exitCode, message }: Ending, lifetime: Lifetime): Promise<void> {
  // Never created: where there is no kubelet that waits for it, there is no such file.
  await writeFile(terminationFile, terminationText(message), { flag: "r+" }).catch((error: unknown) => {
    startLog.warn({ err: error, terminationFile }, "the termination message cannot be written");
  });
  lifetime.stop(exitCode);
}

async function runBacktest(agent: Agent, config: BacktestConfig): Promise<Ending> {
  const { log } = agent;
  const programLog = (message: string): void => log.info({ program: true }, message);
  const models = config.llm && (await openAnswers(config.llm.answersFile, openModels(agent, config)?.port));
  const result = await backtest(config, { readFile, clock: systemClock, log, programLog, models });
  const { fills, ...figures } = result;
  log.info({ ...figures, fills: fills.length }, "the backtest is complete");
  return completed(result);
}

async function runLoop(agent: Agent, config: TradingConfig): Promise<void> {
  const { lifetime, log, metrics } = agent;
  const models = openModels(agent, config);
  const runner = await startProgram(config, models?.port ?? noModels, log);
  lifetime.onShutdown(() => runner.close());
  const client = new ServiceClient({ baseUrl: config.risk.url, tokenFile: config.risk.tokenFile, clock: systemClock });
  lifetime.onShutdown(() => client.close());
  const { uid } = config.strategy;
  const loop = new AgentLoop({
    markets: config.markets.map((market) => ({ ...market, timeframeMs: timeframeMs(market.timeframe) })),
    warmupBars: config.warmupBars,
    isDue: triggerOf(config.schedule),
    decidesOnAll: config.schedule.kind !== "onBar",
    seed: createHash("sha256").update(uid).digest().readUInt32BE(),
    runner,
    risk: riskOverHttp(client, uid),
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
  });
  const health = await startHealth(agent, { port: config.healthPort, loop, models: models?.health });
  lifetime.onShutdown(() => health.close());
  try {
    await loop.run(lifetime.signal);
  } catch (error) {
    metrics.programErrors.inc({ code: error instanceof AgentError ? error.code : "CRASHED" });
    throw error;
  }
}

/** Alive as long as it runs: nothing that a restart would mend is not ended by itself. */
function startHealth(
  { registry, log }: Agent,
  { port, loop, models }: { port: number; loop: AgentLoop; models: Dependency | undefined },
): Promise<HealthServer> {
  const { risk, stream } = loop.health;
  return startHealthServer({
    port,
    metrics: registry,
    log,
    live: () => [],
    ready: () => (loop.ended ? [] : [risk.check(), stream.check()]),
    // Without answers nothing is decided, and that is in order: it makes no pod unready.
    dependencies: () => (models ? [models.check()] : []),
  });
}

function openModels(
  { lifetime, metrics, log }: Agent,
  { llm, strategy }: Pick<AgentConfig, "llm" | "strategy">,
): { port: ModelPort; health: Dependency } | undefined {
  if (!llm) return undefined;
  const { url: baseUrl, tokenFile, timeoutMs } = llm;
  const client = new ServiceClient({ baseUrl, tokenFile, clock: systemClock });
  lifetime.onShutdown(() => client.close());
  const health = new Dependency("gateway of the route", () => systemClock.nowMs());
  const count = (outcome: string): void => metrics.questions.inc({ outcome });
  return { port: new GatewayModels({ client, timeoutMs, strategyUid: strategy.uid, count, health, log }), health };
}

async function startProgram({ program, limits }: TradingConfig, models: ModelPort, log: Logger): Promise<ProgramRunner> {
  if ("builtin" in program) return new InProcessRunner(bindProgram(builtinProgram(program.builtin), program.parameters), models);
  const { file, name } = program.source;
  const text = await readFile(file, "utf8");
  return SandboxedRunner.start({ text, name, parameters: program.parameters }, { ...limits, clock: systemClock, log, models });
}
