import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { canonicalOrder } from "@bellwether/trading";
import { failPointNames } from "../../../runtimes/broker/src/fail-points.ts";
import { Approver, finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { paperValidity } from "../../../runtimes/broker/src/venues/paper/paper-venue.ts";
import { BrokerWorld, type RunningBroker } from "./broker-fixture.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)("a paper broker on a real Postgres", () => {
  let postgres: TestPostgres;
  let world: BrokerWorld;
  let running: RunningBroker | undefined;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  beforeEach(async () => {
    world = new BrokerWorld(postgres);
    await world.reset();
    await world.market.close(100);
  });
  afterEach(async () => {
    if (running) await world.end(running);
    running = undefined;
    world.remove();
  });

  const start = async (...args: Parameters<BrokerWorld["start"]>): Promise<RunningBroker> =>
    (running = await world.start(...args));
  const settled = async (id: string, state: string): Promise<void> => {
    await expect.poll(async () => (await running?.broker.find(id))?.state, { interval: 5, timeout: 5_000 }).toBe(state);
  };

  test("an approved order works at the venue, fills at the next open and is recorded with its fill once", async () => {
    const { broker, changes } = await start();
    const order = finalOrderOf(1);
    expect(await broker.submit(world.approver.approve(order))).toMatchObject({
      state: "Working",
      venueOrderId: "v1",
      filledQuantity: "0",
    });

    await world.market.close(101);
    await settled(order.clientOrderId, "Filled");

    // 0.1 at 100 with 5 bps slippage, 10 bps fee.
    expect(await world.rows("select quantity::text, price::text, fee::text, leg from broker.fills")).toEqual([
      { quantity: "0.100000000000000000", price: "100.050000000000000000", fee: "0.010005000000000000", leg: "entry" },
    ]);
    expect((await broker.account()).balances).toEqual([
      { asset: "USDT", free: "9989.984995", locked: "0" },
      { asset: "BTC", free: "0.1", locked: "0" },
    ]);
    expect(changes.map((change) => change.order.state)).toEqual(["Working", "Filled"]);
  });

  test("the same approval again answers with the order's state and sends nothing", async () => {
    const { broker } = await start();
    const approval = world.approver.approve(finalOrderOf(1));
    await broker.submit(approval);
    await world.clock.advance(60_000);
    expect(await broker.submit(approval)).toMatchObject({ state: "Working" });
    expect(await broker.submit(world.approver.approve(finalOrderOf(1)))).toMatchObject({ state: "Working", venueOrderId: "v1" });
    expect(await world.rows("select count(*)::int as n from broker.orders")).toEqual([{ n: 1 }]);
  });

  test.each([
    {
      when: "expired",
      approval: () => world.approver.approve(finalOrderOf(1), { expiresAt: world.clock.nowMs() - 1 }),
      code: "APPROVAL_EXPIRED",
    },
    {
      when: "valid for too long",
      approval: () => world.approver.approve(finalOrderOf(1), { expiresAt: world.clock.nowMs() + 5_000 }),
      code: "APPROVAL_TOO_LONG",
    },
    {
      when: "of an unknown key",
      approval: () => new Approver(world.clock).approve(finalOrderOf(1)),
      code: "APPROVAL_KEY_UNKNOWN",
    },
    {
      when: "of another epoch than its key's",
      approval: () => world.approver.approve(finalOrderOf(1), { epoch: 2 }),
      code: "APPROVAL_KEY_UNKNOWN",
    },
    {
      when: "for other bytes",
      approval: () => ({ ...world.approver.approve(finalOrderOf(1)), order: canonicalOrder(finalOrderOf(1, { quantity: "9" })) }),
      code: "APPROVAL_SIGNATURE_WRONG",
    },
    {
      when: "for another account",
      approval: () => world.approver.approve(finalOrderOf(1, { account: "other" })),
      code: "ACCOUNT_MISMATCH",
    },
    {
      when: "for an unknown market",
      approval: () => world.approver.approve(finalOrderOf(1, { market: "X/Y" })),
      code: "MARKET_UNKNOWN",
    },
    {
      when: "under an id that is not the intent's",
      approval: () => world.approver.approve(finalOrderOf(1, { clientOrderId: "0".repeat(32) })),
      code: "ORDER_MALFORMED",
    },
    {
      when: "for a quantity off the step",
      approval: () => world.approver.approve(finalOrderOf(1, { quantity: "0.000000001" })),
      code: "QUANTITY_NOT_ON_STEP",
    },
  ])("an approval $when is refused and nothing is recorded", async ({ approval, code }) => {
    const { broker } = await start();
    await expect(broker.submit(approval())).rejects.toMatchObject({ code });
    expect(await world.rows("select 1 from broker.orders")).toEqual([]);
  });

  test("an approval cannot be used for a second order, and an id not for other bytes", async () => {
    const { broker } = await start();
    const first = world.approver.approve(finalOrderOf(1));
    await broker.submit(first);
    await expect(broker.submit(world.approver.approve(finalOrderOf(2), { nonce: first.nonce }))).rejects.toMatchObject({
      code: "NONCE_REUSED",
    });
    await expect(broker.submit(world.approver.approve(finalOrderOf(1, { quantity: "0.2" })))).rejects.toMatchObject({
      code: "CLIENT_ORDER_ID_REUSED",
    });
    const second = finalOrderOf(1, { attempt: 2 });
    await expect(broker.submit(world.approver.approve(second))).rejects.toMatchObject({ code: "INTENT_ALREADY_PLACED" });
  });

  test("after a higher risk epoch the lower one is refused, for ever", async () => {
    const old = world.approver;
    await world.publish(new Approver(world.clock, 2));
    let { broker } = await start();
    await broker.submit(world.approver.approve(finalOrderOf(1)));
    await expect(broker.submit(old.approve(finalOrderOf(2)))).rejects.toMatchObject({ code: "EPOCH_STALE" });
    await world.end(running!);
    ({ broker } = await start());
    await expect(broker.submit(old.approve(finalOrderOf(2)))).rejects.toMatchObject({ code: "EPOCH_STALE" });
    await expect(
      broker.void(finalOrderOf(2).clientOrderId, { order: canonicalOrder(finalOrderOf(2)), epoch: 1 }),
    ).rejects.toMatchObject({ code: "EPOCH_STALE" });
  });

  test("a void ends an order that has not come, and leaves one that has", async () => {
    const { broker } = await start();
    const approval = world.approver.approve(finalOrderOf(1));
    const { clientOrderId } = finalOrderOf(1);
    expect(await broker.void(clientOrderId, { order: approval.order, epoch: 1 })).toMatchObject({ state: "NotSent" });
    expect(await broker.submit(approval)).toMatchObject({ state: "NotSent" });

    const other = world.approver.approve(finalOrderOf(2));
    await broker.submit(other);
    expect(await broker.void(finalOrderOf(2).clientOrderId, { order: other.order, epoch: 1 })).toMatchObject({
      state: "Working",
    });
    await world.end(running!);
    await start();
    expect(world.venueOnDisk().clientOrderIds).toEqual([finalOrderOf(2).clientOrderId]);
  });

  test("hard caps stop a buy, never a sell", async () => {
    world.remove();
    world = new BrokerWorld(postgres, { hardCaps: { maxOrderNotional: "50", maxDailyNotional: "80" } });
    await world.reset();
    await world.market.close(100);
    const { broker } = await start();
    await expect(broker.submit(world.approver.approve(finalOrderOf(1, { quantity: "0.6" })))).rejects.toMatchObject({
      code: "HARD_CAP_ORDER_NOTIONAL",
    });
    await broker.submit(world.approver.approve(finalOrderOf(2, { quantity: "0.5" })));
    await expect(broker.submit(world.approver.approve(finalOrderOf(3, { quantity: "0.4" })))).rejects.toMatchObject({
      code: "HARD_CAP_DAILY_NOTIONAL",
    });
    await world.market.close(100);
    await settled(finalOrderOf(2).clientOrderId, "Filled");
    const exit = finalOrderOf(4, { side: "sell", quantity: "0.5", reduceOnly: true });
    expect(await broker.submit(world.approver.approve(exit))).toMatchObject({ state: "Working" });
    await world.clock.advance(86_400_000);
    expect(await broker.submit(world.approver.approve(finalOrderOf(5, { quantity: "0.4" })))).toMatchObject({ state: "Working" });
  });

  test("a cancelled entry leaves its protective legs, cancelling all ends them, too", async () => {
    const { broker } = await start();
    const order = finalOrderOf(1, {
      quantity: "200",
      type: "limit",
      limit: "100",
      stopLoss: "90",
      takeProfit: "120",
      maxCost: "5000",
    });
    await broker.submit(world.approver.approve(order));
    await world.market.close(99, { low: 98, volume: 100 });
    await expect.poll(async () => (await broker.find(order.clientOrderId)).filledQuantity, { interval: 5 }).toBe("10");
    expect(await broker.cancel(order.clientOrderId, "entry")).toMatchObject({
      state: "Cancelled",
      protectiveLegs: ["stopLoss", "takeProfit"],
    });
    expect(await broker.cancel(order.clientOrderId, "entry")).toMatchObject({ protectiveLegs: ["stopLoss", "takeProfit"] });
    expect(await broker.cancel(order.clientOrderId, "all")).toMatchObject({ state: "Cancelled", protectiveLegs: [] });
    expect(await broker.cancel(order.clientOrderId, "all")).toMatchObject({ state: "Cancelled", protectiveLegs: [] });
  });

  test("a stop that fires ends the legs and is recorded as its own leg", async () => {
    const { broker } = await start();
    const order = finalOrderOf(1, { stopLoss: "90" });
    await broker.submit(world.approver.approve(order));
    await world.market.close(99);
    await expect.poll(async () => (await broker.find(order.clientOrderId)).protectiveLegs, { interval: 5 }).toEqual(["stopLoss"]);
    await world.market.close(85);
    await expect.poll(async () => (await broker.find(order.clientOrderId)).protectiveLegs, { interval: 5 }).toEqual([]);
    expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Filled", filledQuantity: "0.1" });
    expect(await world.rows("select leg, side from broker.fills order by sequence")).toEqual([
      { leg: "entry", side: "buy" },
      { leg: "stopLoss", side: "sell" },
    ]);
  });

  describe("when the answer is lost", () => {
    test("an order the venue took is found again", async () => {
      const { broker } = await start();
      world.line.plan("reply-lost");
      expect(await broker.submit(world.approver.approve(finalOrderOf(1)))).toMatchObject({ state: "Unknown" });
      await broker.sweep();
      await settled(finalOrderOf(1).clientOrderId, "Working");
    });

    test("an order the venue never got stays unknown until its window has passed, and then was not sent", async () => {
      const { broker } = await start();
      world.line.plan("request-lost");
      await broker.submit(world.approver.approve(finalOrderOf(1)));
      await world.clock.advance(paperValidity.windowMs + paperValidity.marginMs);
      await broker.sweep();
      expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Unknown" });
      await world.clock.advance(1);
      world.line.down = true;
      await broker.sweep();
      expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Unknown" });
      world.line.down = false;
      await broker.sweep();
      expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "NotSent" });
    });

    test("a request that arrives late is taken inside the window and refused after it", async () => {
      const { broker } = await start();
      world.line.plan("late", "late");
      await broker.submit(world.approver.approve(finalOrderOf(1)));
      await world.clock.advance(paperValidity.windowMs);
      expect(await world.line.deliverLate()).toMatchObject([{ accepted: true }]);
      await broker.submit(world.approver.approve(finalOrderOf(2)));
      await world.clock.advance(paperValidity.windowMs + 1);
      expect(await world.line.deliverLate()).toMatchObject([{ accepted: false }]);
      await world.clock.advance(1_000);
      await broker.sweep();
      expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Working" });
      expect(await broker.find(finalOrderOf(2).clientOrderId)).toMatchObject({ state: "NotSent" });
    });

    test("an order of unknown fate that was cancelled is cancelled when it turns up", async () => {
      const { broker } = await start();
      world.line.plan("reply-lost");
      const order = finalOrderOf(1);
      await broker.submit(world.approver.approve(order));
      world.line.down = true;
      expect(await broker.cancel(order.clientOrderId, "all")).toMatchObject({ state: "Unknown" });
      world.line.down = false;
      await broker.sweep();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Cancelled" });
    });
  });

  test("a broker starts while its venue is away, and finds out when it is back", async () => {
    const before = await world.start();
    world.line.plan("reply-lost");
    world.line.hintsLost = true;
    await before.broker.submit(world.approver.approve(finalOrderOf(1)));
    await world.end(before);
    world.line.down = true;
    const { broker } = await start();
    await world.clock.advance(60_000);
    await broker.sweep();
    expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Unknown" });
    world.line.down = false;
    await broker.sweep();
    expect(await broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Working" });
  });

  test("an order at the venue that nobody here has sent is held for a person: no more buys, sells go on", async () => {
    const { broker } = await start();
    await broker.submit(world.approver.approve(finalOrderOf(1)));
    await world.market.close(101);
    await settled(finalOrderOf(1).clientOrderId, "Filled");
    const foreign = finalOrderOf(2, { type: "limit", limit: "50" });
    await broker.venue.submit({ order: foreign, timestampMs: world.clock.nowMs() });
    await world.end(running!);
    const again = await start();
    expect(again.broker.dependencies()).toContainEqual(expect.objectContaining({ name: "venue-agreement", ok: false }));
    await expect(again.broker.submit(world.approver.approve(finalOrderOf(3)))).rejects.toMatchObject({
      code: "VENUE_INCONSISTENT",
    });
    const exit = finalOrderOf(4, { side: "sell", reduceOnly: true });
    expect(await again.broker.submit(world.approver.approve(exit))).toMatchObject({ state: "Working" });
  });

  test("a broker that was replaced writes nothing more", async () => {
    const old = await world.start();
    await start();
    await expect(old.broker.submit(world.approver.approve(finalOrderOf(1)))).rejects.toMatchObject({ code: "WRITER_FENCED" });
    expect(old.fenced.value).toBe(true);
    expect(await world.rows("select 1 from broker.orders")).toEqual([]);
    await world.end(old);
  });

  test("orders that an older copy of Postgres does not know come back from the send log", async () => {
    const { broker } = await start();
    await broker.submit(world.approver.approve(finalOrderOf(1)));
    const voided = world.approver.approve(finalOrderOf(2));
    await broker.void(finalOrderOf(2).clientOrderId, { order: voided.order, epoch: 1 });
    await world.market.close(101);
    await settled(finalOrderOf(1).clientOrderId, "Filled");
    const resting = finalOrderOf(3, { type: "limit", limit: "50" });
    await broker.submit(world.approver.approve(resting));
    const epoch = (await broker.account()).epoch;
    await world.end(running!);

    await world.reset();
    const again = await start();
    // Nobody else knows of it any more, to ask for its end.
    await settled(resting.clientOrderId, "Cancelled");
    expect(await again.broker.find(finalOrderOf(1).clientOrderId)).toMatchObject({ state: "Filled", filledQuantity: "0.1" });
    expect(await again.broker.find(finalOrderOf(2).clientOrderId)).toMatchObject({ state: "NotSent" });
    expect((await again.broker.account()).epoch).toBeGreaterThan(epoch);
  });

  test("without Postgres nothing is sent, and trading resumes by itself", async () => {
    const { broker } = await start();
    postgres.stop();
    try {
      await expect(broker.submit(world.approver.approve(finalOrderOf(1)))).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    } finally {
      postgres.start();
    }
    await expect
      .poll(async () => (await broker.submit(world.approver.approve(finalOrderOf(1)))).state, { timeout: 10_000 })
      .toBe("Working");
  });

  test.each(failPointNames)("killed at %s, the order is at the venue once or was not sent", async (name) => {
    const crashed = await world.start(name);
    const order = finalOrderOf(1);
    const approval = world.approver.approve(order);
    await crashed.broker.submit(approval).catch(() => undefined);
    await world.market.close(101).catch(() => undefined);
    await crashed.broker.sweep().catch(() => undefined);
    const voided = finalOrderOf(2);
    await crashed.broker.void(voided.clientOrderId, { order: canonicalOrder(voided), epoch: 1 }).catch(() => undefined);
    await world.end(crashed);

    await world.market.close(102);
    await world.clock.advance(10_000);
    const { broker } = await start();
    await broker.sweep();
    const [row] = await world.rows("select state from broker.orders where client_order_id = $1", [order.clientOrderId]);
    const venue = world.venueOnDisk();
    expect(venue.placements).toBeLessThanOrEqual(1);
    if (venue.placements === 1) expect(row).toEqual({ state: "Filled" });
    else expect([undefined, "NotSent"]).toContain(row?.["state"]);
    expect(await broker.void(voided.clientOrderId, { order: canonicalOrder(voided), epoch: 1 })).toMatchObject({
      state: "NotSent",
    });
    expect(await broker.void(order.clientOrderId, { order: approval.order, epoch: 1 })).toMatchObject({
      state: row?.["state"] ?? "NotSent",
    });
  });
});
