import { join } from "node:path";
import { systemClock } from "@bellwether/service-kit";
import { canonicalOrder, parseDecimal } from "@bellwether/trading";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Approver } from "../../../runtimes/broker/src/testing/approver.ts";
import { openCcxt } from "../../../runtimes/broker/src/venues/ccxt/open-ccxt.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { LiveWorld, type RunningLive, startingBalances } from "./ccxt-fixture.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)("an account at an exchange", () => {
  let postgres: TestPostgres;
  let world: LiveWorld;
  const running: RunningLive[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  const open = async (
    ...args: ConstructorParameters<typeof LiveWorld> extends [unknown, ...infer Rest] ? Rest : never
  ): Promise<void> => {
    world = new LiveWorld(postgres, ...args);
    await world.start();
    world.price("40000");
  };
  afterEach(async () => {
    for (const one of running.splice(0)) await world.end(one);
    await world.remove();
  });
  const start = async (...args: Parameters<LiveWorld["broker"]>): Promise<RunningLive> => {
    const started = await world.broker(...args);
    running.push(started);
    return started;
  };

  describe("whose key is not what it should be", () => {
    beforeEach(() => open());

    test.each([
      { when: "may withdraw", key: 1, code: "WITHDRAWAL_PERMITTED" },
      { when: "may not trade", key: 2, code: "CREDENTIALS_REFUSED" },
    ])("a key that $when is refused, and the account says so without showing it", async ({ key, code }) => {
      const { broker } = await start({ key });
      const account = await broker.account();
      expect(account.venue).toMatchObject({ accepts: "none", code });
      expect(account.feed).toMatchObject({ state: "failed" });
      expect(JSON.stringify(account)).not.toMatch(/local-(withdraw|read|trade)-(key|secret)/);
      await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({ code });
      expect(await world.rows("select 1 from broker.orders")).toEqual([]);
    });

    test.each([
      { when: "an exchange nobody has proven", exchange: "kraken", code: "EXCHANGE_NOT_VERIFIED", says: "ExchangeNotVerified" },
      { when: "an exchange that is none", exchange: "nosuchexchange", code: "EXCHANGE_NOT_VERIFIED", says: "nosuchexchange" },
      { when: "a Secret without its keys", exchange: "binance", code: "CREDENTIALS_INVALID", says: "apiKey is missing" },
    ])("$when is refused before anything is asked", async ({ exchange, code, says }) => {
      const account = { exchange, sandbox: false, baseUrl: world.url, credentialsDirectory: join(world.directory, "nothing") };
      const opened = openCcxt({ account, clock: systemClock, load: async () => expect.unreachable() });
      await expect(opened).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
    });

    test("a key trades for one account only", async () => {
      const { broker } = await start();
      const second = await start({ policyUid: "policy-2" });
      expect((await second.broker.account()).venue).toMatchObject({ accepts: "none", code: "ACCOUNT_IN_USE" });
      await expect(second.broker.submit(world.approver.approve(world.order()))).rejects.toThrow();
      expect((await broker.account()).venue?.accepts).toBe("all");
      expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
      // Postgres was away, and nobody could renew: whoever holds the key does so first.
      const silence = () => world.rows("update broker.account_keys set seen_at = now() - interval '1 minute'");
      await silence();
      await world.clock.advance(5_001);
      await second.broker.sweep();
      await world.clock.advance(5_001);
      await broker.sweep();
      await second.broker.sweep();
      expect((await second.broker.account()).venue).toMatchObject({ accepts: "none", code: "ACCOUNT_IN_USE" });
      expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
    });

    test("the key of a broker that is gone comes free within a minute, unless something of it is open; if it only slept, it sends nothing any more", async () => {
      const { broker } = await start();
      const second = await start({ policyUid: "policy-2" });
      const resting = world.order({ type: "limit", limit: "39000" });
      await broker.submit(world.approver.approve(resting));
      const asked = async (): Promise<unknown> => {
        await world.rows(
          "update broker.account_keys set seen_at = now() - interval '41 seconds' where account_uid like 'policy-1/%'",
        );
        for (let look = 0; look < 2; look++) {
          await world.clock.advance(5_001);
          await second.broker.sweep();
        }
        return (await second.broker.account()).venue;
      };
      expect(await asked()).toMatchObject({ code: "ACCOUNT_IN_USE", message: expect.stringContaining("orders of it are open") });
      // It still has its epoch.
      await broker.cancel(resting.clientOrderId, "all");
      expect(await broker.find(resting.clientOrderId)).toMatchObject({ state: "Cancelled" });
      expect(await asked()).toMatchObject({ accepts: "all" });
      const sent = world.venue.exchange.placements.size;
      const exit = world.order({ side: "sell", reduceOnly: true });
      await expect(broker.submit(world.approver.approve(exit))).rejects.toMatchObject({ code: "WRITER_FENCED" });
      await expect(broker.sweep()).rejects.toMatchObject({ code: "WRITER_FENCED" });
      expect(world.venue.exchange.placements.size).toBe(sent);
    });

    test("an approval is good once, for its bytes, from its key, in its epoch and its second; what should not come is counted and shown", async () => {
      const { broker } = await start();
      const good = world.approver.approve(world.order());
      await broker.submit(good);
      const next = world.order();
      const stale = new Approver(world.clock, 1);
      await world.publish(stale);
      const newer = new Approver(world.clock, 2);
      await world.publish(newer);
      await broker.submit(newer.approve(world.order()));
      const forged = [
        { approval: new Approver(world.clock).approve(next), code: "APPROVAL_KEY_UNKNOWN" },
        {
          approval: { ...newer.approve(next), order: canonicalOrder({ ...next, quantity: "9" }) },
          code: "APPROVAL_SIGNATURE_WRONG",
        },
        { approval: newer.approve(next, { expiresAt: world.clock.nowMs() - 1 }), code: "APPROVAL_EXPIRED" },
        { approval: newer.approve(next, { expiresAt: world.clock.nowMs() + 9_000 }), code: "APPROVAL_TOO_LONG" },
        { approval: stale.approve(next), code: "EPOCH_STALE" },
        { approval: newer.approve(next, { nonce: good.nonce }), code: "NONCE_REUSED" },
        { approval: newer.approve({ ...next, account: "other" }), code: "ACCOUNT_MISMATCH" },
      ];
      for (const { approval, code } of forged) await expect(broker.submit(approval)).rejects.toMatchObject({ code });
      expect(world.venue.exchange.placements.size).toBe(2);
      const { alarms = [] } = await broker.account();
      // An expired approval is a slow network; the others are alarming.
      expect(alarms.map(({ code }) => code).sort()).toEqual(
        forged
          .map(({ code }) => code)
          .filter((code) => code !== "APPROVAL_EXPIRED")
          .sort(),
      );
      expect(broker.dependencies()).toContainEqual(expect.objectContaining({ name: "approvals", ok: false }));
    });

    test("the broker's own caps hold whatever is approved, over a restart, and never keep a sell", async () => {
      const config = { hardCaps: { maxOrderNotional: "500", maxDailyNotional: "900" } };
      const first = await start({ config });
      await expect(first.broker.submit(world.approver.approve(world.order({ quantity: "0.013" })))).rejects.toMatchObject({
        code: "HARD_CAP_ORDER_NOTIONAL",
      });
      expect(await first.broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
      expect(await first.broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
      await world.end(running.pop()!);
      const { broker } = await start({ config });
      await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({
        code: "HARD_CAP_DAILY_NOTIONAL",
      });
      const exit = world.order({ side: "sell", quantity: "0.5", reduceOnly: true });
      expect(await broker.submit(world.approver.approve(exit))).toMatchObject({ state: "Filled" });
      await world.verify();
    });

    test("an order of another hand holds buys up until a person has adopted it; it stays where it is", async () => {
      const { broker } = await start();
      const foreign = {
        clientOrderId: "by-hand",
        market: "BTC/USDT",
        side: "sell" as const,
        kind: "limit" as const,
        timeInForce: "GTC" as const,
        postOnly: false,
      };
      const order = world.venue.exchange.place("local-1", {
        ...foreign,
        quantity: (10n ** 17n) as never,
        price: (50_000n * 10n ** 18n) as never,
      });
      await expect(broker.adopt("ada", "placed by hand")).resolves.toEqual({ adopted: 1 });
      expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
      expect(order.status).toBe("new");
    });

    test("a trade that no order here explains is told with what it was, and holds nothing up by itself", async () => {
      const { broker } = await start();
      await broker.submit(world.approver.approve(world.order()));
      const byHand = { clientOrderId: "by-hand", side: "sell", kind: "market", timeInForce: "GTC", postOnly: false } as const;
      world.venue.exchange.place("local-1", { ...byHand, market: "BTC/USDT", quantity: parseDecimal("0.3") });
      for (let second = 0; second < 130; second += 10) await world.clock.advance(10_000);
      for (let sweep = 0; sweep < 30; sweep += 1) await broker.sweep();
      expect((await broker.account()).foreignTrades).toMatchObject([
        { market: "BTC/USDT", side: "sell", quantity: "0.3", price: "39999.99" },
      ]);
      expect(await broker.submit(world.approver.approve(world.order()))).not.toMatchObject({ state: "Rejected" });
    });

    test("an order past its time is cancelled by the broker, where the exchange does not", async () => {
      const { broker } = await start();
      const order = world.order({ type: "limit", limit: "39000", expiresAt: world.clock.nowMs() + 30_000 });
      await broker.submit(world.approver.approve(order));
      await world.clock.advance(29_000);
      await broker.sweep();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Working" });
      await world.clock.advance(2_000);
      await broker.sweep();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Cancelled" });
    });
  });

  describe("whose risk falls silent", () => {
    test("nothing that adds exposure is sent, exits are, and reading the account ends it", async () => {
      await open();
      const { broker } = await start();
      broker.heard(true);
      await world.clock.advance(5_001);
      broker.heard(false);
      await expect(broker.submit(world.approver.approve(world.order()))).rejects.toMatchObject({ code: "RISK_SILENT" });
      const exit = world.order({ side: "sell", reduceOnly: true });
      expect(await broker.submit(world.approver.approve(exit))).toMatchObject({ state: "Filled" });
      broker.heard(true);
      expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
    });

    test("working entries are cancelled after a minute where the exchange has no dead-man switch", async () => {
      await open("binance");
      const { broker } = await start();
      broker.heard(true);
      const order = world.order({ type: "limit", limit: "39000" });
      await broker.submit(world.approver.approve(order));
      await world.clock.advance(59_000);
      await broker.sweep();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Working" });
      await world.clock.advance(2_000);
      await broker.sweep();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Cancelled" });
    });

    test("the exchange's own switch is kept while orders wait, and ends them when the broker is gone", async () => {
      await open("okx");
      const first = await start();
      first.broker.heard(true);
      const order = world.order({ type: "limit", limit: "39000" });
      await first.broker.submit(world.approver.approve(order));
      for (let round = 0; round < 5; round += 1) {
        await world.clock.advance(21_000);
        first.broker.heard(true);
        await first.broker.sweep();
      }
      expect(await first.broker.find(order.clientOrderId)).toMatchObject({ state: "Working" });
      await world.end(running.pop()!);
      await world.clock.advance(61_000);
      world.venue.exchange.tick();
      expect(world.venue.exchange.openOrders("local-1")).toEqual([]);
      const { broker } = await start();
      expect(await broker.find(order.clientOrderId)).toMatchObject({ state: "Cancelled" });
      // Nothing waits any more: the switch is off.
      await broker.sweep();
      expect(world.venue.exchange.deadlines.size).toBe(0);
    });
  });

  test.each(["binance", "okx"] as const)(
    "news of %s over WebSocket spare the wait; muted or cut off, asking finds the same",
    async (dialect) => {
      await open(dialect);
      const { broker } = await start({ news: true });
      const stateOf = async (id: string): Promise<string> => (await broker.find(id)).state;
      await expect.poll(() => world.venue.listeners, { timeout: 20_000 }).toBe(1);
      const first = world.order({ type: "limit", limit: "39500" });
      await broker.submit(world.approver.approve(first));
      world.price("39400");
      await expect
        .poll(async () => (await world.clock.advance(0), stateOf(first.clientOrderId)), { timeout: 20_000 })
        .toBe("Filled");
      world.venue.muteStream(true);
      const second = world.order({ type: "limit", limit: "39000" });
      await broker.submit(world.approver.approve(second));
      world.price("38900");
      await broker.sweep();
      expect(await stateOf(second.clientOrderId)).toBe("Filled");
      world.venue.muteStream(false);
      world.venue.restart();
      await expect.poll(() => world.venue.listeners, { timeout: 20_000 }).toBe(0);
      await expect.poll(async () => (await world.clock.advance(100), world.venue.listeners), { timeout: 20_000 }).toBe(1);
      await world.verify();
    },
  );

  test("fees taken from a third asset are recorded in it, and every balance adds up", async () => {
    await open("binance", {
      feeAsset: { asset: "BNB", price: "600" },
      balances: { "local-1": { ...startingBalances, BNB: "1" } },
    });
    const { broker } = await start();
    expect(await broker.submit(world.approver.approve(world.order()))).toMatchObject({ state: "Filled" });
    expect(await world.rows("select fee_asset, fee::text from broker.fills")).toEqual([
      { fee_asset: "BNB", fee: "0.000666660000000000" },
    ]);
    await world.verify({ BNB: "1" });
  });
});
