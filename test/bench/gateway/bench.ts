import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { renderGatewayConfig } from "@bellwether/gateway/config";
import { bundleService } from "../../../k3s/src/images/bundle.ts";
import { serviceImages } from "../../../k3s/src/images/image-list.ts";
import { type TestRedis, redisMissing, startRedis } from "../../integration/redis.ts";
import { TestIdentity, issuer } from "../../integration/order-path/identity.ts";
import { type TestPostgres, freePort, postgresMissing, startPostgres } from "../../integration/order-path/postgres.ts";
import { inherited } from "../../suites/inherited.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import { type Sample, type Target, closeConnections, closedLoop, oneByOne, openLoop, quantile } from "./load.ts";

/*
 * What stands between a strategy and a model: the same requests straight to a mock of one, through the gateway (authentication, budget lease and cache
 * look-up on, no hits), and, with BELLWETHER_BENCH_PEER_URL=http://…/v1 and BELLWETHER_BENCH_PEER_KEY, through a peer that has been set up to forward to
 * the address this prints. The gateway has a core of its own, everything else the others.
 */
const name = "gateway";
const root = new URL("../../../", import.meta.url).pathname;
const seconds = Number(process.env["BELLWETHER_BENCH_SECONDS"] ?? 8);
const connections = 32;
/** Instead of times: memory over so many requests. A million take ten minutes. */
const requests = Number(process.env["BELLWETHER_BENCH_REQUESTS"] ?? 0);
/** For whoever looks for where the time goes: `--cpu-prof --cpu-prof-dir=DIR`, `--trace-gc`. */
const nodeArguments = process.env["BELLWETHER_BENCH_NODE_ARGUMENTS"]?.split(" ") ?? [];

export async function bench(): Promise<BenchResult> {
  const missing = postgresMissing() ?? redisMissing();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const surroundings = await Surroundings.start();
  try {
    return { name, rows: requests > 0 ? await memory(surroundings) : await measure(surroundings) };
  } finally {
    closeConnections();
    await surroundings.stop();
  }
}

async function measure(around: Surroundings): Promise<BenchRow[]> {
  const direct = around.direct();
  const gateway = around.gateway();
  for (const target of [direct, gateway]) await openLoop(target, { perSecond: 200, seconds: 3 });
  const rows: BenchRow[] = [];
  const base = await openLoop(direct, { perSecond: 1_000, seconds });
  rows.push(...added("gateway", { base, samples: await openLoop(gateway, { perSecond: 1_000, seconds }) }));
  const peer = around.peer();
  if (peer) rows.push(...added("peer", { base, samples: await openLoop(peer, { perSecond: 1_000, seconds }) }));
  rows.push(...(await throughput(around)), ...(await firstChunks(around)), ...(await shortcuts(around)));
  rows.push({ metric: "gateway: resident memory at the end", value: around.residentMiB(), unit: "MiB", goal: "≤ 150" });
  return rows;
}

const msOf = (samples: readonly Sample[]): number[] => samples.map(({ ms }) => ms);

function added(what: string, { base, samples }: { base: readonly Sample[]; samples: readonly Sample[] }): BenchRow[] {
  const row = (part: number, label: string, goal?: string): BenchRow => ({
    metric: `${what}: added ${label} at 1,000/s`,
    value: quantile(msOf(samples), part) - quantile(msOf(base), part),
    unit: "ms",
    ...(goal !== undefined && { goal }),
    baseline: quantile(msOf(base), part),
    ratio: quantile(msOf(samples), part) / quantile(msOf(base), part),
  });
  const own = what === "gateway";
  const failed = samples.filter(({ ok }) => !ok).length;
  return [
    row(0.5, "p50", own ? "≤ 1" : undefined),
    row(0.99, "p99", own ? "≤ 5" : undefined),
    { metric: `${what}: errors at 1,000/s`, value: failed, unit: "requests", ...(own && { goal: "≤ 0" }) },
  ];
}

async function throughput(around: Surroundings): Promise<BenchRow[]> {
  const direct = await closedLoop(around.direct(), { connections, seconds });
  const beforeMs = around.processorMs();
  const own = await closedLoop(around.gateway(), { connections, seconds });
  const processorMs = (around.processorMs() - beforeMs) / own.done;
  return [
    { metric: "gateway: processor time of a request", value: processorMs, unit: "ms", goal: "≤ 0.5" },
    { metric: "gateway: most requests a second", value: own.perSecond, unit: "1/s", goal: "≥ 2000", baseline: direct.perSecond },
    { metric: "gateway: errors at that", value: own.failed, unit: "requests", goal: "≤ 0" },
  ];
}

