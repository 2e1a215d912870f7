import { address } from "@solana/kit";
import { describe, expect, test } from "vitest";
import { svmMissing } from "../../venues/solana/svm-missing.ts";
import type { SwapFault } from "../../venues/solana/swap-market.ts";
import { postgresMissing } from "../order-path/postgres.ts";
import { SolanaBench } from "./solana-fixture.ts";

const missing = postgresMissing() ?? svmMissing();

describe.skipIf(missing !== undefined)("a Solana wallet on a real SVM and a real Postgres", { timeout: 180_000 }, () => {
  const bench = new SolanaBench();

  describe("moves money", () => {
    test("sells SOL for USDC: signed, landed, finalized, and every lamport accounted for", async () => {
      const world = await bench.open();
      const running = await bench.start();
      const order = world.order(1);
      expect(await bench.submit(order)).toMatchObject({ state: "Working", filledQuantity: "0" });
      await bench.settled(order.clientOrderId, "Filled");
      expect(await world.rows("select quantity::text, price::text, fee::text, fee_asset from broker.fills")).toEqual([
        { quantity: "1.000000000000000000", price: "99.651594000000000000", fee: "0.000010000000000000", fee_asset: "SOL" },
      ]);
      await world.balancesAgree(running);
    });

    test("buys to the lamport at most at its cost, in fills whose price is exact, and pays the percentile of recent priority fees", async () => {
      const world = await bench.open();
      world.solana.endpoint("a").change({ priorityFees: [1, 5_000, 100_000, 7_000, 6_000] });
      world.solana.endpoint("b").change({ priorityFees: [1, 5_000, 100_000, 7_000, 6_000] });
      const running = await bench.start();
      const order = world.order(1, { side: "buy", quantity: "0.333333333", maxCost: "34" });
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      expect(await bench.found(order.clientOrderId)).toMatchObject({ filledQuantity: "0.333333333" });
      const [row] = await world.rows("select fee_lamports::int as fee from broker.solana_transactions");
      // Two signatures, and 60,000 units at 7,000 micro-lamports.
      expect(row).toEqual({ fee: 10_420 });
      // The whole price is told, and what the day has cost, in the quote currency at 100 a SOL.
      await world.pass(running, 6);
      expect((await running.broker.account()).fees).toEqual({
        priorityFeeMicroLamports: 7_000,
        feeLamports: 6_400,
        fee: "0.00064",
        paidToday: "0.001042",
      });
      await world.balancesAgree(running);
    });

    test("what a swap costs is asked of the accounts that swaps write to: the wallet's own tell of no competition", async () => {
      const world = await bench.open();
      const faults = { priorityFees: [7_000, 7_000, 7_000], contended: address(world.makerUsdc) };
      for (const endpoint of world.solana.endpoints.values()) endpoint.change(faults);
      const running = await bench.start();
      expect((await running.broker.account()).fees).toMatchObject({ priorityFeeMicroLamports: 0 });
      const order = world.order(1);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      await world.pass(running, 6);
      expect((await running.broker.account()).fees).toMatchObject({ priorityFeeMicroLamports: 7_000 });
      const next = world.order(2);
      await bench.submit(next);
      await bench.settled(next.clientOrderId, "Filled");
      // Two signatures; the second swap pays for 60,000 units as well.
      const rows = await world.rows("select fee_lamports::int as fee from broker.solana_transactions order by stored_at_ms");
      expect(rows).toEqual([{ fee: 10_000 }, { fee: 10_420 }]);
      await world.balancesAgree(running);
    });

    test("many orders at once: each is judged by its own effect, and all of them add up", async () => {
      const world = await bench.open();
      const running = await bench.start();
      const orders = Array.from({ length: 12 }, (_, ordinal) =>
        world.order(ordinal, ordinal % 2 === 0 ? { quantity: "0.01" } : { side: "buy", quantity: "0.01", maxCost: "2" }),
      );
      for (const order of orders) {
        expect(await bench.submit(order)).toMatchObject({ state: "Working" });
        // Two swaps of one size on one blockhash are one transaction.
        world.solana.chain.advance();
      }
      for (const order of orders) await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(orders.length);
      await world.balancesAgree(running);
    });

    test("opens the token account it needs, and counts the rent", async () => {
      const world = await bench.open();
      const { solana } = world;
      const [empty] = solana.chain.tokenAccounts(world.wallet);
      solana.chain.setAccount({ ...empty!, lamports: 0n as never, data: new Uint8Array() });
      const running = await bench.start();
      const order = world.order(1);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      expect(await world.rows("select fee::text from broker.fills")).toEqual([{ fee: "0.002049280000000000" }]);
      // The account that was emptied above held 1,000 USDC.
      const [sol, usdc] = (await running.broker.account()).balances;
      expect([sol?.free, usdc?.free]).toEqual(["8.99795072", "99.651594"]);
    });

    test("reads accounts out of a lookup table as the chain does, and not as the proposer says", async () => {
      const world = await bench.open();
      const running = await bench.start();
      const { solana } = world;
      const entries = [address(world.makerUsdc), solana.usdc.mint];
      solana.swaps.lookupTable = { address: await solana.lookupTable(entries), entries };
      const bought = world.order(1, { side: "buy", maxCost: "110" });
      await bench.submit(bought);
      await bench.settled(bought.clientOrderId, "Filled");
      // The table on chain names a stranger's account where the proposer's instructions named the maker's.
      await solana.fund(solana.swaps.stranger, { usdc: 1n });
      const [stolen] = solana.chain.tokenAccounts(solana.swaps.stranger);
      await solana.lookupTable([stolen!.address, solana.usdc.mint]);
      const order = world.order(2, { side: "buy", maxCost: "110" });
      expect(await bench.submit(order)).toMatchObject({
        state: "Rejected",
        reason: expect.stringContaining("DESTINATION_UNKNOWN") as string,
      });
      await world.balancesAgree(running);
    });

    test("a transfer goes to a destination of the allow-list, once for its id, and stands in the charges", async () => {
      const world = await bench.open();
      const running = await bench.start();
      const { venue } = running;
      const ended = async (id: string): Promise<void> => {
        await world.until(running, async () => (await venue.outcome(id))?.state === "Finalized");
        expect(await venue.outcome(id)).toMatchObject({ state: "Finalized" });
      };
      const request = { id: "transfer-1", asset: "SOL", amount: 2_000_000_001n, destination: world.solana.swaps.maker };
      expect(await venue.transfer({ ...request, timestampMs: world.clock.nowMs() })).toMatchObject({ accepted: true });
      expect(await venue.transfer({ ...request, timestampMs: world.clock.nowMs() })).toMatchObject({ accepted: true });
      await ended("transfer-1");
      const tokens = { id: "transfer-2", asset: "USDC", amount: 1n, destination: address(world.makerUsdc) };
      await venue.transfer({ ...tokens, timestampMs: world.clock.nowMs() });
      await ended("transfer-2");
      expect(world.landings).toBe(2);
      await world.balancesAgree(running);
      expect((await running.broker.account()).balances).toEqual([
        { asset: "SOL", free: "7.999989999", locked: "0" },
        { asset: "USDC", free: "999.999999", locked: "0" },
      ]);
      await expect(
        venue.transfer({
          ...request,
          id: "transfer-3",
          destination: world.solana.swaps.stranger,
          timestampMs: world.clock.nowMs(),
        }),
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
      const world = await bench.open();
      const running = await bench.start();
      for (const [ordinal, { fault, says }] of cases.entries()) {
        world.solana.swaps.fault(fault);
        const answer = await bench.submit(world.order(ordinal));
        expect(answer, fault).toMatchObject({ state: "Rejected", reason: expect.stringContaining(says) as string });
      }
      // A proposer that names too low a last height is not believed: the transaction is held to the chain's.
      world.solana.swaps.fault("early-expiry");
      const order = world.order(cases.length);
      await bench.submit(order);
      await bench.settled(order.clientOrderId, "Filled");
      expect(world.landings).toBe(1);
      expect(await world.rows("select count(*)::int as n from broker.solana_transactions")).toEqual([{ n: 1 }]);
      await world.balancesAgree(running);
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
      const world = await bench.open();
      await bench.start();
      expect(await bench.submit(world.order(1, change))).toMatchObject({
        state: "Rejected",
        reason: expect.stringContaining(says) as string,
      });
      expect(await world.rows("select 1 from broker.solana_transactions")).toEqual([]);
    });

    test("fees stop at the day's budget, and what never lands gives its part back", async () => {
      const world = await bench.open({ account: { fees: { dailyFeeLamports: 25_000 } } });
      await bench.start();
      const [first, second, third] = [world.order(1), world.order(2), world.order(3)];
      await bench.submit(first);
      await bench.settled(first.clientOrderId, "Filled");
      world.solana.chain.censoring = true;
      expect(await bench.submit(second)).toMatchObject({ state: "Working" });
      expect(await bench.submit(third)).toMatchObject({
        state: "Rejected",
        reason: expect.stringContaining("FEE_BUDGET") as string,
      });
      await bench.settled(second.clientOrderId, "Rejected");
      world.solana.chain.censoring = false;
      const fourth = world.order(4);
      await bench.submit(fourth);
      await bench.settled(fourth.clientOrderId, "Filled");
    });
  });
});
