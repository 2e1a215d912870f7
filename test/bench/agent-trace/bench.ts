/**
 * What the cache saves of the calls that agents really make: `llm-analyst` decides over a month of Bitcoin in bars of a quarter of an hour, what it asks is
 * written down, and the gateway is asked the same again at the same times. Four strategies: two of one configuration, one that looks back half as far, and
 * one that speaks to its model in sentences of its own. One answer in fifty is lost on its way, and asked for again; one in a hundred is not of the form, and
 * is sent back to be repaired. Printed, not promised: nearly every question has prices of its own, and no cache may answer it.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Metrics, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { seriesFromBars } from "@bellwether/trading/bars";
import { runBacktest } from "@bellwether/trading/backtest";
import type { ModelQuestion } from "@bellwether/trading/engine/language-model";
import type { Bar } from "@bellwether/trading/engine/program";
import { rulesFromSymbol } from "@bellwether/trading/market-terms";
import { bindProgram } from "../../../runtimes/agent/src/interface/define-strategy.ts";
import { ScriptedModels, opinion } from "../../../runtimes/agent/src/llm/testing/scripted-models.ts";
import { builtinProgram } from "../../../runtimes/agent/src/programs/builtins.ts";
import { openGateway } from "../../../runtimes/gateway/src/answering/open-gateway.ts";
import type { Backend, ChatCall } from "../../../runtimes/gateway/src/backends/backend.ts";
import { gatewayConfig } from "../../../runtimes/gateway/src/config.ts";
import type { ChatRequest } from "../../../runtimes/gateway/src/server/chat-request.ts";
import { MemoryStore } from "../../../runtimes/gateway/src/store/memory-store.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const name = "agent trace";
const csv = path.resolve(import.meta.dirname, "../../../../shared/data/btc-perp-1m.csv");
const minuteMs = 60_000;
const barMs = 15 * minuteMs;
const lostEvery = 50;
const malformedEvery = 100;

interface Asked {
  readonly atMs: number;
  readonly tenant: string;
  readonly question: ModelQuestion;
  readonly answer: string;
}

const strategies: readonly { tenant: string; parameters: Record<string, string | number> }[] = [
  { tenant: "analyst", parameters: {} },
  { tenant: "analyst-twin", parameters: {} },
  { tenant: "analyst-short", parameters: { bars: 24 } },
  { tenant: "analyst-bold", parameters: { instructions: "Follow the trend and be quick to leave it." } },
];

export async function bench(): Promise<BenchResult> {
  if (!existsSync(csv)) return { name, rows: [], skipped: "needs ../shared/data/btc-perp-1m.csv" };
  const bars = quarters(readFileSync(csv, "utf8"));
  const traces = await Promise.all(strategies.map((strategy) => traceOf(strategy, bars)));
  const trace = traces.flat().toSorted((left, right) => left.atMs - right.atMs);
  const rows: BenchRow[] = [{ metric: "questions of the trace", value: trace.length, unit: "" }];
  for (const shared of [false, true]) rows.push(...(await replayed(trace, shared)));
  return { name, rows };
}

/** Minutes of the file → bars of a quarter of an hour; one that is not whole is left out. */
function quarters(text: string): Bar[] {
  const minutes = text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [time = "", ...numbers] = line.split(",");
      const [open = 0, high = 0, low = 0, close = 0, volume = 0] = numbers.map(Number);
      return { time: Date.parse(`${time.replace(" ", "T").slice(0, 19)}Z`), open, high, low, close, volume };
    });
  const groups = Map.groupBy(minutes, ({ time }) => Math.floor(time / barMs) * barMs);
  return [...groups].flatMap(([time, group]) => {
    const [first, last] = [group[0], group.at(-1)];
    if (!first || !last || group.length < barMs / minuteMs) return [];
    return {
      time,
      open: first.open,
      close: last.close,
      high: Math.max(...group.map(({ high }) => high)),
      low: Math.min(...group.map(({ low }) => low)),
      volume: group.reduce((sum, { volume }) => sum + volume, 0),
    };
  });
}

