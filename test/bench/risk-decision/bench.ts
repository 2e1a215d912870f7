/**
 * Risk's decision on real processes and a real Postgres with synchronous commits: ten strategies send a hundred intents a second to one account, each allowed,
 * reserved, committed, signed, handed to the broker and placed. Then a halt under the same load.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "@bellwether/service-kit";
import type { DecisionReply } from "@bellwether/trading";
import { buy, decisionOf } from "../../integration/order-path/decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "../../integration/order-path/postgres.ts";
import { Stack, eventually } from "../../integration/order-path/stack.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const strategies = Array.from({ length: 10 }, (_, index) => `s${index}`);
const everyMs = 100;
const warmUpMs = 5_000;
const measuredMs = 20_000;
const afterHaltMs = 3_000;

export async function bench(): Promise<BenchResult> {
  const name = "risk decision";
  const missing = postgresMissing();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const before = loadavg()[0] ?? Number.NaN;
  const disk = { metric: "the disk's fdatasyncs, one after another, with nobody else", value: syncsPerSecond(), unit: "1/s" };
  const postgres = await startPostgres();
  // Ten bars a second: an order that fills at once or not at all has ended before the next decision.
  const stack = await Stack.start({
    postgres,
    speed: 600,
    limits: { maxPositionRatio: "1", maxOpenOrders: 1000, maxOrdersPerMinute: 6000 },
  });
  try {
    for (const uid of strategies) await stack.admit(uid, { shareRatio: "0.1" });
    const load = { metric: "load average of the last minute, before", value: before, unit: "" };
    const syncs = await journalSyncs(postgres);
    const decided = await decisions(stack);
    const { orders, walSyncs } = await journalSyncs(postgres);
    const perOrder = (walSyncs - syncs.walSyncs) / Math.max(1, orders - syncs.orders);
    const journal = { metric: "syncs of Postgres for each order, risk's and the broker's", value: perOrder, unit: "" };
    return { name, rows: [...decided, ...(await halt(stack, postgres)), disk, journal, load] };
  } finally {
    await stack.stop();
    postgres.remove();
  }
}

/** What no commit can be faster than. */
function syncsPerSecond(): number {
  const directory = mkdtempSync(join(tmpdir(), "bellwether-sync-"));
  const file = openSync(join(directory, "probe"), "w");
  const [block, startedAt] = [Buffer.alloc(8_192), performance.now()];
  let count = 0;
  try {
    for (; performance.now() - startedAt < 1_000; count += 1) {
      writeSync(file, block, 0, block.length, 0);
      fdatasyncSync(file);
    }
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true, force: true });
  }
  return (count * 1_000) / (performance.now() - startedAt);
}

async function journalSyncs(postgres: TestPostgres): Promise<{ orders: number; walSyncs: number }> {
  const [row] = await rowsOf(
    postgres.superuserDsn,
    "select (select count(*) from risk.orders) as orders, (select wal_sync from pg_stat_wal) as syncs",
  );
  return { orders: Number(row?.["orders"]), walSyncs: Number(row?.["syncs"]) };
}

interface Sample {
  readonly roundTripMs: number;
  readonly reply: DecisionReply;
}

/** One strategy's load: a decision with one intent every 100 ms, whatever the last one took. Returns what came back. */
async function drive(stack: Stack, uid: string, signal: AbortSignal): Promise<Sample[]> {
  const samples: Sample[] = [];
  const pending: Promise<void>[] = [];
  const start = await stack.snapshot(uid);
  const price = await stack.price(uid);
  let decisionTime = Math.max(start.marketTime, start.lastDecisionTime ?? 0);
  // Strategies take turns: a hundred a second, not ten bursts of ten.
  const turnMs = (strategies.indexOf(uid) * everyMs) / strategies.length;
  const first = Math.ceil(performance.now() / everyMs) * everyMs + turnMs;
  for (let next = first; !signal.aborted; next += everyMs) {
    await pause(Math.max(0, next - performance.now()));
    decisionTime += 1;
    const intent = buy(price, { size: { quantity: "0.001" }, limit: "1000", timeInForce: "IOC" });
    const startedAt = performance.now();
    const sending = stack
      .decide({ ...decisionOf(start, { intents: [intent] }), decisionTime })
      .then((reply) => void samples.push({ roundTripMs: performance.now() - startedAt, reply }))
      .catch((error: unknown) => console.error(`  a decision of ${uid} failed: ${messageOf(error)}`));
    pending.push(sending);
  }
  await Promise.all(pending);
  return samples;
}

