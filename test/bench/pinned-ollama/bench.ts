/**
 * What a core of its own is worth to a real Ollama beside busy neighbours: tokens a second and the gap between two of them, pinned and not, and pinned with
 * one thread too many. A model of random weights: what it says is noise, how fast is not.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { missingBinaries, ensureBinaries } from "@bellwether/k3s/binaries";
import { freePort } from "../../integration/order-path/postgres.ts";
import { tinyGguf } from "../../venues/llm/tiny-gguf.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const name = "pinned-ollama";
const size = { width: 512, layers: 8, feedForward: 1376 };
const tokens = 64;
const neighbours = 3;
const spin = "for (;;) {}";
const answersWithinMs = 60_000;

interface Scenario {
  readonly what: string;
  /** Cores of Ollama and of its neighbours, as `taskset` takes them. */
  readonly cores: string;
  readonly neighbourCores: string;
  readonly threads: number;
}

const scenarios: readonly Scenario[] = [
  { what: "core of its own, 1 thread", cores: "1", neighbourCores: "0", threads: 1 },
  { what: "shared cores, 1 thread", cores: "0,1", neighbourCores: "0,1", threads: 1 },
  { what: "shared cores, 2 threads", cores: "0,1", neighbourCores: "0,1", threads: 2 },
  { what: "core of its own, 2 threads", cores: "1", neighbourCores: "0", threads: 2 },
];

interface Speed {
  readonly tokensPerSecond: number;
  readonly gapP99Ms: number;
}

export async function bench(): Promise<BenchResult> {
  if (cpus().length < 2) return { name, rows: [], skipped: "there is one core" };
  if (spawnSync("taskset", ["--version"]).status !== 0) return { name, rows: [], skipped: "there is no taskset" };
  if (missingBinaries(["ollama"]).length > 0) return { name, rows: [], skipped: "Ollama is not built yet: `npm run up` does" };
  const { ollama } = await ensureBinaries(["ollama"]);
  const directory = mkdtempSync(path.join(tmpdir(), "bellwether-ollama-"));
  try {
    writeFileSync(path.join(directory, "model.gguf"), tinyGguf(size));
    writeFileSync(path.join(directory, "Modelfile"), `FROM ${path.join(directory, "model.gguf")}\n`);
    const speeds: Speed[] = [];
    for (const scenario of scenarios) speeds.push(await measured(scenario, { ollama, directory }));
    return { name, rows: scenarios.flatMap((scenario, index) => rowsOf(scenario, speeds[index], speeds[1])) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function rowsOf({ what }: Scenario, speed: Speed | undefined, shared: Speed | undefined): BenchRow[] {
  if (!speed || !shared) return [];
  const goal = what.startsWith("core of its own, 1") ? { goal: `≥ ${shared.tokensPerSecond.toFixed(1)}` } : {};
  return [
    { metric: `${what}: speed`, value: speed.tokensPerSecond, unit: "tokens/s", baseline: shared.tokensPerSecond, ...goal },
    { metric: `${what}: gap p99`, value: speed.gapP99Ms, unit: "ms", baseline: shared.gapP99Ms },
  ];
}

async function measured(scenario: Scenario, { ollama, directory }: { ollama: string; directory: string }): Promise<Speed> {
  const { cores, neighbourCores, threads } = scenario;
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const env = { PATH: process.env["PATH"], HOME: directory, OLLAMA_HOST: host, OLLAMA_MODELS: path.join(directory, "models") };
  const running: ChildProcess[] = [spawn("taskset", ["-c", cores, ollama, "serve"], { env, stdio: "ignore" })];
  try {
    await answering(`http://${host}/api/version`);
    const created = spawn(ollama, ["create", "model", "-f", path.join(directory, "Modelfile")], { env, stdio: "ignore" });
    await once(created, "exit");
    await generated(host, threads, 4);
    for (let index = 0; index < neighbours; index++)
      running.push(spawn("taskset", ["-c", neighbourCores, process.execPath, "-e", spin], { stdio: "ignore" }));
    return await generated(host, threads, tokens);
  } finally {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  }
}

async function answering(url: string): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const reply = await fetch(url).catch(() => undefined);
    if (reply?.ok) return;
    if (performance.now() - startedMs > answersWithinMs) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Gaps as a reader of the stream has them. */
async function generated(host: string, threads: number, count: number): Promise<Speed> {
  const options = { num_thread: threads, num_ctx: 512, num_predict: count, seed: 1 };
  const body = JSON.stringify({ model: "model", prompt: "w1 w2 w3", raw: true, keep_alive: -1, options });
  const reply = await fetch(`http://${host}/api/generate`, { method: "POST", body });
  if (!reply.ok || !reply.body) throw new Error(`Ollama answered ${reply.status}: ${await reply.text()}`);
  const gapsMs: number[] = [];
  let lastMs: number | undefined;
  let text = "";
  for await (const chunk of reply.body.pipeThrough(new TextDecoderStream())) {
    const nowMs = performance.now();
    if (lastMs !== undefined) gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
    text += chunk;
  }
  const told = JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as { eval_count?: number; eval_duration?: number };
  const sorted = gapsMs.toSorted((a, b) => a - b);
  const gapP99Ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
  return { tokensPerSecond: ((told.eval_count ?? 0) * 1e9) / (told.eval_duration ?? Number.NaN), gapP99Ms };
}