/** What one strategy asks, and when. Its model follows the averages that it is shown. */
async function traceOf({ tenant, parameters }: (typeof strategies)[number], bars: readonly Bar[]): Promise<Asked[]> {
  const asked: Asked[] = [];
  const models = new ScriptedModels((question, count) => {
    const prompt = question.messages[1]?.content ?? "";
    const atMs = Date.parse(`${/It is (\S+)\. Equity/.exec(prompt)?.[1]}Z`);
    const answer = count % malformedEvery === 0 ? "I would buy." : verdictOn(prompt);
    const entry = { atMs, tenant, question, answer };
    asked.push(entry, ...(count % lostEvery === 0 ? [{ ...entry, atMs: atMs + 20_000 }] : []));
    return answer;
  });
  const program = bindProgram(builtinProgram("llm-analyst"), parameters);
  const market = rulesFromSymbol("BTC/USDT");
  if (!market) throw new TypeError("BTC/USDT is a market");
  await runBacktest({
    program,
    parameters: program.parameters,
    market,
    timeframe: "15m",
    bars: seriesFromBars(bars, barMs),
    volumeUnit: "Quote",
    feeBps: 10,
    slippageBps: 5,
    limits: {},
    startingBalances: [{ asset: "USDT", amount: "10000" }],
    seed: 1,
    models,
  });
  return asked;
}

function verdictOn(prompt: string): string {
  const [close, average] = [/last close ([\d.]+)/, /closes ([\d.]+)/].map((what) => Number(what.exec(prompt)?.[1] ?? 0));
  const side = (close ?? 0) > (average ?? 0) * 1.002 ? "buy" : (close ?? 0) < (average ?? 0) * 0.998 ? "sell" : "hold";
  return opinion(side, 0.8, `The close is at ${close}, the average at ${average}: ${side}.`);
}

async function replayed(trace: readonly Asked[], shared: boolean): Promise<BenchRow[]> {
  const clock = new ManualClock(trace[0]?.atMs ?? 0);
  const answers = new Map(trace.map(({ question, answer }) => [JSON.stringify(question.messages), answer]));
  let calls = 0;
  const backend: Backend = {
    complete: async ({ request }: ChatCall) => {
      calls += 1;
      const content = answers.get(JSON.stringify(request.messages)) ?? "";
      return { content, finishReason: "stop", usage: { inputTokens: 100, outputTokens: 50, cachedInputTokens: 0 } };
    },
    stream: () => {
      throw new Error("nothing is streamed");
    },
    embed: () => Promise.reject(new Error("nothing is embedded")),
  };
  let ids = 0;
  const { gateway } = await openGateway({
    config: gatewayConfig.parse({
      route: { uid: "trace", name: "trace", namespace: "bellwether" },
      models: [{ name: "hosted", openai: { model: "trace" } }],
      cache: { shared, semantic: { enabled: true } },
      limits: { concurrentPerStrategy: 100 },
    }),
    budget: undefined,
    store: new MemoryStore({ maxEntries: 20_000, maxCharacters: 64 * 1_048_576 }, clock),
    remember: () => undefined,
    metrics: new Metrics(),
    clock,
    log: silentLogger,
    newId: () => String(ids++),
    openBackend: async () => backend,
  });
  const found = new Map<string, number>();
  let wrong = 0;
  for (const { atMs, tenant, question } of trace) {
    if (atMs > clock.nowMs()) await clock.advance(atMs - clock.nowMs());
    const { notes, completion } = await gateway.complete(requestOf(question), {
      tenant: { name: tenant, weight: 1 },
      gone: new AbortController().signal,
    });
    if (completion.content !== answers.get(JSON.stringify(question.messages))) wrong += 1;
    found.set(notes.cache, (found.get(notes.cache) ?? 0) + 1);
  }
  const share = (count: number): number => (100 * count) / trace.length;
  const scope = shared ? "shared by the route's strategies" : "each strategy's own";
  return [
    { metric: `calls saved, answers ${scope}`, value: share(trace.length - calls), unit: "%" },
    { metric: "  by the same question", value: share(found.get("exact") ?? 0), unit: "%" },
    { metric: "  by one that means the same", value: share(found.get("semantic") ?? 0), unit: "%" },
    { metric: "  answers to another question", value: wrong, unit: "", goal: "≤ 0" },
  ];
}

/** As the agent sends it. */
function requestOf({ messages, format, maxTokens }: ModelQuestion): ChatRequest {
  return {
    model: "hosted",
    messages: messages.map(({ role, content }) => ({ role, content })),
    max_completion_tokens: maxTokens,
    ...(format && {
      response_format: { type: "json_schema", json_schema: { name: format.name, schema: { ...format.schema }, strict: true } },
    }),
  };
}
