/**
 * The real operator (operator/src/main.ts, a process of its own, with the permission that the chart gives it) on a control plane of its own:
 * how soon a new Strategy says something, and what 5,000 suspended ones cost at rest and after a restart.
 */
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { type ControlPlane, startControlPlane, whyNoControlPlane } from "../../integration/control-plane.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import { Observer } from "./observer.ts";
import { OperatorProcess } from "./operator-process.ts";
import { type Surroundings, setUp } from "./surroundings.ts";

/** One after another: so many that the 99th percentile is no single pause of the API server's collector. */
const applied = 300;
const crowd = 100;
const suspended = 5_000;
const idleMs = 60_000;
/** Between the last status and a figure at rest: echoes, events and the collector's second thoughts are over. */
const calmMs = 10_000;
const limitMs = 300_000;
/** So many fit beside each other, in cores and in the account. */
const small = { capital: { shareRatio: "0.001" }, resources: { pinning: "Shared" } } as const;

export async function bench(): Promise<BenchResult> {
  const name = "real operator";
  const missing = await whyNoControlPlane();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const load: BenchRow[] = [loadRow("before")];
  const rows = [...(await onStage(firstStatus)), ...(await onStage(manySuspended))];
  return { name, rows: [...rows, ...load, loadRow("after")] };
}

/** Figures of a busy machine are no regression: whoever reads them shall see it. */
function loadRow(when: string): BenchRow {
  return { metric: `load average of the last minute, ${when}`, value: loadavg()[0] ?? Number.NaN, unit: "" };
}

interface Stage extends Surroundings {
  readonly plane: ControlPlane;
  readonly observer: Observer;
}

async function onStage(measure: (stage: Stage) => Promise<BenchRow[]>): Promise<BenchRow[]> {
  const plane = await startControlPlane();
  try {
    const surroundings = await setUp(plane);
    const observer = new Observer(surroundings.connection.client);
    try {
      return await measure({ ...surroundings, plane, observer });
    } finally {
      await observer.close();
      await surroundings.close();
    }
  } finally {
    await plane.stop();
  }
}

async function firstStatus({ observer, operator: surroundings }: Stage): Promise<BenchRow[]> {
  // Warm first: an API server that has just started compiles its rules at the first object.
  await observer.floor("cold", crowd, small);
  const floor = await observer.floor("floor", crowd, small);
  const operator = new OperatorProcess(surroundings);
  try {
    await observer.apply("warm-up", small);
    await pause(calmMs);
    const single = [];
    for (let index = 0; index < applied; index++) single.push(await observer.apply(`single-${index}`, small));
    await pause(calmMs);
    const cpuMs = operator.cpuMs();
    const burst = await Promise.all(Array.from({ length: crowd }, (_, index) => observer.apply(`burst-${index}`, small)));
    const cpuPerObjectMs = (operator.cpuMs() - cpuMs) / crowd;
    return [
      ...latencyRows(`${applied} one after another`, single),
      ...latencyRows(`${crowd} at once`, burst),
      {
        metric: `${crowd} at once: the same two writes with no operator at all, p99`,
        value: quantile(floor, 0.99),
        unit: "ms",
      },
      { metric: `${crowd} at once: operator CPU per object`, value: cpuPerObjectMs, unit: "ms" },
    ];
  } finally {
    await operator.stop();
    complain(surroundings.logFile);
  }
}

function latencyRows(how: string, times: readonly { fromRequestMs: number; fromAnswerMs: number }[]): BenchRow[] {
  const fromRequest = times.map(({ fromRequestMs }) => fromRequestMs);
  const fromAnswer = times.map(({ fromAnswerMs }) => fromAnswerMs);
  return [
    { metric: `${how}: apply sent → first status p50`, value: quantile(fromRequest, 0.5), unit: "ms" },
    { metric: `${how}: apply sent → first status p99`, value: quantile(fromRequest, 0.99), unit: "ms", goal: "≤ 100" },
    { metric: `${how}: apply answered → first status p99`, value: quantile(fromAnswer, 0.99), unit: "ms" },
  ];
}

async function manySuspended({ observer, operator: surroundings }: Stage): Promise<BenchRow[]> {
  const first = new OperatorProcess(surroundings);
  let settled: BenchRow[];
  try {
    await observer.apply("warm-up", { suspend: true });
    await pause(calmMs);
    const cpuMs = first.cpuMs();
    const fillMs = await observer.fill(suspended, { suspend: true });
    await pause(calmMs);
    const fillCpuMs = first.cpuMs() - cpuMs;
    const { rssMiB, peakMiB } = first.memory();
    settled = [
      { metric: `${suspended} suspended: created and settled`, value: fillMs / 1000, unit: "s" },
      { metric: `${suspended} suspended: operator CPU per object`, value: fillCpuMs / suspended, unit: "ms" },
      { metric: `${suspended} suspended: RSS when settled`, value: rssMiB, unit: "MiB", goal: "≤ 250" },
      { metric: `${suspended} suspended: RSS at its highest`, value: peakMiB, unit: "MiB" },
      ...(await atRest(observer, first)),
    ];
  } finally {
    await first.stop();
    complain(surroundings.logFile);
  }
  return [...settled, ...(await restarted(observer, surroundings))];
}

async function atRest(observer: Observer, operator: OperatorProcess): Promise<BenchRow[]> {
  const [writes, cpuMs] = [await observer.writes(), operator.cpuMs()];
  await pause(idleMs);
  const idleCpuMs = operator.cpuMs() - cpuMs;
  const idleWrites = (await observer.writes()) - writes;
  return [
    { metric: "idle 60 s: writes but leases", value: idleWrites, unit: "", goal: "≤ 0" },
    { metric: "idle 60 s: CPU", value: idleCpuMs, unit: "ms" },
    { metric: "idle 60 s: RSS after", value: operator.memory().rssMiB, unit: "MiB", goal: "≤ 250" },
  ];
}

async function restarted(observer: Observer, surroundings: Stage["operator"]): Promise<BenchRow[]> {
  const writes = await observer.writes();
  const operator = new OperatorProcess(surroundings);
  try {
    const settledMs = await operator.settled(suspended + 1, limitMs);
    const cpuMs = operator.cpuMs();
    await pause(calmMs);
    const { rssMiB, peakMiB } = operator.memory();
    return [
      { metric: `restart with ${suspended}: settled`, value: settledMs / 1000, unit: "s" },
      { metric: `restart with ${suspended}: CPU until settled`, value: cpuMs, unit: "ms" },
      {
        metric: `restart with ${suspended}: writes but leases`,
        value: (await observer.writes()) - writes,
        unit: "",
        goal: "≤ 0",
      },
      { metric: `restart with ${suspended}: RSS when settled`, value: rssMiB, unit: "MiB", goal: "≤ 250" },
      { metric: `restart with ${suspended}: RSS at its highest`, value: peakMiB, unit: "MiB" },
    ];
  } finally {
    await operator.stop();
    complain(surroundings.logFile);
  }
}

/** What the operator had to say at level warn and above: figures of one that complains are to be read with that. */
function complain(logFile: string): void {
  const lines = readFileSync(logFile, "utf8").trim().split("\n").filter((line) => line !== ""); // prettier-ignore
  if (lines.length > 0) console.log(`  the operator said ${lines.length} lines so far, the last: ${lines.at(-1)?.slice(0, 300)}`);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
