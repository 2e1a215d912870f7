/**
 * The operator core beside the client-node baseline (one memoised dispatcher), on a control plane of its own: for each Probe
 * a ConfigMap and one status write. Same machine, same run, taking turns, so that the ratios hold on a busy machine, too.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type ControlPlane, startControlPlane, whyNoControlPlane } from "../../integration/control-plane.ts";
import { type TcpProxy, startTcpProxy } from "../../integration/kubernetes/tcp-proxy.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import { Observer } from "./observer.ts";
import { OperatorProcess, type OperatorProgram } from "./operator-process.ts";
import { probeCrd } from "./probes.ts";

const ours: OperatorProgram = { name: "core", module: "probe-operator.ts" };
const baseline: OperatorProgram = { name: "client-node", module: "baseline-operator.ts" };

const objects = 1000;
const manyObjects = 5000;
const bursts = 3;
/** The p99 of two hundred is the second worst: a pause of anybody on the machine decides it. */
const changes = 1_000;
const idleMs = 60_000;
const cuts = 5;
/** Objects behind the proxy, where only connections are at stake. */
const fewObjects = 50;

export async function bench(): Promise<BenchResult> {
  const name = "operator core";
  const missing = await whyNoControlPlane();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const plane = await startControlPlane({ crds: false });
  try {
    await plane.kubectl(["apply", "-f", "-"], JSON.stringify(probeCrd));
    await plane.kubectl(["wait", "--for=condition=Established", "crd/probes.bench.example.com"]);
    const load = await underLoad(plane);
    const [own, other] = [await overBrokenConnections(plane, ours), await overBrokenConnections(plane, baseline)];
    return { name, rows: rowsOf({ ...load.own, ...own }, { ...load.other, ...other }) };
  } finally {
    await plane.stop();
  }
}

type Figures = Readonly<Partial<Record<keyof typeof metrics, number>>>;

const metrics = {
  perSecond: { metric: `burst of ${objects}: objects/s`, unit: "1/s", goal: "≥ 260" },
  cpuMs: { metric: "burst: operator CPU per object", unit: "ms", goal: "≤ 2" },
  writes: { metric: "burst: writes per object", unit: "" },
  p50Ms: { metric: "change → status p50", unit: "ms" },
  p99Ms: { metric: "change → status p99", unit: "ms", goal: "≤ 15" },
  floorP50Ms: { metric: "the same two writes with no operator at all, p50", unit: "ms" },
  floorP99Ms: { metric: "the same two writes with no operator at all, p99", unit: "ms" },
  idleWrites: { metric: "idle 60 s: writes", unit: "", goal: "≤ 0" },
  idleCpuMs: { metric: "idle 60 s: CPU", unit: "ms", goal: "≤ 100" },
  rssMiB: { metric: `RSS at ${objects} objects`, unit: "MiB", goal: "≤ 130" },
  manyRssMiB: { metric: `RSS at ${manyObjects} objects`, unit: "MiB", goal: "≤ 200" },
  cutMs: { metric: "RST of the watch → next status (worst of 5)", unit: "ms", goal: "≤ 50" },
  watchFreezeS: { metric: "silent freeze of the watch healed (60: never)", unit: "s", goal: "≤ 15" },
  allFreezeS: { metric: "silent freeze of all connections (60: never)", unit: "s", goal: "≤ 15" },
} as const;

function rowsOf(own: Figures, other: Figures): BenchRow[] {
  return (Object.keys(metrics) as (keyof typeof metrics)[]).flatMap((key) => {
    const value = own[key];
    const base = other[key];
    if (value === undefined) return [];
    return [{ ...metrics[key], value, ...(base === undefined ? {} : { baseline: base, ratio: value / base }) }];
  });
}

interface Site {
  readonly observer: Observer;
  readonly operator: OperatorProcess;
  close(): Promise<void>;
}

let sites = 0;

/** An operator on an empty namespace of its own; with a proxy, the operator alone goes through it. */
async function start(plane: ControlPlane, program: OperatorProgram, proxy?: TcpProxy): Promise<Site> {
  const namespace = `bench-${program.name}-${++sites}`;
  await plane.kubectl(["create", "namespace", namespace]);
  const observer = await Observer.start(plane.kubeconfig, namespace);
  const kubeconfig = proxy ? throughProxy(plane, proxy) : plane.kubeconfig;
  const operator = new OperatorProcess(program, { kubeconfig, namespace, directory: plane.directory });
  const close = async (): Promise<void> => {
    await operator.stop();
    await observer.close();
  };
  try {
    await observer.canary();
  } catch (error) {
    await close();
    const log = readFileSync(path.join(plane.directory, `${program.name}.log`), "utf8").slice(-2000);
    throw new Error(`${program.name} did not come up: ${log}`, { cause: error });
  }
  return { observer, operator, close };
}

function throughProxy(plane: ControlPlane, proxy: TcpProxy): string {
  const file = path.join(plane.directory, `proxy-${proxy.port}.kubeconfig`);
  const config = readFileSync(plane.kubeconfig, "utf8").replaceAll(plane.url, `https://127.0.0.1:${proxy.port}`);
  writeFileSync(file, config, { mode: 0o600 });
  return file;
}

