import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FailPoints, noFailPoints } from "../../fail-points.ts";
import { finalOrderOf } from "../../testing/approver.ts";
import { CrashSwitch } from "../../testing/crash-switch.ts";
import { ManualMarket } from "../../testing/manual-market.ts";
import { PaperVenue, type PaperVenueOptions, paperValidity } from "./paper-venue.ts";

describe("the exchange of a paper account", () => {
  let directory: string;
  let clock: ManualClock;
  let market: ManualMarket;
  let venue: PaperVenue | undefined;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "bellwether-paper-"));
    clock = new ManualClock();
    market = new ManualMarket();
    await market.close(100);
  });
  afterEach(async () => {
    await venue?.close();
    venue = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  const open = async (change: Partial<PaperVenueOptions> = {}): Promise<PaperVenue> => {
    venue = await PaperVenue.open({
      directory,
      accountUid: "policy/paper",
      account: "paper",
      settings: { feeBps: "10", slippageBps: "0", volumeShare: "1", volumeUnit: "Base" },
      balances: [{ asset: "USDT", amount: "1000" }],
      market,
      clock,
      failPoints: noFailPoints,
      log: silentLogger,
      ...change,
    });
    await market.run(
      { onBaseBar: async (symbol, bar) => venue?.onBar(symbol, bar), onBar: () => undefined, onEnd: () => undefined },
      {
        signal: new AbortController().signal,
        waiting: venue.waitingMarkets(),
        resumeAfter: (symbol) => venue?.resumeAfter(symbol),
      },
    );
    return venue;
  };
  const submit = (target: PaperVenue, ordinal: number, change: Parameters<typeof finalOrderOf>[1] = {}) =>
    target.submit({ order: finalOrderOf(ordinal, change), timestampMs: clock.nowMs() });
  const facts = async (target: PaperVenue) => ({
    balances: await target.balances(),
    open: await target.openOrders(),
    trades: await target.tradesSince(0),
  });

  test("is the same after a restart: balances, open orders, trades, and what ended", async () => {
    const before = await open();
    await submit(before, 1, { quantity: "1" });
    await market.close(101);
    await submit(before, 2, { type: "limit", limit: "90" });
    await before.cancel({ order: finalOrderOf(2), legs: "all" });
    await submit(before, 3, { type: "limit", limit: "91" });
    const then = await facts(before);
    expect(then.trades).toHaveLength(1);
    await before.close();

    const after = await open();
    expect(await facts(after)).toEqual(then);
    expect(await after.lookup({ order: finalOrderOf(2) })).toMatchObject({ state: "Cancelled", reason: "CANCELLED_BY_OWNER" });
  });

  test("orders meet the bars that closed while it was away", async () => {
    const before = await open();
    await submit(before, 1, { type: "limit", limit: "95", quantity: "1" });
    await before.close();
    market.detach();
    await market.close(96);
    await market.close(94);
    await market.close(99);
    const after = await open();
    expect(await after.lookup({ order: finalOrderOf(1) })).toMatchObject({ state: "Filled" });
    expect(await after.tradesSince(0)).toMatchObject([{ price: "95" }]);
  });

  test("costs that change at a restart leave what has happened alone", async () => {
    const before = await open();
    await submit(before, 1, { quantity: "1" });
    await market.close(100);
    const then = await facts(before);
    await before.close();
    const after = await open({ settings: { feeBps: "100", slippageBps: "0", volumeShare: "1", volumeUnit: "Base" } });
    expect(await facts(after)).toEqual(then);
    await submit(after, 2, { quantity: "1" });
    await market.close(100);
    expect((await after.tradesSince(0)).map((trade) => trade.fee)).toEqual(["0.1", "1"]);
  });

  test("a request is refused after its window, and when the market has ended", async () => {
    const target = await open();
    const order = finalOrderOf(1);
    const timestampMs = clock.nowMs();
    await clock.advance(paperValidity.windowMs + 1);
    expect(await target.submit({ order, timestampMs })).toMatchObject({
      accepted: false,
      reason: expect.stringContaining("REQUEST_EXPIRED"),
    });
    market.end();
    expect(await submit(target, 2)).toMatchObject({ accepted: false, reason: expect.stringContaining("MARKET_DATA_ENDED") });
    expect(await target.openOrders()).toEqual([]);
  });

  test("an id is refused while an order with it is open, without saying what became of the first", async () => {
    const target = await open();
    await submit(target, 1);
    await expect(submit(target, 1)).rejects.toMatchObject({ code: "VENUE_UNREACHABLE" });
  });

  test("a market whose time lies before the account's is refused: nothing would ever fill", async () => {
    const before = await open();
    await submit(before, 1, { type: "limit", limit: "90" });
    await before.close();
    market = new ManualMarket("BTC/USDT", 1_600_000_020_000);
    await market.close(100);
    const after = await open();
    expect(await submit(after, 2)).toMatchObject({ accepted: false, reason: expect.stringContaining("MARKET_TIME_BEHIND") });
  });

  test("another account's volume is refused", async () => {
    await (await open()).close();
    await expect(open({ accountUid: "policy/other" })).rejects.toMatchObject({ code: "PAPER_STATE_CHANGED" });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("dead at step %i, what it has answered is there and nothing twice", async (step) => {
    await (await open()).close();
    const crashing = new CrashSwitch(step);
    const answered: string[] = [];
    let dying: PaperVenue | undefined;
    try {
      dying = await open({ failPoints: crashing });
      for (const ordinal of [1, 2, 3]) {
        const reply = await submit(dying, ordinal, { type: "limit", limit: "90" });
        if (reply.accepted) answered.push(reply.order.clientOrderId);
      }
    } catch {
      market.detach();
    }
    await dying?.close();
    const after = await open();
    const ids = (await after.openOrders()).map((order) => order.clientOrderId);
    expect(ids).toEqual(expect.arrayContaining(answered));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length - answered.length).toBeLessThanOrEqual(1);
  });

  test("after a failed write it answers nothing, reads included: nobody knows what is on the disk", async () => {
    let broken = false;
    const failPoints: FailPoints = {
      pass(name) {
        if (broken && name === "append-synced") throw Object.assign(new Error("disk full"), { code: "ENOSPC" });
      },
    };
    const target = await open({ failPoints });
    broken = true;
    await expect(submit(target, 1)).rejects.toMatchObject({ code: "VENUE_UNREACHABLE" });
    await expect(target.lookup({ order: finalOrderOf(1) })).rejects.toMatchObject({ code: "VENUE_UNREACHABLE" });
    expect(target.health()).toMatchObject({ accepts: "none", restart: true });
  });

  test("keeps one snapshot and one log, however often it starts", async () => {
    for (let start = 0; start < 4; start += 1) await (await open()).close();
    expect(readdirSync(directory).sort()).toEqual(["commands-00000004.log", "snapshot-00000004.json"]);
  });
});
