import type { BrokerOrder, FinalOrder } from "@bellwether/trading";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { failPointNames } from "../../../runtimes/broker/src/fail-points.ts";
import type { Fault } from "../../venues/exchange/faults.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { type DialectName, LiveWorld, type RunningLive } from "./ccxt-fixture.ts";

const missing = postgresMissing();
const windowMs = 5_000;
const marginMs = 2_000;

const dialects: readonly { dialect: DialectName; trades: string; late: RegExp }[] = [
  { dialect: "binance", trades: "/myTrades", late: /-1021/ },
  { dialect: "okx", trades: "/fills", late: /50102/ },
];

describe.skipIf(missing !== undefined).each(dialects)(
  "a ccxt broker against the local $dialect, over real HTTP",
  ({ dialect, trades, late }) => {
    let postgres: TestPostgres;
    let world: LiveWorld;
    let running: RunningLive | undefined;

    beforeAll(async () => {
      postgres = await startPostgres();
    });
    afterAll(() => postgres.remove());
    beforeEach(async () => {
      world = new LiveWorld(postgres, dialect);
      await world.start();
      world.price("40000");
    });
    afterEach(async () => {
      if (running) await world.end(running);
      running = undefined;
      await world.remove();
    });

    const start = async (...args: Parameters<LiveWorld["broker"]>): Promise<RunningLive> =>
      (running = await world.broker(...args));
    const stateOf = async (id: string): Promise<string> => (await running!.broker.find(id)).state;
    /** Submitted and asked about once: some exchanges only say that they have taken an order. */
    const placed = async (order: FinalOrder): Promise<BrokerOrder> => {
      const answer = await running!.broker.submit(world.approver.approve(order));
      if (answer.state !== "Working") return answer;
      await running!.broker.sweep();
      return running!.broker.find(order.clientOrderId);
    };

    test("an approved market buy is filled, recorded with its fee in the asset it was taken from, and balances agree", async () => {
      const { broker } = await start();
      expect((await broker.account()).venue).toMatchObject({ accepts: "all" });
      const order = world.order();
      expect(await placed(order)).toMatchObject({ state: "Filled", filledQuantity: "0.01" });
      expect(await world.rows("select quantity::text, price::text, fee::text, fee_asset, leg from broker.fills")).toEqual([
        {
          quantity: "0.010000000000000000",
          price: "40000.010000000000000000",
          fee: "0.000010000000000000",
          fee_asset: "BTC",
          leg: "entry",
        },
      ]);
      // What the reply said and what the list of trades says is the same execution, once.
      await broker.sweep();
      await world.verify();
    });

    test("a resting order is filled when the price comes to it, and can be cancelled half filled", async () => {
      const { broker } = await start();
      const buy = world.order({ type: "limit", limit: "39000", timeInForce: "GTC" });
      expect(await broker.submit(world.approver.approve(buy))).toMatchObject({ state: "Working", filledQuantity: "0" });
      const sell = world.order({ side: "sell", type: "limit", limit: "41000", quantity: "0.5", reduceOnly: true });
      await broker.submit(world.approver.approve(sell));
      world.price("38999");
      await broker.sweep();
      expect(await stateOf(buy.clientOrderId)).toBe("Filled");
      expect(await broker.cancel(sell.clientOrderId, "all")).toMatchObject({ state: "Cancelled" });
      await world.verify();
    });

    test.each<{ when: string; fault: Fault; state: string }>([
      { when: "the reply is lost", fault: { kind: "lost-reply", method: "POST", path: "/order", times: 1 }, state: "Filled" },
      {
        when: "a 502 follows the acceptance",
        fault: { kind: "status-after", status: 502, method: "POST", path: "/order", times: 1 },
        state: "Filled",
      },
      {
        when: "a 504 follows the acceptance",
        fault: { kind: "status-after", status: 504, method: "POST", path: "/order", times: 1 },
        state: "Filled",
      },
      {
        when: "a 429 follows the acceptance",
        fault: { kind: "status-after", status: 429, retryAfterSeconds: 3, method: "POST", path: "/order", times: 1 },
        state: "Filled",
      },
      {
        when: "the request is lost",
        fault: { kind: "lost-request", method: "POST", path: "/order", times: 1 },
        state: "NotSent",
      },
      {
        when: "a 503 keeps it out",
        fault: { kind: "status", status: 503, method: "POST", path: "/order", times: 1 },
        state: "NotSent",
      },
      { when: "a page comes instead", fault: { kind: "garbage", method: "POST", path: "/order", times: 1 }, state: "NotSent" },
      {
        when: "it is asked to slow down",
        fault: { kind: "status", status: 429, retryAfterSeconds: 2, method: "POST", path: "/order", times: 1 },
        state: "NotSent",
      },
      {
        when: "it is banned for a while",
        fault: { kind: "status", status: 418, retryAfterSeconds: 9, method: "POST", path: "/order", times: 1 },
        state: "NotSent",
      },
    ])("when $when, the order is at the exchange once or not at all, and becomes $state", async ({ fault, state }) => {
      const { broker } = await start();
      world.venue.fault(fault);
      const order = world.order();
      const approval = world.approver.approve(order);
      expect(await broker.submit(approval)).toMatchObject({ state: "Unknown" });
      // Risk repeats itself: nothing is sent again.
      expect(await broker.submit(approval)).toMatchObject({ state: "Unknown" });
      await world.clock.advance(4_000);
      await broker.sweep();
      if (state === "NotSent") expect(await stateOf(order.clientOrderId)).toBe("Unknown");
      await world.clock.advance(windowMs + marginMs);
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe(state);
      expect(world.venue.exchange.placements.get(order.clientOrderId) ?? 0).toBe(state === "NotSent" ? 0 : 1);
      await world.verify();
    });

    test("a request that comes after its window is refused by the exchange, and the order was not sent", async () => {
      const { broker } = await start();
      const order = world.order();
      world.venue.fault({ kind: "late-request", delayMs: 300, method: "POST", path: "/order", times: 1 });
      const submitted = broker.submit(world.approver.approve(order));
      await expect.poll(() => world.venue.requests.some((request) => request.startsWith("POST"))).toBe(true);
      await world.clock.advance(4_900);
      await world.clock.advance(windowMs + marginMs);
      // The desk has given up; the exchange judges the time stamp when the request is there.
      expect(await submitted).toMatchObject({ state: "Unknown" });
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe("NotSent");
      await expect.poll(() => world.venue.exchange.placements.size).toBe(0);
      await world.verify();
    });

    test("trades listed twice, in the wrong order or late count once, and a filled order waits for all of them", async () => {
      const { broker } = await start();
      world.price("40000");
      // More than a level of the book holds: several trades.
      const order = world.order({ side: "sell", quantity: "0.9", reduceOnly: true });
      world.venue.fault(
        { kind: "status-after", status: 502, method: "POST", path: "/order", times: 1 },
        { kind: "missing-fill", path: trades, times: 1 },
        { kind: "duplicate-fills", path: trades, times: 1 },
      );
      await broker.submit(world.approver.approve(order));
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe("Unknown");
      expect(broker.dependencies()).toContainEqual(expect.objectContaining({ name: "venue-agreement", ok: false }));
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe("Filled");
      world.venue.fault({ kind: "reordered-fills", path: trades });
      const next = world.order({ quantity: "0.2" });
      await broker.submit(world.approver.approve(next));
      await broker.sweep();
      expect(broker.dependencies()).toContainEqual(expect.objectContaining({ name: "venue-agreement", ok: true }));
      await world.verify();
    });

    test("an exchange that restarts has its orders, and the broker theirs", async () => {
      const { broker } = await start();
      const order = world.order({ type: "limit", limit: "39000" });
      await broker.submit(world.approver.approve(order));
      world.venue.restart();
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe("Working");
      world.price("38000");
      await broker.sweep();
      expect(await stateOf(order.clientOrderId)).toBe("Filled");
      await world.verify();
    });

    test.each([
      { skewMs: 2_400, accepts: "all" },
      { skewMs: -2_400, accepts: "all" },
      { skewMs: 2_600, accepts: "none" },
      { skewMs: -2_600, accepts: "none" },
    ])("with clocks $skewMs ms apart $accepts of the orders are taken", async ({ skewMs, accepts }) => {
      world.venue.skewMs = skewMs;
      const { broker } = await start();
      const { venue } = await broker.account();
      expect(venue).toMatchObject({ accepts, clockOffsetMs: skewMs });
      if (accepts === "all") expect(await placed(world.order())).toMatchObject({ state: "Filled" });
      else await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({ code: "CLOCK_OFFSET" });
    });

    test("clocks that drift apart later stop the orders, and agreeing ones let them through again", async () => {
      const { broker } = await start();
      world.venue.skewMs = 60_000;
      expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({
        state: "Rejected",
        reason: expect.stringMatching(late),
      });
      await broker.sweep();
      await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({ code: "CLOCK_OFFSET" });
      world.venue.skewMs = 0;
      await world.clock.advance(4_000);
      await broker.sweep();
      expect(await placed(world.order())).toMatchObject({ state: "Filled" });
      await world.verify();
    });

    test("an exchange that wants to be left alone is left alone, orders included, for as long as it says", async () => {
      const { broker } = await start();
      world.venue.fault({ kind: "status", status: 418, retryAfterSeconds: 30, times: 1 });
      await world.clock.advance(4_000);
      await broker.sweep();
      const asked = world.venue.requests.length;
      await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({ code: "VENUE_STALE" });
      for (let second = 0; second < 25; second += 1) {
        await world.clock.advance(1_000);
        await broker.sweep();
      }
      expect(world.venue.requests.length).toBe(asked);
      await world.clock.advance(6_000);
      await broker.sweep();
      expect(await placed(world.order())).toMatchObject({ state: "Filled" });
    });

    test.each(failPointNames.filter((name) => !name.includes("tombstone") && !name.includes("signed")))(
      "killed at %s, the order is at the exchange once or was not sent",
      async (name) => {
        const first = await start({ crashAt: name });
        const order = world.order();
        const approval = world.approver.approve(order);
        await first.broker.submit(approval).catch(() => undefined);
        // Where the answer only says that the order was taken, its fills are met by asking.
        if (!first.failPoints.crashed) await first.broker.sweep().catch(() => undefined);
        expect(first.failPoints.crashed).toBe(true);
        await world.end(first);
        await world.clock.advance(windowMs + marginMs + 1_000);
        const { broker } = await start();
        const sent = name !== "before-about-to-send" && name !== "after-about-to-send" && name !== "before-venue-send";
        if (name === "before-about-to-send") {
          await expect(broker.find(order.clientOrderId)).rejects.toMatchObject({ code: "ORDER_NEVER_SEEN" });
        } else expect(await stateOf(order.clientOrderId)).toBe(sent ? "Filled" : "NotSent");
        await broker.sweep();
        if (name !== "before-about-to-send") expect((await broker.submit(approval)).state).toBe(sent ? "Filled" : "NotSent");
        expect(world.venue.exchange.placements.size).toBe(sent ? 1 : 0);
        await world.verify();
      },
    );

    test("a client order id is free again once its order has ended, and all the same nothing is sent twice", async () => {
      const { broker } = await start();
      const order = world.order();
      const approval = world.approver.approve(order);
      await broker.submit(approval);
      // A second broker on the same journal, or risk repeating itself: the row is there.
      await Promise.all([broker.submit(approval), broker.submit(world.approver.approve(order))]);
      expect(world.venue.exchange.placements.get(order.clientOrderId)).toBe(1);
    });
  },
);
