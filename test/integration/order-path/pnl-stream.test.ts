import { silentLogger, systemClock } from "@bellwether/service-kit";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EventHub } from "../../../runtimes/risk/src/api/event-hub.ts";
import { PnlStream } from "../../../runtimes/risk/src/streams/pnl-stream.ts";
import { RedisWriter, pnlStreamKey } from "../../../runtimes/risk/src/streams/redis-writer.ts";
import { type TestRedis, redisMissing, startRedis } from "../redis.ts";

const missing = redisMissing();
const policyUid = "policy-1";
const patient = { timeout: 30_000 };

describe.skipIf(missing !== undefined)(`equity and P&L in a Redis stream ${missing ?? ""}`, () => {
  let redis: TestRedis;
  let reader: Redis;
  let writer: RedisWriter;
  let stream: PnlStream;
  const outcomes = { written: 0, dropped: 0 };
  const hub = new EventHub();
  const tell = (equity: number): void =>
    hub.publishEquity({
      time: equity,
      state: "Active",
      equity: String(equity),
      peakEquity: "0",
      drawdownRatio: "0",
      riskScore: 0,
      accounts: [],
      strategies: [],
    });
  /** The equities in the stream, oldest first. */
  const entries = async (): Promise<number[]> => {
    const rows = await reader.xrange(pnlStreamKey(policyUid), "-", "+");
    return rows.map(([, [field, data = "{}"]]) =>
      field === "equity" ? Number((JSON.parse(data) as { equity: string }).equity) : Number.NaN,
    );
  };

  beforeEach(async () => {
    Object.assign(outcomes, { written: 0, dropped: 0 });
    redis = await startRedis();
    reader = new Redis(redis.url, { maxRetriesPerRequest: null });
    reader.on("error", () => undefined);
    writer = new RedisWriter({ url: redis.url, policyUid, clock: systemClock, maxEntries: 100 });
    stream = new PnlStream({
      writer,
      clock: systemClock,
      log: silentLogger,
      onOutcome: (outcome) => void (outcomes[outcome] += 1),
    });
    hub.subscribePolicy(stream);
    await expect.poll(() => writer.check().ok, patient).toBe(true);
  });
  afterEach(async () => {
    stream.close();
    writer.close();
    reader.disconnect();
    await redis.remove();
  });

  test("each change is an entry, what repeats is none; the stream is bounded and does not outlive its policy for ever", async () => {
    for (const equity of [1, 2, 2, 3]) tell(equity);
    await expect.poll(entries, patient).toEqual([1, 2, 3]);
    for (let equity = 4; equity <= 100; equity += 1) tell(equity);
    await expect.poll(() => outcomes.written, patient).toBe(100);
    for (let equity = 101; equity <= 200; equity += 1) tell(equity);
    await expect.poll(() => outcomes.written, patient).toBe(200);
    for (let equity = 201; equity <= 320; equity += 1) tell(equity);
    await expect.poll(() => outcomes.written, patient).toBe(320);
    const kept = await entries();
    expect(kept.at(-1)).toBe(320);
    expect(kept.length).toBeLessThan(220);
    expect(await reader.pttl(pnlStreamKey(policyUid))).toBeGreaterThan(0);
    expect(outcomes.dropped).toBe(0);
  });

  test("a Redis that is gone holds nobody up; what it missed is counted, and the newest follows when it is back", async () => {
    await redis.stop();
    await expect.poll(() => writer.check().ok, patient).toBe(false);
    for (let equity = 1; equity <= 200; equity += 1) tell(equity);
    expect(outcomes).toEqual({ written: 0, dropped: 80 });
    await redis.start();
    await expect.poll(() => outcomes.written, patient).toBe(120);
    expect(writer.check().ok).toBe(true);
    expect(await entries()).toEqual(Array.from({ length: 120 }, (_, index) => 81 + index));
  });
});