async function firstChunks(around: Surroundings): Promise<BenchRow[]> {
  const rate = { perSecond: 100, seconds };
  const first = async (target: Target): Promise<number> =>
    quantile(
      (await openLoop(target, rate)).map(({ firstMs }) => firstMs),
      0.5,
    );
  const base = await first(around.direct({ stream: true }));
  const own = await first(around.gateway({ stream: true }));
  return [{ metric: "gateway: first chunk later by, p50 at 100/s", value: own - base, unit: "ms", goal: "≤ 2", baseline: base }];
}

/** Answers that need no model: each beside the model's own, which takes next to no time and the same way there and back. */
async function shortcuts(around: Surroundings): Promise<BenchRow[]> {
  const count = 1_000;
  const after = (samples: readonly Sample[], skipped: number): number[] => msOf(samples).slice(skipped);
  const direct = after(await oneByOne(around.direct(), count), 100);
  const hits = after(await oneByOne(around.gateway({ same: true, temperature: 0 }), count), 100);
  const open = after(await oneByOne(around.gateway({ model: "broken" }), count), 100);
  const row = (metric: string, values: { own: number[]; part: number; goal?: string }): BenchRow => {
    const [value, baseline] = [quantile(values.own, values.part), quantile(direct, values.part)];
    return {
      metric: `gateway: ${metric}`,
      value,
      unit: "ms",
      ...(values.goal !== undefined && { goal: values.goal }),
      baseline,
      ratio: value / baseline,
    };
  };
  return [
    row("exact hit, p50", { own: hits, part: 0.5, goal: "≤ 1" }),
    row("open breaker's answer, p50", { own: open, part: 0.5 }),
    row("open breaker's answer, p99", { own: open, part: 0.99, goal: "≤ 5" }),
  ];
}

/** What it holds on to, read ten times on the way: nothing piles up in front of it, as in a measurement of times on a busy machine. */
async function memory(around: Surroundings): Promise<BenchRow[]> {
  const rows: BenchRow[] = [{ metric: "gateway: resident memory at the start", value: around.residentMiB(), unit: "MiB" }];
  const target = around.gateway();
  for (let done = 0; done < requests;) {
    const share = Math.min(Math.ceil(requests / 10), requests - done);
    const { failed } = await closedLoop(target, { connections, requests: share });
    done += share;
    rows.push({
      metric: `gateway: resident memory after ${done.toLocaleString("en")} requests, ${failed} of the last failed`,
      value: around.residentMiB(),
      unit: "MiB",
      goal: "≤ 150",
    });
  }
  return rows;
}

interface Asking {
  readonly stream?: boolean;
  readonly same?: boolean;
  readonly temperature?: number;
  readonly model?: string;
}

/** Postgres, Redis, the mock and the gateway. */
class Surroundings {
  readonly #directory: string;
  readonly #postgres: TestPostgres;
  readonly #redis: TestRedis;
  readonly #upstream: { child: ChildProcess; port: number };
  readonly #gateway: { child: ChildProcess; port: number; token: string };

  private constructor(parts: {
    directory: string;
    postgres: TestPostgres;
    redis: TestRedis;
    upstream: { child: ChildProcess; port: number };
    gateway: { child: ChildProcess; port: number; token: string };
  }) {
    this.#directory = parts.directory;
    this.#postgres = parts.postgres;
    this.#redis = parts.redis;
    this.#upstream = parts.upstream;
    this.#gateway = parts.gateway;
  }

  static async start(): Promise<Surroundings> {
    const directory = mkdtempSync(path.join(tmpdir(), "bellwether-bench-gateway-"));
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    const upstream = await startUpstream();
    const gateway = await startGateway({ directory, postgres, redis, upstreamPort: upstream.port });
    return new Surroundings({ directory, postgres, redis, upstream, gateway });
  }

  direct(asking: Asking = {}): Target {
    return targetOf(`http://127.0.0.1:${this.#upstream.port}/v1`, "none", asking);
  }

