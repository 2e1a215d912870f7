import { describe, expect, test } from "vitest";
import { finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { svmMissing } from "../../venues/solana/svm-missing.ts";
import { postgresMissing } from "../order-path/postgres.ts";
import { SolanaBench } from "./solana-fixture.ts";

const missing = postgresMissing() ?? svmMissing();

describe.skipIf(missing !== undefined)("what became of a Solana wallet's orders", { timeout: 180_000 }, () => {
  const bench = new SolanaBench();

  describe("resolves what it does not know", () => {
    test.each([
      { when: "every reply is lost", faults: { loseReplies: 3 } },
      { when: "nobody passes the first bytes on", faults: { swallowSends: true } },
      { when: "nobody answers afterwards", faults: { unavailable: true } },
    ])("when $when, the order is filled once", async ({ faults }) => {
      const world = await bench.open();
      const running = await bench.start();
      const order = world.order(1);
      world.solana.chain.censoring = true;
      const sent = bench.submit(order);
      if (!("unavailable" in faults)) for (const endpoint of world.solana.endpoints.values()) endpoint.change(faults);
      await sent;
      if ("unavailable" in faults) for (const endpoint of world.solana.endpoints.values()) endpoint.change(faults);
      await world.pass(running);
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ swallowSends: false, unavailable: false });
      world.solana.chain.censoring = false;
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(running);
    });

    test("one that lands in the last block it may land in is filled, and no second one was signed", async () => {
      const world = await bench.open();
      const running = await bench.start();
      world.solana.chain.hold("last-moment");
      const order = world.order(1);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(running);
    });

    test("one that never lands ends only when two sources have finalized past it; a new attempt needs a new approval and is the only one to land", async () => {
      const world = await bench.open();
      const running = await bench.start();
      world.solana.chain.censoring = true;
      const order = world.order(1);
      await bench.submit(order);
      const again = finalOrderOf(1, { ...order, attempt: 2, clientOrderId: world.secondAttempt(order) });
      await expect(bench.submit(again)).rejects.toMatchObject({ code: "INTENT_ALREADY_PLACED" });
      // One source stops: the other one alone proves nothing.
      world.solana.endpoint("b").change({ frozen: true });
      const { height } = world.solana.chain.tip;
      await world.until(running, () => world.solana.chain.tip.height > height + 250);
      expect(await bench.found(order.clientOrderId)).toMatchObject({ state: "Working" });
      world.solana.endpoint("b").change({ frozen: false });
      await bench.settled(order.clientOrderId, "Rejected");
      expect((await bench.found(order.clientOrderId))?.reason).toMatch(/^NEVER_LANDED: rpc-1 and rpc-2 have finalized past/);
      world.solana.chain.censoring = false;
      await bench.submit(again);
      await bench.settled(again.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(running);
    });

    test("a source that has lost its history does not prove that nothing landed while another has seen it", async () => {
      const world = await bench.open();
      const running = await bench.start();
      world.solana.endpoint("b").change({ blind: true });
      const order = world.order(1);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      await world.balancesAgree(running);
    });

    test("a fork that drops a confirmed swap takes no fill back: there was none, and the same bytes land again", async () => {
      const world = await bench.open();
      const running = await bench.start();
      const order = world.order(1);
      // The fork comes when the transaction is confirmed.
      const signedAt = world.solana.chain.tip.height;
      await bench.submit(order);
      world.solana.chain.advance(6);
      expect(world.landings).toBe(1);
      await running.broker.sweep();
      expect(await bench.found(order.clientOrderId)).toMatchObject({ state: "Working", filledQuantity: "0" });
      expect(world.solana.chain.fork(world.solana.chain.tip.height - signedAt)).toHaveLength(1);
      expect(world.landings).toBe(0);
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      expect(await world.rows("select count(*)::int as n from broker.fills")).toEqual([{ n: 1 }]);
      await world.balancesAgree(running);
    });

    test("one that fails on chain is rejected, and its fee is charged", async () => {
      const world = await bench.open();
      const running = await bench.start();
      world.solana.chain.hold(40);
      const order = world.order(1, { side: "buy", quantity: "5", maxCost: "600" });
      await bench.submit(order);
      // Somebody else spends the money before it lands.
      await world.solana.fund(world.wallet, { usdc: 1_000_000n });
      await bench.settled(order.clientOrderId, "Rejected");
      expect((await bench.found(order.clientOrderId))?.reason).toMatch(/^TRANSACTION_FAILED/);
      expect(await world.rows("select asset, amount::text, reason from broker.charges")).toEqual([
        { asset: "SOL", amount: "0.000010000000000000", reason: "failed-fee" },
      ]);
      await world.pass(running, 2);
      expect((await running.broker.account()).balances[0]?.free).toBe("9.99999");
    });
  });

  describe("survives its own end", () => {
    test.each([
      { point: "after-about-to-send", ends: "NotSent", landings: 0 },
      { point: "before-venue-send", ends: "NotSent", landings: 0 },
      { point: "after-signed-stored", ends: "Filled", landings: 1 },
      { point: "after-venue-reply", ends: "Filled", landings: 1 },
      { point: "before-journal-fill", ends: "Filled", landings: 1 },
    ] as const)("killed at $point the order is $ends", async ({ point, ends, landings }) => {
      const world = await bench.open();
      const crashed = await world.start(point);
      const order = world.order(1);
      await world.submit(crashed, order).catch(() => undefined);
      if (point === "before-journal-fill") await world.until(crashed, () => crashed.failPoints.crashed);
      expect(crashed.failPoints.crashed).toBe(true);
      await world.end(crashed);
      const running = await bench.start();
      await bench.settled(order.clientOrderId, ends);
      expect(world.landings).toBe(landings);
      await world.balancesAgree(running);
    });

    test("bytes that only the send log remembers are asked about, not signed again", async () => {
      const world = await bench.open();
      world.solana.chain.hold(100);
      const first = await world.start();
      const order = world.order(1);
      await world.submit(first, order);
      await world.end(first);
      // Postgres comes back from a copy made before.
      await world.rows("delete from broker.nonces");
      await world.rows("delete from broker.solana_transactions");
      await world.rows("delete from broker.orders");
      const running = await bench.start();
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(running);
    });
  });

  describe("judges its sources", () => {
    test("slots that stand still everywhere pause trading although health says ok, and it resumes by itself", async () => {
      const world = await bench.open();
      const running = await bench.start();
      expect((await running.broker.account()).venue).toMatchObject({ accepts: "all" });
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ frozen: true });
      await world.pass(running, 7);
      expect((await running.broker.account()).venue).toMatchObject({ accepts: "none", code: "VENUE_STALE" });
      await expect(bench.submit(world.order(1))).rejects.toMatchObject({ code: "VENUE_STALE" });
      expect(await world.rows("select 1 from broker.orders")).toEqual([]);
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ frozen: false });
      await world.pass(running);
      expect((await running.broker.account()).venue).toMatchObject({ accepts: "all" });
      const order = world.order(2);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
    });

    test("one that stands still, is of another cluster or is down is left out, and the other one serves", async () => {
      const world = await bench.open({ chain: { endpoints: ["a", "b", "c", "d"] } });
      world.solana.endpoint("b").change({ frozen: true });
      world.solana.endpoint("c").change({ genesisHash: world.solana.swaps.maker });
      world.solana.endpoint("d").change({ down: true });
      const running = await bench.start();
      await world.pass(running, 7);
      expect((await running.broker.account()).venue?.message).toMatch(
        /rpc-1 is at slot \d+; rpc-2 stands still .*; rpc-3 is of another cluster.*; rpc-4 has not answered/,
      );
      const order = world.order(1);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.solana.endpoint("c").calls.filter((call) => call.startsWith("sendTransaction"))).toEqual([]);
    });

    test("an RPC of another cluster stops the account with a message that names no address", async () => {
      await bench.open({ account: { genesisHash: "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d" } });
      const running = await bench.start();
      const { venue } = await running.broker.account().catch(() => ({ venue: running.broker.venue.health() }));
      expect(venue).toMatchObject({
        accepts: "none",
        code: "CLUSTER_WRONG",
        message: expect.stringContaining("RpcOfAnotherCluster") as string,
      });
      expect(venue?.message).not.toContain("127.0.0.1");
    });
  });
});
