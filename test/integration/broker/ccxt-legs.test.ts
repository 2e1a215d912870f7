import { type BrokerOrder, type FinalOrder, parseDecimal } from "@bellwether/trading";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FailPointName } from "../../../runtimes/broker/src/fail-points.ts";
import type { FaultKind } from "../../venues/exchange/faults.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { type DialectName, LiveWorld, type RunningLive, startingBalances } from "./ccxt-fixture.ts";

const missing = postgresMissing();

const dialects: readonly { dialect: DialectName; placing: string; trades: string; windowMs: number }[] = [
  { dialect: "binance", placing: "/orderList/oco", trades: "/myTrades", windowMs: 7_000 },
  { dialect: "okx", placing: "/order-algo", trades: "/fills", windowMs: 32_000 },
];

describe.skipIf(missing !== undefined).each(dialects)("protective legs at the local $dialect", (words) => {
  const { dialect, placing, trades, windowMs } = words;
  let postgres: TestPostgres;
  let world: LiveWorld;
  let running: RunningLive | undefined;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  const open = async (change: ConstructorParameters<typeof LiveWorld>[2] = {}): Promise<void> => {
    world = new LiveWorld(postgres, dialect, change);
    await world.start();
    world.price("40000");
  };
  beforeEach(() => open());
  afterEach(async () => {
    await end();
    await world.remove();
  });

  const start = async (...args: Parameters<LiveWorld["broker"]>): Promise<RunningLive> => (running = await world.broker(...args));
  const end = async (): Promise<void> => {
    if (running) await world.end(running);
    running = undefined;
  };
  const found = (order: FinalOrder): Promise<BrokerOrder> => running!.broker.find(order.clientOrderId);
  const discrepancy = async (): Promise<string | undefined> => (await running!.broker.account()).discrepancy;
  const submit = (order: FinalOrder): Promise<BrokerOrder> => running!.broker.submit(world.approver.approve(order));
  const entry = (change: Partial<FinalOrder> = {}): FinalOrder =>
    world.order({ quantity: "0.1", stopLoss: "38000", takeProfit: "44000", ...change });
  /** Bought, and what the next sweep makes of it: 0.1 less the fee. */
  const bought = async (change: Partial<FinalOrder> = {}): Promise<FinalOrder> => {
    const order = entry(change);
    await submit(order);
    await running!.broker.sweep();
    return order;
  };
  /** Base units that the exchange holds back for what rests there. */
  const locked = (): string => world.venue.exchange.balances("local-1").find(({ asset }) => asset === "BTC")?.locked ?? "0";
  const legFills = async (): Promise<string[]> => {
    const rows = await world.rows(
      "select leg || ' ' || trim_scale(sum(quantity)) as text from broker.fills where leg <> 'entry' group by leg order by leg",
    );
    return rows.map((row) => String(row["text"]));
  };
  /** Another hand at the exchange. */
  const byHand = (accountId: string, change: { quantity: string; price?: string }): { cancel(): void } => {
    const order = world.venue.exchange.place(accountId, {
      clientOrderId: `by-hand-${change.quantity}`,
      market: "BTC/USDT",
      side: "sell",
      kind: change.price === undefined ? "market" : "limit",
      timeInForce: "GTC",
      postOnly: false,
      quantity: parseDecimal(change.quantity),
      ...(change.price === undefined ? {} : { price: parseDecimal(change.price) }),
    });
    return { cancel: () => world.venue.exchange.cancel(order) };
  };

  test("what an entry has bought, less its fee, rests as stop and target, and is the order's until it is sold", async () => {
    const { broker } = await start();
    const order = await bought();
    expect(await found(order)).toMatchObject({ state: "Filled", protectiveLegs: ["stopLoss", "takeProfit"] });
    expect(locked()).toBe("0.0999");
    expect(await discrepancy()).toBeUndefined();
    // Nothing of it is another hand's, and what is locked counts as held.
    await broker.adopt("ada", "looked");
    await broker.sweep();
    await world.verify();
  });

  test.each([
    { leg: "stopLoss", price: "37900" },
    { leg: "takeProfit", price: "44100" },
  ])("when the price reaches the $leg it sells, the other leg ends, and the fill is the leg's", async ({ leg, price }) => {
    const { broker } = await start();
    const order = await bought();
    world.price(price);
    await broker.sweep();
    expect(await legFills()).toEqual([`${leg} 0.0999`]);
    expect(await found(order)).toMatchObject({ state: "Filled", filledQuantity: "0.1", protectiveLegs: [] });
    expect(locked()).toBe("0");
    await world.verify();
  });

  test.each<{ only: object; leg: string; price: string }>([
    { only: { stopLoss: "38000", takeProfit: undefined }, leg: "stopLoss", price: "37000" },
    { only: { stopLoss: undefined, takeProfit: "44000" }, leg: "takeProfit", price: "44500" },
  ])("a $leg alone rests and sells as well", async ({ only, leg, price }) => {
    const { broker } = await start();
    const order = await bought(only);
    expect(await found(order)).toMatchObject({ protectiveLegs: [leg] });
    expect(locked()).toBe("0.0999");
    world.price(price);
    await broker.sweep();
    expect(await legFills()).toEqual([`${leg} 0.0999`]);
    await world.verify();
  });

  test("legs grow with what the entry buys, and cancelling the entry, as a halt does, leaves them", async () => {
    await world.remove();
    await open({ makerQuantity: "0.00001" });
    const { broker } = await start();
    const order = entry({ type: "limit", limit: "39990" });
    await submit(order);
    byHand("local-2", { quantity: "0.0401" });
    await broker.sweep();
    expect(await found(order)).toMatchObject({
      state: "Working",
      filledQuantity: "0.04",
      protectiveLegs: ["stopLoss", "takeProfit"],
    });
    expect(locked()).toBe("0.03996");
    byHand("local-2", { quantity: "0.0301" });
    await broker.sweep();
    expect(locked()).toBe("0.06993");
    await broker.cancel(order.clientOrderId, "entry");
    await broker.sweep();
    expect(await found(order)).toMatchObject({ state: "Cancelled", filledQuantity: "0.07" });
    expect(locked()).toBe("0.06993");
    await world.verify();
  });

  test("a leg that sells ends what its entry has not bought yet", async () => {
    await world.remove();
    const rich = { USDT: "10000", BTC: "100" };
    await open({ balances: { "local-1": startingBalances, "local-2": rich } });
    const { broker } = await start();
    const order = entry({ type: "limit", limit: "39990" });
    await submit(order);
    // Ten levels of the market maker are better than ours.
    byHand("local-2", { quantity: "50.04" });
    await broker.sweep();
    expect(locked()).toBe("0.03996");
    world.price("44100");
    await broker.sweep();
    expect(await legFills()).toEqual(["takeProfit 0.03996"]);
    expect(await found(order)).toMatchObject({ state: "Cancelled", filledQuantity: "0.04", protectiveLegs: [] });
    await world.verify();
  });

  test("taking everything back, as a flattening does, ends the legs first, and then all can be sold", async () => {
    const { broker } = await start();
    const order = await bought();
    expect(await broker.cancel(order.clientOrderId, "all")).toMatchObject({ state: "Filled", protectiveLegs: [] });
    expect(locked()).toBe("0");
    expect(await submit(world.order({ side: "sell", quantity: "0.0999", reduceOnly: true }))).not.toMatchObject({
      state: "Rejected",
    });
    await broker.sweep();
    expect(locked()).toBe("0");
    await world.verify();
  });

  test("a sell of the strategy takes from the legs what it needs; one that ends unfilled gives it back", async () => {
    const { broker } = await start();
    const order = await bought();
    await submit(world.order({ side: "sell", quantity: "0.05", reduceOnly: true }));
    await broker.sweep();
    expect(locked()).toBe("0.0499");
    const limit = world.order({ side: "sell", type: "limit", limit: "43000", quantity: "0.0499", reduceOnly: true });
    expect(await submit(limit)).toMatchObject({ state: "Working" });
    await broker.sweep();
    expect(world.venue.exchange.openOrders("local-1").map(({ clientOrderId }) => clientOrderId)).toEqual([limit.clientOrderId]);
    expect(await found(order)).toMatchObject({ protectiveLegs: ["stopLoss", "takeProfit"] });
    await broker.cancel(limit.clientOrderId, "all");
    await broker.sweep();
    expect(locked()).toBe("0.0499");
    world.price("37000");
    await broker.sweep();
    expect(await legFills()).toEqual(["stopLoss 0.0499"]);
    await world.verify();
  });

  test("a sell that comes after a leg has sold is not sent: the account's other units are not the strategy's", async () => {
    const { broker } = await start();
    await bought();
    world.price("37000");
    world.venue.exchange.tick();
    const exit = world.order({ side: "sell", quantity: "0.0999", reduceOnly: true });
    expect(await submit(exit)).toMatchObject({ state: "Rejected", reason: expect.stringContaining("NOTHING_TO_SELL") });
    expect(world.venue.exchange.placements.has(exit.clientOrderId)).toBe(false);
    await broker.sweep();
    expect(await submit(world.order({ side: "sell", quantity: "0.0999", reduceOnly: true }))).toMatchObject({
      state: "Rejected",
    });
    expect(await legFills()).toEqual(["stopLoss 0.0999"]);
    await world.verify();
  });

  test.each([
    { leg: "stopLoss", price: "37000" },
    { leg: "takeProfit", price: "45000" },
  ])("a price that has passed the $leg before it could rest sells at once", async ({ leg, price }) => {
    const { broker } = await start();
    await submit(entry());
    world.price(price);
    await broker.sweep();
    await broker.sweep();
    expect(await legFills()).toEqual([`${leg} 0.0999`]);
    expect(locked()).toBe("0");
    await world.verify();
  });

  test.each<{ when: string; kind: FaultKind; status?: number }>([
    { when: "the reply is lost", kind: "lost-reply" },
    { when: "a 502 follows the acceptance", kind: "status-after", status: 502 },
  ])("when $when, the legs are found again and placed once", async ({ kind, status }) => {
    const { broker } = await start();
    world.venue.fault({ kind, method: "POST", path: placing, times: 1, ...(status === undefined ? {} : { status }) });
    await bought();
    await broker.sweep();
    expect(await discrepancy()).toBeUndefined();
    expect(locked()).toBe("0.0999");
    await world.verify();
  });

  test("when the request is lost, it is proven that they are nowhere, and only then others take their place; buys wait that long", async () => {
    const { broker } = await start();
    world.venue.fault({ kind: "lost-request", method: "POST", path: placing, times: 1 });
    const order = await bought();
    await world.clock.advance(windowMs - 1_000);
    await broker.sweep();
    expect(locked()).toBe("0");
    expect(await discrepancy()).toMatch(/0\.0999 stand without the protective legs/);
    await expect(submit(world.order())).rejects.toMatchObject({ code: "VENUE_INCONSISTENT" });
    await world.clock.advance(1_500);
    await broker.sweep();
    expect(locked()).toBe("0.0999");
    expect(await found(order)).toMatchObject({ protectiveLegs: ["stopLoss", "takeProfit"] });
    expect(await submit(world.order())).not.toMatchObject({ state: "Rejected" });
    await broker.sweep();
    await world.verify();
  });

  test("a refusal is told, tried again later, and over once the exchange takes them", async () => {
    const { broker } = await start();
    const hand = byHand("local-1", { quantity: "1", price: "50000" });
    await submit(entry());
    const more = byHand("local-1", { quantity: "0.05", price: "50000" });
    await broker.sweep();
    expect(await discrepancy()).toMatch(/stand without the protective legs they should have: .*[Bb]alance/);
    more.cancel();
    hand.cancel();
    await world.clock.advance(1_500);
    await broker.sweep();
    expect(locked()).toBe("0.0999");
    expect(await discrepancy()).toBeUndefined();
    await world.verify();
  });

  test("trades of a leg that are listed late count with the leg's end, once", async () => {
    const { broker } = await start();
    await bought();
    world.price("37000");
    world.venue.fault({ kind: "missing-fill", path: trades, times: 1 }, { kind: "duplicate-fills", path: trades, times: 1 });
    await broker.sweep();
    expect(await legFills()).toEqual([]);
    await broker.sweep();
    expect(await legFills()).toEqual(["stopLoss 0.0999"]);
    expect(await discrepancy()).toBeUndefined();
    await world.verify();
  });

  test.each<{ name: FailPointName; pass: number }>([
    // The entry's own answer; then the same points, passed by its legs.
    { name: "before-reply", pass: 1 },
    { name: "after-about-to-send", pass: 2 },
    { name: "before-venue-send", pass: 2 },
    { name: "after-venue-accept", pass: 2 },
    { name: "after-venue-reply", pass: 2 },
  ])("killed at pass $pass of $name, the position has its legs again, once", async (crashAt) => {
    const first = await start({ crashAt });
    const order = entry();
    await submit(order).catch(() => undefined);
    await first.broker.sweep().catch(() => undefined);
    expect(first.failPoints.crashed).toBe(true);
    await end();
    await start();
    await world.clock.advance(windowMs + 1_000);
    await running!.broker.sweep();
    expect(locked()).toBe("0.0999");
    expect(await found(order)).toMatchObject({ state: "Filled", protectiveLegs: ["stopLoss", "takeProfit"] });
    expect(await discrepancy()).toBeUndefined();
    await world.verify();
  });

  test("a leg that sells while nobody listens is found at the next start", async () => {
    await start();
    const order = await bought();
    await end();
    world.price("37000");
    world.venue.exchange.tick();
    await start();
    expect(await legFills()).toEqual(["stopLoss 0.0999"]);
    expect(await found(order)).toMatchObject({ protectiveLegs: [] });
    await world.verify();
  });

  test("legs that a hand has taken away are placed anew", async () => {
    const { broker } = await start();
    await bought();
    for (const order of world.venue.exchange.openOrders("local-1").slice(0, 1)) world.venue.exchange.cancel(order);
    for (const algo of world.venue.exchange.pendingAlgos("local-1")) world.venue.exchange.cancelAlgo(algo);
    expect(locked()).toBe("0");
    await broker.sweep();
    expect(locked()).toBe("0.0999");
    await world.verify();
  });

  test("legs that only the send log remembers are asked about, not placed again", async () => {
    await start();
    await bought();
    await end();
    await world.rows("delete from broker.protective_orders");
    await start();
    await running!.broker.sweep();
    expect(locked()).toBe("0.0999");
    expect(await world.rows("select distinct state from broker.protective_orders")).toEqual([{ state: "Working" }]);
    expect(await discrepancy()).toBeUndefined();
    await world.verify();
  });

  test("the dead-man switch is off while a leg rests, and on again for entries when none does", async () => {
    const { broker } = await start();
    broker.heard(true);
    await submit(world.order({ type: "limit", limit: "30000" }));
    await broker.sweep();
    expect(world.venue.exchange.deadlines.size).toBe(dialect === "okx" ? 1 : 0);
    const order = await bought();
    expect(world.venue.exchange.deadlines.size).toBe(0);
    await broker.cancel(order.clientOrderId, "all");
    await broker.sweep();
    expect(world.venue.exchange.deadlines.size).toBe(dialect === "okx" ? 1 : 0);
  });

  test.each([
    { when: "whose stop is off the step", change: { stopLoss: "38000.001" }, code: "QUANTITY_NOT_ON_STEP" },
    // OKX has a least quantity only.
    ...(dialect === "binance"
      ? [{ when: "whose stop would sell below the least order", change: { quantity: "0.00013" }, code: "ORDER_NOT_SUPPORTED" }]
      : []),
  ])("an entry $when is refused: nothing could protect it", async ({ change, code }) => {
    await start();
    await expect(submit(entry(change))).rejects.toMatchObject({ code });
    expect(world.venue.exchange.placements.size).toBe(0);
  });
});