  gateway(asking: Asking = {}): Target {
    return targetOf(`http://127.0.0.1:${this.#gateway.port}/v1`, this.#gateway.token, asking);
  }

  peer(): Target | undefined {
    const url = process.env["BELLWETHER_BENCH_PEER_URL"];
    if (url === undefined) return undefined;
    console.log(`  the peer must forward to http://127.0.0.1:${this.#upstream.port}/v1`);
    return targetOf(url, process.env["BELLWETHER_BENCH_PEER_KEY"] ?? "none", {});
  }

  /** Of the gateway's process. */
  residentMiB(): number {
    const status = readFileSync(`/proc/${this.#gateway.child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1_024;
  }

  /** Of the gateway's process since it began, in its own and the kernel's code. */
  processorMs(): number {
    const fields = readFileSync(`/proc/${this.#gateway.child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // Linux counts in ticks of ten milliseconds.
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async stop(): Promise<void> {
    // In good order, so that a profile is written.
    await new Promise((resolve) => void this.#gateway.child.once("exit", resolve).kill("SIGTERM"));
    this.#upstream.child.kill("SIGKILL");
    this.#postgres.remove();
    await this.#redis.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const subject = "system:serviceaccount:bellwether:strat-bench-agent";
let asked = 0;

function targetOf(
  baseUrl: string,
  token: string,
  { stream = false, same = false, temperature = 0, model = "hosted" }: Asking,
): Target {
  return {
    url: `${baseUrl}/chat/completions`,
    headers: { authorization: `Bearer ${token}` },
    body: (index) => {
      const content = same ? "Which way is BTC going?" : `Which way is BTC going? Bar ${asked++}, ${index}`;
      return JSON.stringify({ model, messages: [{ role: "user", content }], temperature, ...(stream && { stream }) });
    },
  };
}

/** The program as its image has it: what it holds on to is measured, too. */
async function bundle(directory: string): Promise<string> {
  const image = serviceImages().find((candidate) => candidate.name === "gateway");
  if (!image) throw new Error("there is no image of the gateway");
  await bundleService(image, directory);
  return path.join(directory, "app/main.mjs");
}

/** Node's own flags in the image. */
function imageFlags(): string[] {
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(path.join(root, "runtimes/gateway/Dockerfile"), "utf8"))?.[1];
  return (JSON.parse(entry ?? "[]") as string[]).filter((word) => word.startsWith("--"));
}

/** The last core is the gateway's; where `taskset` is missing or there is one core only, the kernel decides. */
function pinned(core: "last" | "others", command: readonly string[]): [string, string[]] {
  const count = cpus().length;
  if (count < 2 || !existsSync("/usr/bin/taskset")) return [command[0] ?? "", command.slice(1)];
  return ["/usr/bin/taskset", ["-c", core === "last" ? String(count - 1) : `0-${count - 2}`, ...command]];
}

async function startUpstream(): Promise<{ child: ChildProcess; port: number }> {
  const [file, args] = pinned("others", [process.execPath, path.join(import.meta.dirname, "upstream-command.ts")]);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => child.stdout?.once("data", (data: Buffer) => resolve(data.toString())));
  if (existsSync("/usr/bin/taskset") && cpus().length > 1)
    execFileSync("/usr/bin/taskset", ["-a", "-p", "-c", `0-${cpus().length - 2}`, String(process.pid)], { stdio: "ignore" });
  return { child, port: (JSON.parse(line) as { port: number }).port };
}

async function startGateway(parts: {
  directory: string;
  postgres: TestPostgres;
  redis: TestRedis;
  upstreamPort: number;
}): Promise<{ child: ChildProcess; port: number; token: string }> {
  const { directory, postgres, redis, upstreamPort } = parts;
  const identity = new TestIdentity(directory);
  const [port, healthPort] = [await freePort(), await freePort()];
  const write = (file: string, text: string): string => {
    writeFileSync(path.join(directory, file), text);
    return path.join(directory, file);
  };
  const price = { inputPerMillionTokens: "0.1", outputPerMillionTokens: "0.4" };
  const openai = { model: "bench", baseUrl: `http://127.0.0.1:${upstreamPort}/v1` };
  const config = write(
    "config.json",
    renderGatewayConfig({
      route: { uid: "bench", name: "bench", namespace: "bellwether" },
      models: [
        { name: "hosted", price, openai },
        { name: "broken", price, openai: { model: "fail", baseUrl: openai.baseUrl } },
      ],
      budget: { monthlyUsd: "1000000", onExhausted: "Reject" },
      limits: { concurrentPerStrategy: 1_000, maxQueued: 10_000 },
      dsnFile: write("dsn", postgres.gatewayDsn),
      redisUrlFile: write("redis", redis.url),
      issuer,
      jwksFile: identity.jwksFile,
      callersFile: write("callers.json", JSON.stringify([{ subject, tenant: "bench" }])),
      apiPort: port,
      healthPort,
      logLevel: "warn",
    }),
  );
  const [file, args] = pinned("last", [process.execPath, ...imageFlags(), ...nodeArguments, await bundle(directory)]);
  const child = spawn(file, args, {
    env: { ...inherited(), BELLWETHER_CONFIG: config, MALLOC_ARENA_MAX: "1" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  while (!(await fetch(`http://127.0.0.1:${healthPort}/health/detailed`).catch(() => undefined))?.ok)
    await new Promise((resolve) => setTimeout(resolve, 100));
  return { child, port, token: identity.token(subject, "gateway.bellwether.dev") };
}
