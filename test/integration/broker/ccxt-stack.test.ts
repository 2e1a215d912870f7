import type { DecisionReply, DecisionRequest } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failPointNames } from "../../../runtimes/broker/src/fail-points.ts";
import { isLongForm } from "../../suites/long-form.ts";
import { ExchangeProcess } from "../../venues/exchange/process.ts";
import { buy, decisionOf } from "../order-path/decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { Stack, eventually } from "../order-path/stack.ts";

/*
 * Risk, broker, Postgres and the exchange, each a process. One real kill (SIGKILL) at each named point an order passes, and one of the exchange
 * itself. Afterwards the exchange has at most one order for each intent, and journal and venue agree.
 */

const missing = postgresMissing();
/** Every other one: test/integration/order-path/fail-points.test.ts kills at those between. */
const points = failPointNames
  .filter((name) => !name.includes("tombstone") && !name.includes("signed"))
  .filter((_, index) => isLongForm || index % 2 === 1);

describe.skipIf(missing !== undefined)(`a live account and kills of its processes ${missing ?? ""}`, { timeout: 300_000 }, () => {
  const exchange = new ExchangeProcess();
  let postgres: TestPostgres;
  let stack: Stack;
  const sql = (text: string): Promise<Record<string, unknown>[]> => rowsOf(postgres.superuserDsn, text);

  beforeAll(async () => {
    postgres = await startPostgres();
    await exchange.start();
    const { url: baseUrl, credentialsDirectory } = exchange;
    stack = await Stack.start({ postgres, live: { exchange: "binance", baseUrl, credentialsDirectory } });
    await stack.admit("alpha", { shareRatio: "0.9" });
  });
  afterAll(async () => {
    await stack.stop();
    await exchange.remove();
    postgres.remove();
  });

  async function ready(): Promise<DecisionRequest> {
    const snapshot = await eventually(
      () => stack.snapshot("alpha"),
      ({ trading, orders }) => trading.allowed && orders.length === 0,
      60_000,
    );
    const price = await eventually(
      () => stack.price("alpha"),
      () => true,
      60_000,
    );
    return decisionOf(snapshot, { intents: [buy(price, { size: { quantity: "0.001" } })] });
  }

  const decided = (request: DecisionRequest): Promise<DecisionReply> =>
    eventually(
      () => stack.decide(request),
      () => true,
      60_000,
    );

  /** The broker has taken the account over and the exchange answers it. */
  const brokerUp = (): Promise<unknown> =>
    eventually(
      () => stack.health("broker"),
      ({ ok }) => ok,
      60_000,
    );

  async function settled(): Promise<void> {
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders, account, trading }) => orders.length === 0 && account.reserved === "0" && trading.allowed,
      90_000,
    );
  }

  test.each(points.map((point) => ({ point })))(
    "the broker dies at $point: one order at the exchange, or none",
    async ({ point }) => {
      await stack.kill("broker");
      stack.launch("broker", point);
      await brokerUp();
      for (let attempt = 1; ; attempt += 1) {
        const request = await ready();
        expect((await decided(request)).results[0]?.verdict).toEqual({ allowed: true });
        const died = await stack.ended("broker", 8_000).then(
          () => true,
          (error: unknown) => (attempt < 4 ? false : Promise.reject(error)),
        );
        if (died) break;
      }
      stack.launch("broker");
      await settled();
    },
  );

  test("the exchange dies and comes back: what it has is found again, and trading goes on by itself", async () => {
    await brokerUp();
    const request = await ready();
    await decided(request);
    await exchange.kill();
    await eventually(
      () => stack.health("broker"),
      ({ dependencies = [] }) => dependencies.some(({ name, ok }) => name === "feed" && !ok),
      60_000,
    );
    await exchange.start();
    await settled();
    expect((await decided(await ready())).results[0]?.verdict).toEqual({ allowed: true });
    await settled();
  });

  test("after all of it: one placement for each order, and journal and venue agree to the last digit", async () => {
    const { placements, balances } = await exchange.state();
    expect(Object.values(placements).filter((count) => count > 1)).toEqual([]);
    const sent = await sql("select client_order_id as id from broker.orders where state not in ('NotSent', 'Rejected')");
    expect(new Set(Object.keys(placements))).toEqual(new Set(sent.map(({ id }) => id)));
    const [fold] = await sql(
      `select trim_scale(100000 - sum(quantity * price))::text as quote, trim_scale(sum(quantity - fee))::text as base from broker.fills`,
    );
    const free = new Map(balances["local-1"]?.map(({ asset, free: amount }) => [asset, amount]));
    expect({ quote: free.get("USDT"), base: free.get("BTC") }).toEqual(fold);
    const portfolio = await eventually(
      () => stack.portfolio(),
      ({ accounts }) => accounts[0]?.lastReconciledTime !== undefined,
      60_000,
    );
    expect(portfolio.accounts[0]?.drift).toEqual([]);
  });
});