async function underLoad(plane: ControlPlane): Promise<{ own: Figures; other: Figures }> {
  const runs: { own: Burst[]; other: Burst[] } = { own: [], other: [] };
  let last: { own: Site; other: Site } | undefined;
  for (let round = 0; round < bursts; round++) {
    await last?.own.close();
    await last?.other.close();
    const other = await start(plane, baseline);
    runs.other.push(await burst(other));
    const own = await start(plane, ours);
    runs.own.push(await burst(own));
    last = { own, other };
  }
  if (!last) return { own: {}, other: {} };
  try {
    const other = { ...medianOf(runs.other), ...(await latency(last.other)), ...(await memory(last.other)) };
    await last.other.close();
    const own = { ...medianOf(runs.own), ...(await latency(last.own)), ...(await idle(last.own)), ...(await memory(last.own)) };
    await last.own.close();
    return { own: { ...own, ...(await floor(plane)) }, other };
  } finally {
    await last.own.close();
    await last.other.close();
  }
}

interface Burst {
  readonly perSecond: number;
  readonly cpuMs: number;
  readonly writes: number;
}

async function burst({ observer, operator }: Site): Promise<Burst> {
  const writes = await observer.writes();
  const cpuMs = operator.cpuMs();
  const tookMs = await observer.fill(0, objects);
  await pause(2000);
  const written = (await observer.writes()) - writes - objects; // without our own creates
  return { perSecond: (objects / tookMs) * 1000, cpuMs: (operator.cpuMs() - cpuMs) / objects, writes: written / objects };
}

function medianOf(runs: readonly Burst[]): Burst {
  return {
    perSecond: quantile(runs.map(({ perSecond }) => perSecond), 0.5), // prettier-ignore
    cpuMs: quantile(runs.map(({ cpuMs }) => cpuMs), 0.5), // prettier-ignore
    writes: quantile(runs.map(({ writes }) => writes), 0.5), // prettier-ignore
  };
}

async function latency({ observer }: Site): Promise<{ p50Ms: number; p99Ms: number }> {
  const times: number[] = [];
  for (let index = 0; index < changes; index++) times.push((await observer.change((index * 7) % objects, 20_000)) ?? 20_000);
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

async function floor(plane: ControlPlane): Promise<{ floorP50Ms: number; floorP99Ms: number }> {
  const namespace = "bench-nobody";
  await plane.kubectl(["create", "namespace", namespace]);
  const observer = await Observer.start(plane.kubeconfig, namespace);
  try {
    await observer.furnish(fewObjects);
    const times: number[] = [];
    for (let index = 0; index < changes; index++) times.push(await observer.changeAlone(index % fewObjects));
    return { floorP50Ms: quantile(times, 0.5), floorP99Ms: quantile(times, 0.99) };
  } finally {
    await observer.close();
  }
}

async function idle({ observer, operator }: Site): Promise<{ idleWrites: number; idleCpuMs: number }> {
  await pause(10_000);
  const before = { writes: await observer.writes(), cpuMs: operator.cpuMs() };
  await pause(idleMs);
  return { idleWrites: (await observer.writes()) - before.writes, idleCpuMs: operator.cpuMs() - before.cpuMs };
}

async function memory({ observer, operator }: Site): Promise<{ rssMiB: number; manyRssMiB: number }> {
  const rssMiB = operator.rssMiB();
  for (let from = objects; from < manyObjects; from += 2000) await observer.fill(from, Math.min(manyObjects, from + 2000));
  await pause(20_000);
  return { rssMiB, manyRssMiB: operator.rssMiB() };
}

async function overBrokenConnections(plane: ControlPlane, program: OperatorProgram): Promise<Figures> {
  const proxy = await startTcpProxy(new URL(plane.url));
  const site = await start(plane, program, proxy);
  const { observer } = site;
  try {
    await observer.fill(0, fewObjects);
    const cutMs: number[] = [];
    for (let round = 0; round < cuts; round++) {
      await pause(5000);
      proxy.cut();
      cutMs.push((await observer.change(round, 30_000)) ?? 30_000);
    }
    const watchFreezeS = await freeze(observer, { proxy, index: cuts, onlyTheWatch: true });
    const allFreezeS = await freeze(observer, { proxy, index: cuts + 1, onlyTheWatch: false });
    return { cutMs: Math.max(...cutMs), watchFreezeS, allFreezeS };
  } finally {
    await site.close();
    proxy.close();
  }
}

/** Seconds from a change to its status while a connection is frozen; 60 when it did not heal. */
async function freeze(observer: Observer, what: { proxy: TcpProxy; index: number; onlyTheWatch: boolean }): Promise<number> {
  const { proxy, index, onlyTheWatch } = what;
  await pause(5000);
  if (onlyTheWatch) {
    const active = proxy.nextActive();
    await observer.touch();
    const watch = await active;
    await pause(1500);
    proxy.freeze(watch);
  } else proxy.freeze();
  return ((await observer.change(index, 60_000)) ?? 60_000) / 1000;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
