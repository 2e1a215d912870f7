import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BrokerOrder, FinalOrder } from "@bellwether/trading";
import { address } from "@solana/kit";
import { finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { svmMissing } from "../../venues/solana/svm-missing.ts";
import type { SwapFault } from "../../venues/solana/swap-market.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { type RunningSolanaBroker, SolanaWorld } from "./solana-fixture.ts";

const missing = postgresMissing() ?? svmMissing();

describe.skipIf(missing !== undefined)("a Solana wallet on a real SVM and a real Postgres", { timeout: 180_000 }, () => {
  let postgres: TestPostgres;
  let world: SolanaWorld;
  let running: RunningSolanaBroker | undefined;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  afterEach(async () => {
    if (running) await world.end(running);
    running = undefined;
    await world.remove();
  });

  const open = async (setup?: Parameters<typeof SolanaWorld.create>[1]): Promise<void> => {
    world = await SolanaWorld.create(postgres, setup);
  };
  const start = async (...args: Parameters<SolanaWorld["start"]>): Promise<RunningSolanaBroker> =>
    (running = await world.start(...args));
  const submit = (order: FinalOrder): Promise<BrokerOrder> => {
    if (!running) throw new Error("no broker runs");
    return world.submit(running, order);
  };
  const found = (id: string): Promise<BrokerOrder | undefined> => Promise.resolve(running?.broker.find(id));
  const settled = async (id: string, state: string): Promise<void> => {
    await expect.poll(async () => (await found(id))?.state, { interval: 20, timeout: 90_000 }).toBe(state);
  };

  describe("moves money", () => {
    test("sells SOL for USDC: signed, landed, finalized, and every lamport accounted for", async () => {
      await open();
      const { broker } = await start();
      const order = world.order(1);
      expect(await submit(order)).toMatchObject({ state: "Working", filledQuantity: "0" });
      await settled(order.clientOrderId, "Filled");
      expect(await world.rows("select quantity::text, price::text, fee::text, fee_asset from broker.fills")).toEqual([
        { quantity: "1.000000000000000000", price: "99.651594000000000000", fee: "0.000010000000000000", fee_asset: "SOL" },
      ]);
      await world.balancesAgree(broker);
    });

    test("buys to the lamport at most at its cost, in fills whose price is exact, and pays the percentile of recent priority fees", async () => {
      await open();
      world.solana.endpoint("a").change({ priorityFees: [1, 5_000, 100_000, 7_000, 6_000] });
      world.solana.endpoint("b").change({ priorityFees: [1, 5_000, 100_000, 7_000, 6_000] });
      const { broker } = await start();
      const order = world.order(1, { side: "buy", quantity: "0.333333333", maxCost: "34" });
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      expect(await found(order.clientOrderId)).toMatchObject({ filledQuantity: "0.333333333" });
      const [row] = await world.rows("select fee_lamports::int as fee from broker.solana_transactions");
      // Two signatures, and 60,000 units at 7,000 micro-lamports.
      expect(row).toEqual({ fee: 10_420 });
      // The whole price is told, and what the day has cost, in the quote currency at 100 a SOL.
      await expect
        .poll(async () => (await broker.account()).fees, { timeout: 20_000 })
        .toEqual({ priorityFeeMicroLamports: 7_000, feeLamports: 6_400, fee: "0.00064", paidToday: "0.001042" });
      await world.balancesAgree(broker);
    });

    test("many orders at once: each is judged by its own effect, and all of them add up", async () => {
      await open();
      const { broker } = await start();
      const orders = Array.from({ length: 12 }, (_, ordinal) =>
        world.order(ordinal, ordinal % 2 === 0 ? { quantity: "0.01" } : { side: "buy", quantity: "0.01", maxCost: "2" }),
      );
      for (const order of orders) expect(await submit(order)).toMatchObject({ state: "Working" });
      for (const order of orders) await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(orders.length);
      await world.balancesAgree(broker);
    });

    test("opens the token account it needs, and counts the rent", async () => {
      await open();
      const { solana } = world;
      const [empty] = solana.chain.tokenAccounts(world.wallet);
      solana.chain.setAccount({ ...empty!, lamports: 0n as never, data: new Uint8Array() });
      const { broker } = await start();
      const order = world.order(1);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      expect(await world.rows("select fee::text from broker.fills")).toEqual([{ fee: "0.002049280000000000" }]);
      // The account that was emptied above held 1,000 USDC.
      const [sol, usdc] = (await broker.account()).balances;
      expect([sol?.free, usdc?.free]).toEqual(["8.99795072", "99.651594"]);
    });

    test("reads accounts out of a lookup table as the chain does, and not as the proposer says", async () => {
      await open();
      const { broker } = await start();
      const { solana } = world;
      const entries = [address(world.makerUsdc), solana.usdc.mint];
      solana.swaps.lookupTable = { address: await solana.lookupTable(entries), entries };
      const bought = world.order(1, { side: "buy", maxCost: "110" });
      await submit(bought);
      await settled(bought.clientOrderId, "Filled");
      // The table on chain names a stranger's account where the proposer's instructions named the maker's.
      await solana.fund(solana.swaps.stranger, { usdc: 1n });
      const [stolen] = solana.chain.tokenAccounts(solana.swaps.stranger);
      await solana.lookupTable([stolen!.address, solana.usdc.mint]);
      const order = world.order(2, { side: "buy", maxCost: "110" });
      expect(await submit(order)).toMatchObject({
        state: "Rejected",
        reason: expect.stringContaining("DESTINATION_UNKNOWN") as string,
      });
      await world.balancesAgree(broker);
    });

    test("a transfer goes to a destination of the allow-list, once for its id, and stands in the charges", async () => {
      await open();
      const { venue, broker } = await start();
      const request = { id: "transfer-1", asset: "SOL", amount: 2_000_000_001n, destination: world.solana.swaps.maker };
      expect(await venue.transfer({ ...request, timestampMs: Date.now() })).toMatchObject({ accepted: true });
      expect(await venue.transfer({ ...request, timestampMs: Date.now() })).toMatchObject({ accepted: true });
      await expect.poll(async () => (await venue.outcome("transfer-1"))?.state, { timeout: 30_000 }).toBe("Finalized");
      const tokens = { id: "transfer-2", asset: "USDC", amount: 1n, destination: address(world.makerUsdc) };
      await venue.transfer({ ...tokens, timestampMs: Date.now() });
      await expect.poll(async () => (await venue.outcome("transfer-2"))?.state, { timeout: 30_000 }).toBe("Finalized");
      expect(world.landings).toBe(2);
      await world.balancesAgree(broker);
      expect((await broker.account()).balances).toEqual([
        { asset: "SOL", free: "7.999989999", locked: "0" },
        { asset: "USDC", free: "999.999999", locked: "0" },
      ]);
      await expect(
        venue.transfer({ ...request, id: "transfer-3", destination: world.solana.swaps.stranger, timestampMs: Date.now() }),
      ).rejects.toMatchObject({
        code: "TRANSACTION_REFUSED",
        message: expect.stringContaining("DESTINATION_UNKNOWN") as string,
      });
    });
  });

  describe("signs nothing but what the order approves", () => {
    const cases: { fault: SwapFault; says: string }[] = [
      { fault: "extra-transfer", says: "DESTINATION_UNKNOWN" },
      { fault: "token-transfer", says: "ASSET_NOT_APPROVED" },
      { fault: "delegate", says: "INSTRUCTION_FORBIDDEN" },
      { fault: "change-owner", says: "INSTRUCTION_FORBIDDEN" },
      { fault: "short-output", says: "OUTPUT_BELOW_MINIMUM" },
      { fault: "greedy-input", says: "INPUT_EXCEEDED" },
      { fault: "expensive", says: "FEE_EXCEEDED" },
      { fault: "unknown-program", says: "PROGRAM_NOT_ALLOWED" },
      { fault: "unavailable", says: "SWAP_REFUSED" },
    ];

    test("whatever the proposer puts into it: refused, told, and nothing of it is stored or leaves", async () => {
      await open();
      const { broker } = await start();
      for (const [ordinal, { fault, says }] of cases.entries()) {
        world.solana.swaps.fault(fault);
        const answer = await submit(world.order(ordinal));
        expect(answer, fault).toMatchObject({ state: "Rejected", reason: expect.stringContaining(says) as string });
      }
      // A proposer that names too low a last height is not believed: the transaction is held to the chain's.
      world.solana.swaps.fault("early-expiry");
      const order = world.order(cases.length);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      expect(await world.rows("select count(*)::int as n from broker.solana_transactions")).toEqual([{ n: 1 }]);
      await world.balancesAgree(broker);
    });

    test.each([
      { why: "a price beyond the last one", change: { side: "buy", quantity: "200", maxCost: "100000" }, says: "PRICE" },
      { why: "more than its cost", change: { side: "buy", quantity: "1", maxCost: "90" }, says: "PRICE" },
      { why: "a limit that is not met", change: { type: "limit", limit: "101", timeInForce: "IOC" }, says: "PRICE" },
      {
        why: "an order that would rest",
        change: { type: "limit", limit: "90", timeInForce: "GTC" },
        says: "ORDER_NOT_SUPPORTED",
      },
      { why: "a stop", change: { side: "buy", stopLoss: "90" }, says: "ORDER_NOT_SUPPORTED" },
      { why: "more than the wallet holds", change: { quantity: "11" }, says: "its simulation fails" },
    ] as const)("$why is refused", async ({ change, says }) => {
      await open();
      await start();
      expect(await submit(world.order(1, change))).toMatchObject({
        state: "Rejected",
        reason: expect.stringContaining(says) as string,
      });
      expect(await world.rows("select 1 from broker.solana_transactions")).toEqual([]);
    });

    test("fees stop at the day's budget, and what never lands gives its part back", async () => {
      await open({ account: { fees: { dailyFeeLamports: 25_000 } } });
      await start();
      const [first, second, third] = [world.order(1), world.order(2), world.order(3)];
      await submit(first);
      await settled(first.clientOrderId, "Filled");
      world.solana.chain.censoring = true;
      expect(await submit(second)).toMatchObject({ state: "Working" });
      expect(await submit(third)).toMatchObject({ state: "Rejected", reason: expect.stringContaining("FEE_BUDGET") as string });
      await settled(second.clientOrderId, "Rejected");
      world.solana.chain.censoring = false;
      const fourth = world.order(4);
      await submit(fourth);
      await settled(fourth.clientOrderId, "Filled");
    });
  });

  describe("resolves what it does not know", () => {
    test.each([
      { when: "every reply is lost", faults: { loseReplies: 3 } },
      { when: "nobody passes the first bytes on", faults: { swallowSends: true } },
      { when: "nobody answers afterwards", faults: { unavailable: true } },
    ])("when $when, the order is filled once", async ({ faults }) => {
      await open();
      const { broker } = await start();
      const order = world.order(1);
      world.solana.chain.censoring = true;
      const sent = submit(order);
      if (!("unavailable" in faults)) for (const endpoint of world.solana.endpoints.values()) endpoint.change(faults);
      await sent;
      if ("unavailable" in faults) for (const endpoint of world.solana.endpoints.values()) endpoint.change(faults);
      const { height } = world.solana.chain.tip;
      await expect.poll(() => world.solana.chain.tip.height, { timeout: 30_000 }).toBeGreaterThan(height + 20);
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ swallowSends: false, unavailable: false });
      world.solana.chain.censoring = false;
      await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(broker);
    });

    test("one that lands in the last block it may land in is filled, and no second one was signed", async () => {
      await open();
      const { broker } = await start();
      world.solana.chain.hold("last-moment");
      const order = world.order(1);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(broker);
    });

    test("one that never lands ends only when two sources have finalized past it; a new attempt needs a new approval and is the only one to land", async () => {
      await open();
      const { broker } = await start();
      world.solana.chain.censoring = true;
      const order = world.order(1);
      await submit(order);
      const again = finalOrderOf(1, { ...order, attempt: 2, clientOrderId: world.secondAttempt(order) });
      await expect(submit(again)).rejects.toMatchObject({ code: "INTENT_ALREADY_PLACED" });
      // One source stops: the other one alone proves nothing.
      world.solana.endpoint("b").change({ frozen: true });
      const { height } = world.solana.chain.tip;
      await expect.poll(() => world.solana.chain.tip.height, { timeout: 60_000 }).toBeGreaterThan(height + 250);
      expect(await found(order.clientOrderId)).toMatchObject({ state: "Working" });
      world.solana.endpoint("b").change({ frozen: false });
      await settled(order.clientOrderId, "Rejected");
      expect((await found(order.clientOrderId))?.reason).toMatch(/^NEVER_LANDED: rpc-1 and rpc-2 have finalized past/);
      world.solana.chain.censoring = false;
      await submit(again);
      await settled(again.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(broker);
    });

    test("a source that has lost its history does not prove that nothing landed while another has seen it", async () => {
      await open();
      const { broker } = await start();
      world.solana.endpoint("b").change({ blind: true });
      const order = world.order(1);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      await world.balancesAgree(broker);
    });

    test("a fork that drops a confirmed swap takes no fill back: there was none, and the same bytes land again", async () => {
      await open();
      // No slot passes by itself: the fork comes when the transaction is confirmed.
      world.solana.run(0);
      const { broker } = await start();
      const order = world.order(1);
      const signedAt = world.solana.chain.tip.height;
      await submit(order);
      world.solana.chain.advance(6);
      expect(world.landings).toBe(1);
      await broker.sweep();
      expect(await found(order.clientOrderId)).toMatchObject({ state: "Working", filledQuantity: "0" });
      expect(world.solana.chain.fork(world.solana.chain.tip.height - signedAt)).toHaveLength(1);
      expect(world.landings).toBe(0);
      world.solana.run(40);
      await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      expect(await world.rows("select count(*)::int as n from broker.fills")).toEqual([{ n: 1 }]);
      await world.balancesAgree(broker);
    });

    test("one that fails on chain is rejected, and its fee is charged", async () => {
      await open();
      const { broker } = await start();
      world.solana.chain.hold(40);
      const order = world.order(1, { side: "buy", quantity: "5", maxCost: "600" });
      await submit(order);
      // Somebody else spends the money before it lands.
      await world.solana.fund(world.wallet, { usdc: 1_000_000n });
      await settled(order.clientOrderId, "Rejected");
      expect((await found(order.clientOrderId))?.reason).toMatch(/^TRANSACTION_FAILED/);
      expect(await world.rows("select asset, amount::text, reason from broker.charges")).toEqual([
        { asset: "SOL", amount: "0.000010000000000000", reason: "failed-fee" },
      ]);
      await expect.poll(async () => (await broker.account()).balances[0]?.free, { timeout: 20_000 }).toBe("9.99999");
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
      await open();
      const crashed = await world.start(point);
      const order = world.order(1);
      await world.submit(crashed, order).catch(() => undefined);
      if (point === "before-journal-fill") await expect.poll(() => crashed.failPoints.crashed, { timeout: 30_000 }).toBe(true);
      await world.end(crashed);
      const { broker } = await start();
      await settled(order.clientOrderId, ends);
      expect(world.landings).toBe(landings);
      await world.balancesAgree(broker);
    });

    test("bytes that only the send log remembers are asked about, not signed again", async () => {
      await open();
      world.solana.chain.hold(100);
      const first = await world.start();
      const order = world.order(1);
      await world.submit(first, order);
      await world.end(first);
      // Postgres comes back from a copy made before.
      await world.rows("delete from broker.nonces");
      await world.rows("delete from broker.solana_transactions");
      await world.rows("delete from broker.orders");
      const { broker } = await start();
      await settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      await world.balancesAgree(broker);
    });
  });

  describe("judges its sources", () => {
    test("slots that stand still everywhere pause trading although health says ok, and it resumes by itself", async () => {
      await open();
      const { broker } = await start();
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ frozen: true });
      await expect.poll(async () => (await broker.account()).venue?.code, { interval: 50, timeout: 30_000 }).toBe("VENUE_STALE");
      await expect(submit(world.order(1))).rejects.toMatchObject({ code: "VENUE_STALE" });
      expect(await world.rows("select 1 from broker.orders")).toEqual([]);
      for (const endpoint of world.solana.endpoints.values()) endpoint.change({ frozen: false });
      await expect.poll(async () => (await broker.account()).venue?.accepts, { timeout: 30_000 }).toBe("all");
      const order = world.order(2);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
    });

    test("one that stands still, is of another cluster or is down is left out, and the other one serves", async () => {
      await open({ chain: { endpoints: ["a", "b", "c", "d"] } });
      world.solana.endpoint("b").change({ frozen: true });
      world.solana.endpoint("c").change({ genesisHash: world.solana.swaps.maker });
      world.solana.endpoint("d").change({ down: true });
      const { broker } = await start();
      await expect
        .poll(async () => (await broker.account()).venue?.message, { timeout: 30_000 })
        .toMatch(/rpc-1 is at slot \d+; rpc-2 stands still .*; rpc-3 is of another cluster.*; rpc-4 has not answered/);
      const order = world.order(1);
      await submit(order);
      await settled(order.clientOrderId, "Filled");
      expect(world.solana.endpoint("c").calls.filter((call) => call.startsWith("sendTransaction"))).toEqual([]);
    });

    test("an RPC of another cluster stops the account with a message that names no address", async () => {
      await open({ account: { genesisHash: "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d" } });
      const { broker } = await start();
      const { venue } = await broker.account().catch(() => ({ venue: broker.venue.health() }));
      expect(venue).toMatchObject({
        accepts: "none",
        code: "CLUSTER_WRONG",
        message: expect.stringContaining("RpcOfAnotherCluster") as string,
      });
      expect(venue?.message).not.toContain("127.0.0.1");
    });
  });
});