async function driveAll(stack: Stack, forMs: number): Promise<Sample[]> {
  const closing = AbortSignal.timeout(forMs);
  return (await Promise.all(strategies.map((uid) => drive(stack, uid, closing)))).flat();
}

async function decisions(stack: Stack): Promise<BenchRow[]> {
  await driveAll(stack, warmUpMs);
  const before = histogram(await stack.metrics());
  const samples = await driveAll(stack, measuredMs);
  const after = histogram(await stack.metrics());
  const counts = after.map(({ le, count }, index) => ({ le, count: count - (before[index]?.count ?? 0) }));
  const total = counts.at(-1)?.count ?? 0;
  const allowed = samples.filter(({ reply }) => reply.results[0]?.verdict.allowed === true).length;
  const trips = samples.map(({ roundTripMs }) => roundTripMs).sort((left, right) => left - right);
  const within = (counts.find(({ le }) => le >= 0.005)?.count ?? 0) / total;
  return [
    { metric: "intents", value: (samples.length * 1_000) / measuredMs, unit: "/s", goal: "≥ 99" },
    { metric: "of them allowed", value: allowed / samples.length, unit: "part", goal: "≥ 0.99" },
    { metric: "decision with its commit, within 5 ms", value: within * 100, unit: "%", goal: "≥ 99" },
    { metric: "decision with its commit, p99 (upper bound)", value: quantile(counts, 0.99) * 1_000, unit: "ms", goal: "≤ 5" },
    { metric: "decision with its commit, p50 (upper bound)", value: quantile(counts, 0.5) * 1_000, unit: "ms" },
    {
      metric: "round trip of the agent, order placed, p50",
      value: trips[Math.floor(trips.length * 0.5)] ?? Number.NaN,
      unit: "ms",
    },
    {
      metric: "round trip of the agent, order placed, p99",
      value: trips[Math.floor(trips.length * 0.99)] ?? Number.NaN,
      unit: "ms",
      goal: "≤ 25",
    },
  ];
}

/** From the moment the policy says so to the last order that risk committed. The file is looked at every 200 ms; a cluster's watch is faster. */
async function halt(stack: Stack, postgres: TestPostgres): Promise<BenchRow[]> {
  const driving = driveAll(stack, 2_000 + afterHaltMs);
  await pause(2_000);
  const haltedAtMs = Date.now();
  stack.setPolicy({ halt: "benchmark" });
  await eventually(
    () => stack.portfolio(),
    ({ state }) => state === "Halted",
  );
  await driving;
  const [row] = await rowsOf(
    postgres.superuserDsn,
    "select extract(epoch from max(created_at)) * 1000 as last_ms from risk.orders",
  );
  const lastMs = Number(row?.["last_ms"]) - haltedAtMs;
  return [{ metric: "last order after a halt under this load", value: Math.max(0, lastMs), unit: "ms", goal: "≤ 1000" }];
}

interface Bucket {
  /** Seconds. */
  readonly le: number;
  readonly count: number;
}

function histogram(text: string): Bucket[] {
  const lines = [...text.matchAll(/^bellwether_risk_decision_seconds_bucket\{le="([^"]+)"[^}]*\} (\d+)/gm)];
  return lines.map(([, le, count]) => ({ le: le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), count: Number(count) }));
}

/** The upper bound of the bucket that the quantile falls into. */
function quantile(counts: readonly Bucket[], part: number): number {
  const total = counts.at(-1)?.count ?? 0;
  return counts.find(({ count }) => count >= total * part)?.le ?? Number.NaN;
}
