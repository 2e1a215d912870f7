/**
 * A live account on real processes: intents to risk, orders at the local exchange over HTTP, a real Postgres with synchronous commits in between.
 * How long an intent takes to become an order there, and how long a broker that was killed takes to be reconciled and to trade again.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { bundleService } from "../../../k3s/src/images/bundle.ts";
import { serviceImages } from "../../../k3s/src/images/image-list.ts";
import { buy, decisionOf } from "../../integration/order-path/decisions.ts";
import { postgresMissing, rowsOf, startPostgres } from "../../integration/order-path/postgres.ts";
import { Stack, eventually } from "../../integration/order-path/stack.ts";
import { ExchangeProcess } from "../../venues/exchange/process.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import { inherited } from "../../suites/inherited.ts";

const orders = 300;
const warmUp = 50;
const everyMs = 100;
const restarts = 3;

export async function bench(): Promise<BenchResult> {
  const name = "live orders";
  const missing = postgresMissing();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const before = loadavg()[0] ?? Number.NaN;
  const postgres = await startPostgres();
  const exchange = new ExchangeProcess("--balance", "USDT=10000000", "--maker-quantity", "1000");
  await exchange.start();
  const { url: baseUrl, credentialsDirectory } = exchange;
  const limits = { maxPositionRatio: "1", maxOpenOrders: 1000, maxOrdersPerMinute: 6000 };
  const stack = await Stack.start({ postgres, limits, live: { exchange: "binance", baseUrl, credentialsDirectory } });
  try {
    await stack.admit("alpha", { shareRatio: "0.9" });
    const rows: BenchRow[] = await latencies(stack, exchange);
    rows.push(await restart(stack, postgres.superuserDsn));
    rows.push(await memory(stack));
    rows.push({ metric: "load average of the last minute, before", value: before, unit: "" });
    return { name, rows };
  } finally {
    await stack.stop();
    await exchange.remove();
    postgres.remove();
  }
}

/** From the moment an agent sends its intent to the time stamp the exchange gives the order; both clocks are this machine's. */
async function latencies(stack: Stack, exchange: ExchangeProcess): Promise<BenchRow[]> {
  const snapshot = await stack.snapshot("alpha");
  const price = await stack.price("alpha");
  const sentAtMs = new Map<string, number>();
  let { decisionTime } = decisionOf(snapshot);
  for (let index = 0; index < orders + warmUp; index += 1) {
    decisionTime += 1;
    const nextMs = Date.now() + everyMs;
    const at = Date.now();
    const intents = [buy(price, { size: { quantity: "0.001" }, timeInForce: "IOC" })];
    const reply = await stack.decide({ ...decisionOf(snapshot, { intents }), decisionTime });
    const id = reply.results[0]?.clientOrderId;
    if (id !== undefined && index >= warmUp) sentAtMs.set(id, at);
    await pause(Math.max(0, nextMs - Date.now()));
  }
  await pause(2_000);
  const state = await exchange.state();
  const took = state.orders
    .flatMap((order) => (sentAtMs.has(order.clientOrderId) ? [order.createdMs - (sentAtMs.get(order.clientOrderId) ?? 0)] : []))
    .sort((a, b) => a - b);
  const twice = Object.values(state.placements).filter((count) => count > 1).length;
  const at = (ratio: number): number => took[Math.min(took.length - 1, Math.floor(took.length * ratio))] ?? Number.NaN;
  return [
    { metric: "intent to order at the exchange, p50", value: at(0.5), unit: "ms" },
    { metric: "intent to order at the exchange, p99", value: at(0.99), unit: "ms", goal: "≤ 25" },
    { metric: "orders measured", value: took.length, unit: "" },
    { metric: "orders placed twice", value: twice, unit: "", goal: "≤ 0" },
  ];
}

/** The worst of some kills: until the exchange has taken an order of an intent that was sent again and again meanwhile. */
async function restart(stack: Stack, dsn: string): Promise<BenchRow> {
  let worstMs = 0;
  for (let round = 0; round < restarts; round += 1) {
    await stack.kill("broker");
    const startedMs = Date.now();
    stack.launch("broker");
    await eventually(
      async () => {
        const snapshot = await stack.snapshot("alpha");
        const intents = [buy(await stack.price("alpha"), { size: { quantity: "0.001" }, timeInForce: "IOC" })];
        const reply = await stack.decide(decisionOf(snapshot, { intents }));
        const id = reply.results[0]?.clientOrderId ?? "";
        const [row] = await rowsOf(
          dsn,
          `select 1 from broker.orders where client_order_id = '${id}' and venue_order_id is not null`,
        );
        return row !== undefined;
      },
      (traded) => traded,
      60_000,
    );
    worstMs = Math.max(worstMs, Date.now() - startedMs);
  }
  return { metric: "broker killed to trading again, worst", value: worstMs / 1_000, unit: "s", goal: "≤ 10" };
}

/** As in the image: the bundle, with the limits of its Dockerfile, after half a minute of trading nothing. */
async function memory(stack: Stack): Promise<BenchRow> {
  const directory = mkdtempSync(join(tmpdir(), "bellwether-bundle-"));
  const [image] = serviceImages().filter(({ workspace }) => workspace === "runtimes/broker");
  if (!image) throw new Error("the broker has no image");
  await bundleService(image, directory);
  await stack.kill("broker");
  const limits = ["--max-semi-space-size=1", "--max-old-space-size=48"];
  const child = spawn(process.execPath, [...limits, join(directory, "app/main.mjs")], {
    env: { ...inherited(), BELLWETHER_CONFIG: join(stack.directory, "broker.json"), HOSTNAME: "broker" },
    stdio: "ignore",
  });
  try {
    await eventually(
      () => stack.health("broker"),
      ({ ok }) => ok,
      60_000,
    );
    await pause(30_000);
    const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
    return { metric: "broker resident memory", value: Number(kibibytes) / 1_024, unit: "MiB", goal: "≤ 120" };
  } finally {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}
