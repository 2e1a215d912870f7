/**
 * The gateway's budget over ten thousand histories of three replicas that crash, lose their callers, their cache and the way to the ledger,
 * until the first request is refused: what was overspent, what leaked, and how much of the month was spent by then. Five hundred more run on a real Postgres
 * and a real Redis (BELLWETHER_BENCH_HISTORIES=N for another number).
 */
import { Database, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { seededRandom } from "@bellwether/service-kit/random";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";
import { RedisStore } from "../../../runtimes/gateway/src/store/redis-store.ts";
import { BudgetWorld, brokenPromises, deskInMemory, misfortunesOf } from "../../../runtimes/gateway/src/testing/budget-world.ts";
import { deskInPostgres, shelfInRedis } from "../../integration/gateway/real-desk.ts";
import { redisMissing, startRedis } from "../../integration/redis.ts";
import { postgresMissing, startPostgres } from "../../integration/order-path/postgres.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const HISTORIES = 10_000;
/** Others than those of the unit test. */
const FIRST_SEED = 1_000_000;

const REAL_HISTORIES = Number(process.env["BELLWETHER_BENCH_HISTORIES"] ?? 500);
/** Histories at a time, each with connections of its own: they mostly wait for the disk, and share its syncs. */
const AT_ONCE = 12;

export async function bench(): Promise<BenchResult> {
  const { name, rows } = await inMemory();
  return { name, rows: [...rows, ...(await onRealStores())] };
}

/** The same worlds with the ledger in Postgres and the answers in Redis, which is stopped and started all the while. */
async function onRealStores(): Promise<BenchRow[]> {
  const missing = postgresMissing() ?? redisMissing();
  if (missing !== undefined) return [{ metric: `histories on real stores (${missing})`, value: 0, unit: "", goal: "≥ 500" }];
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  const openDatabase = (): Database =>
    new Database({ dsn: postgres.gatewayDsn, clock: systemClock, log: silentLogger, applicationName: "bench" });
  const databases = Array.from({ length: AT_ONCE }, openDatabase);
  const store = new RedisStore(redis.url, { clock: systemClock, log: silentLogger });
  const seeds = Array.from({ length: REAL_HISTORIES }, (_, index) => 2 * FIRST_SEED + index).values();
  const sums = { histories: 0, overspent: 0, leaked: 0, broken: 0, least: 100, redisLosses: 0 };
  const worker = async (database: Database): Promise<void> => {
    for (const seed of seeds) {
      const misfortunes = misfortunesOf(seed);
      const [desk, shelf] = [deskInPostgres(database, `route-${seed}`), shelfInRedis(store, String(seed))];
      const result = await new BudgetWorld({ random: seededRandom(seed), desk, shelf, misfortunes }).run();
      sums.histories += 1;
      sums.overspent += result.overspent ? 1 : 0;
      sums.leaked += result.leakedLeases + result.leakedReservations;
      sums.broken += brokenPromises(result, misfortunes).length;
      sums.least = Math.min(sums.least, 100 * (result.firstRefusal?.countedRatio ?? 0));
    }
  };
  const upset = async (): Promise<void> => {
    while (sums.histories < REAL_HISTORIES) {
      await systemClock.sleep(2_000);
      await redis.stop();
      await redis.start();
      sums.redisLosses += 1;
    }
  };
  try {
    await Promise.all(databases.map((database) => migrate(database, gatewaySchema)));
    await Promise.all([upset(), ...databases.map(worker)]);
  } finally {
    store.close();
    await Promise.all(databases.map((database) => database.close()));
    postgres.remove();
    await redis.remove();
  }
  return [
    { metric: "histories on real Postgres and Redis", value: sums.histories, unit: "", goal: "≥ 500" },
    { metric: "real losses of Redis", value: sums.redisLosses, unit: "" },
    { metric: "real: histories that overspent", value: sums.overspent, unit: "", goal: "≤ 0" },
    { metric: "real: leases and reservations leaked", value: sums.leaked, unit: "", goal: "≤ 0" },
    { metric: "real: promises broken", value: sums.broken, unit: "", goal: "≤ 0" },
    { metric: "real: spent at the first refusal, least", value: sums.least, unit: "%", goal: "≥ 98" },
  ];
}

async function inMemory(): Promise<BenchResult> {
  const counted: number[] = [];
  const billed: number[] = [];
  let [overspent, leaked, broken, crashes, calls, cacheLosses] = [0, 0, 0, 0, 0, 0];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
    const misfortunes = misfortunesOf(seed);
    const result = await new BudgetWorld({ random: seededRandom(seed), desk: deskInMemory(), misfortunes }).run();
    overspent += result.overspent ? 1 : 0;
    leaked += result.leakedLeases + result.leakedReservations;
    broken += brokenPromises(result, misfortunes).length;
    crashes += result.crashes;
    calls += result.calls;
    cacheLosses += result.cacheLosses;
    counted.push(100 * (result.firstRefusal?.countedRatio ?? 0));
    billed.push(100 * (result.firstRefusal?.billedRatio ?? 0));
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    name: "budget interleavings",
    rows: [
      { metric: "histories", value: HISTORIES, unit: "", goal: "≥ 10000" },
      { metric: "calls, all histories", value: calls, unit: "" },
      { metric: "crashes, all histories", value: crashes, unit: "" },
      { metric: "cache losses, all histories", value: cacheLosses, unit: "" },
      { metric: "histories that overspent", value: overspent, unit: "", goal: "≤ 0" },
      { metric: "leases and reservations leaked", value: leaked, unit: "", goal: "≤ 0" },
      { metric: "promises broken", value: broken, unit: "", goal: "≤ 0" },
      { metric: "spent at the first refusal, least", value: Math.min(...counted), unit: "%", goal: "≥ 98" },
      { metric: "spent at the first refusal, mean", value: mean(counted), unit: "%" },
      { metric: "billed by providers then, mean (crashes included)", value: mean(billed), unit: "%" },
      { metric: "billed by providers then, least (crashes included)", value: Math.min(...billed), unit: "%" },
    ],
  };
}
