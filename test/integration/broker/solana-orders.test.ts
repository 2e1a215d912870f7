import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { svmMissing } from "../../venues/solana/svm-missing.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { type RunningSolanaBroker, SolanaWorld } from "./solana-fixture.ts";

const missing = postgresMissing() ?? svmMissing();

describe.skipIf(missing !== undefined)("a Solana wallet on a real SVM and a real Postgres", () => {
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
  const settled = async (id: string, state: string): Promise<void> => {
    await expect.poll(async () => (await running?.broker.find(id))?.state, { interval: 20, timeout: 30_000 }).toBe(state);
  };

  test("sells SOL for USDC: signed, landed, finalized, and every lamport accounted for", async () => {
    await open();
    const { broker } = await start();
    const order = world.order(1);
    expect(await broker.submit(world.approver.approve(order))).toMatchObject({ state: "Working", filledQuantity: "0" });
    await settled(order.clientOrderId, "Filled");
    expect(await world.rows("select quantity::text, price::text, fee::text, fee_asset from broker.fills")).toEqual([
      { quantity: "1.000000000000000000", price: "99.651594000000000000", fee: "0.000010000000000000", fee_asset: "SOL" },
    ]);
    await world.balancesAgree(broker);
  });
});
