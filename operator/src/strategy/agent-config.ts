/** config.json of an agent, from a Strategy and the RiskPolicy it names. Pure. */
import { type AgentConfigInput, agentConfig } from "@bellwether/agent/config";
import {
  type EffectiveStrategySpec,
  type RiskPolicy,
  durationMs,
  effectiveDataset,
  effectivePaperAccount,
  effectiveRiskPolicySpec,
} from "@bellwether/crds";
import { timeframeMs } from "@bellwether/trading/timeframe";
import { quantity } from "../ledger/pod-cpus.ts";
import { DATASET_DIRECTORY, type Rendered, rendered } from "../rendered-config.ts";

export const PROGRAM_DIRECTORY = "/etc/bellwether-program";
export const AGENT_TOKEN_AUDIENCE = "risk.bellwether.dev";
export const GATEWAY_TOKEN_AUDIENCE = "gateway.bellwether.dev";
/** Of a backtest that asks models: what they answered, on a volume of the strategy's own. */
export const ANSWERS_DIRECTORY = "/var/lib/bellwether/answers";
const ANSWERS_FILE = `${ANSWERS_DIRECTORY}/answers.jsonl`;
const recordingTimeoutMs = 300_000;

export interface AgentConfigSource {
  readonly strategy: { readonly uid: string; readonly name: string; readonly namespace: string };
  readonly spec: EffectiveStrategySpec;
  readonly policy: RiskPolicy;
  /** `http://rpol-p-risk.<namespace>.svc:8080` */
  readonly riskUrl: string;
  /** `http://llmr-r-gateway.<namespace>.svc:8080` of the route that the strategy names. */
  readonly gatewayUrl?: string | undefined;
}

/** The file's text, or why the agent would not take it. */
export function renderAgentConfig(source: AgentConfigSource): Rendered {
  return rendered(agentConfig.safeParse(agentConfigInput(source)));
}

function agentConfigInput(source: AgentConfigSource): AgentConfigInput {
  const { strategy, spec, riskUrl, gatewayUrl } = source;
  const gateway = gatewayUrl !== undefined && {
    url: gatewayUrl,
    tokenFile: `/var/run/secrets/bellwether/${GATEWAY_TOKEN_AUDIENCE}/token`,
  };
  const base = {
    strategy,
    markets: spec.markets.map(({ symbol, timeframe }) => ({ symbol, timeframe })),
    schedule: scheduleOf(spec.schedule),
    warmupBars: spec.schedule.warmupBars,
    program: programOf(spec.program),
    limits: { memoryMiB: programMemoryMiB(spec.resources.memory) },
  };
  if (spec.mode === "Backtest") {
    // Nothing is traded on: a slow model is waited for.
    const llm = gateway && { ...gateway, timeoutMs: recordingTimeoutMs, answersFile: ANSWERS_FILE };
    return { mode: "Backtest", ...base, backtest: backtestOf(source), ...(llm && { llm }) };
  }
  return {
    mode: spec.mode,
    ...base,
    risk: { url: riskUrl, tokenFile: `/var/run/secrets/bellwether/${AGENT_TOKEN_AUDIENCE}/token` },
    ...(gateway && { llm: { ...gateway, timeoutMs: answerTimeoutMs(spec) } }),
  };
}

/** What is decided when the next bar has closed is not traded on: half a bar leaves room for a second question. At most a minute, at least a second. */
function answerTimeoutMs({ markets }: EffectiveStrategySpec): number {
  const shortestBarMs = Math.min(...markets.map(({ timeframe }) => timeframeMs(timeframe)));
  return Math.min(60_000, Math.max(1_000, Math.floor(shortestBarMs / 2)));
}

function scheduleOf(schedule: EffectiveStrategySpec["schedule"]): AgentConfigInput["schedule"] {
  switch (schedule.kind) {
    case "onBar":
      return { kind: "onBar" };
    case "every":
      return { kind: "every", everyMs: durationMs(schedule.every) };
    case "cron":
      return { kind: "cron", cron: schedule.cron, timeZone: schedule.timeZone };
  }
}

function programOf({ builtin, source }: EffectiveStrategySpec["program"]): AgentConfigInput["program"] {
  if (builtin) return { builtin: builtin.name, parameters: { ...builtin.parameters } };
  if (!source) throw new TypeError("a program that is neither builtin nor source passed validation");
  const { name, key } = source.configMapRef;
  return { source: { file: `${PROGRAM_DIRECTORY}/${key}`, name: `${name}/${key}` }, parameters: { ...source.parameters } };
}

function backtestOf({ spec, policy }: AgentConfigSource): Extract<AgentConfigInput, { mode: "Backtest" }>["backtest"] {
  const { backtest } = spec;
  if (!backtest) throw new TypeError("a Backtest without backtest passed validation");
  const { source, volumeUnit, gaps } = effectiveDataset(backtest.dataset);
  const found = policy.spec.accounts.find(({ name }) => name === spec.riskPolicyRef.account)?.paper;
  const paper = found && effectivePaperAccount(found);
  const { limits, sizing, circuitBreakers, baseCurrency } = effectiveRiskPolicySpec(policy.spec);
  return {
    dataset:
      source.kind === "synthetic" ? { synthetic: { seed: source.seed, bars: source.bars } } : { file: datasetFile(source) },
    volumeUnit,
    gaps,
    ...(backtest.from !== undefined && { fromMs: Date.parse(backtest.from) }),
    ...(backtest.to !== undefined && { toMs: Date.parse(backtest.to) }),
    ...(backtest.seed !== undefined && { seed: backtest.seed }),
    startingBalances: (backtest.startingBalances ?? paper?.balances ?? []).map(({ asset, amount }) => ({ asset, amount })),
    baseCurrency,
    // The fee model of the account it would trade on; the halt of a policy says nothing about the past and stays out.
    ...(paper && { feeBps: paper.feeBps, slippageBps: paper.slippageBps, volumeShareRatio: paper.volumeShareRatio }),
    limits,
    sizing,
    circuitBreakers: circuitBreakers.map((breaker) => ({ ...breaker })),
    ...(spec.shareRatio !== undefined && { shareRatio: spec.shareRatio }),
  };
}

function datasetFile(source: { kind: "configMap"; key: string } | { kind: "volume"; path: string } | { kind: "ccxt" }): string {
  switch (source.kind) {
    case "configMap":
      return `${DATASET_DIRECTORY}/${source.key}`;
    case "volume":
      return `${DATASET_DIRECTORY}/${source.path}`;
    case "ccxt":
      throw new TypeError("a dataset that is to be downloaded passed the references' check");
  }
}

/** Heap of the process a source program runs in: half of what the agent's own process leaves. */
function programMemoryMiB(memory: string): number {
  const agentMiB = 128;
  const wholeMiB = Math.floor((quantity(memory) ?? 0) / 2 ** 20);
  return Math.min(16_384, Math.max(32, Math.floor((wholeMiB - agentMiB) / 2)));
}
