import { rmSync } from "node:fs";
import type { DecisionReply, DecisionRequest } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failPointNames as brokerPoints } from "../../../runtimes/broker/src/fail-points.ts";
import { failPointNames as riskPoints } from "../../../runtimes/risk/src/fail-points.ts";
import { isLongForm } from "../../suites/long-form.ts";
import { buy, decisionOf } from "./decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { Stack, eventually } from "./stack.ts";

/*
 * One real kill (SIGKILL) at each named point of the order path, in risk and in the broker. Each time the process comes back, the agent repeats its
 * decision, and afterwards there is one order per intent, every order has ended, nothing is reserved, and journal and venue agree.
 */

const missing = postgresMissing();
/** Points that only a void passes; a lost submission leads there. */
const tombstonePoints = new Set<string>(["before-tombstone", "after-tombstone"]);
/** Points of a wallet's way, which no paper account passes: test/integration/broker/solana-process.test.ts kills there. */
const walletPoints = new Set<string>(["after-signed-stored"]);
/** Every other one: test/integration/broker/ccxt-stack.test.ts kills at those between. */
const paperPoints = brokerPoints
  .filter((point) => !tombstonePoints.has(point) && !walletPoints.has(point))
  .filter((_, index) => isLongForm || index % 2 === 0);

describe.skipIf(missing !== undefined)(`a kill at each named point of the order path ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let stack: Stack;
  const sql = (text: string): Promise<Record<string, unknown>[]> => rowsOf(postgres.superuserDsn, text);

  beforeAll(async () => {
    postgres = await startPostgres();
    stack = await Stack.start({ postgres, speed: 1200 });
    await stack.admit("alpha", { shareRatio: "0.9" });
  });
  afterAll(async () => {
    await stack.stop();
    postgres.remove();
  });

  /** A small buy, decided until it is stored; returns the answer. */
  async function decideUntilStored(request: DecisionRequest): Promise<DecisionReply> {
    return eventually(
      () => stack.decide(request),
      () => true,
      30_000,
    );
  }

  async function ready(): Promise<DecisionRequest> {
    const snapshot = await eventually(
      () => stack.snapshot("alpha"),
      ({ trading, orders }) => trading.allowed && orders.length === 0,
      30_000,
    );
    return decisionOf(snapshot, { intents: [buy(await stack.price("alpha"), { size: { quantity: "0.001" } })] });
  }

  /** Decides until the broker dies of it: on a busy machine an approval's second may be over before the broker has looked at it. */
  async function decideUntilDead(): Promise<DecisionRequest> {
    for (let attempt = 1; ; attempt++) {
      const request = await ready();
      expect((await decideUntilStored(request)).results[0]?.verdict).toEqual({ allowed: true });
      if (
        await stack.ended("broker", 5_000).then(
          () => true,
          (error: unknown) => (attempt < 4 ? false : Promise.reject(error)),
        )
      )
        return request;
    }
  }

  async function settled(): Promise<void> {
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders, account, trading }) => orders.length === 0 && account.reserved === "0" && trading.allowed,
      30_000,
    );
    const [open] = await eventually(
      () => sql("select count(*)::int as count from risk.orders where released_at is null"),
      ([row]) => row?.["count"] === 0,
      30_000,
    );
    expect(open).toEqual({ count: 0 });
  }

  test.each(riskPoints.map((point) => ({ point })))("risk dies at $point: decided once, sent at most once", async ({ point }) => {
    await stack.kill("risk");
    stack.launch("risk", point);
    const request = await ready();
    // The process dies under this call.
    await expect(stack.decide(request)).rejects.toThrow();
    await stack.ended("risk");
    stack.launch("risk");
    const reply = await decideUntilStored(request);
    expect(reply.stored).toBe(point === "before-journal-commit" ? "new" : "repeated");
    expect(reply.results[0]?.verdict).toEqual({ allowed: true });
    await settled();

    const id = reply.results[0]?.clientOrderId ?? "";
    const [order] = await sql(`select state from risk.orders where client_order_id = '${id}'`);
    const reached = point !== "after-journal-commit" && point !== "before-send";
    expect(order).toEqual({ state: reached ? "Filled" : "NotSent" });
  });

  test.each(paperPoints.map((point) => ({ point })))(
    "the broker dies at $point: the order ends as the venue says",
    async ({ point }) => {
      await stack.kill("broker");
      stack.launch("broker", point);
      await stack.up("broker");
      const request = await decideUntilDead();
      stack.launch("broker");
      expect(await decideUntilStored(request)).toMatchObject({ stored: "repeated" });
      await settled();
    },
  );

  test.each([...tombstonePoints].map((point) => ({ point })))(
    "the broker dies at $point: the void is asked for again",
    async ({ point }) => {
      await stack.kill("broker");
      stack.launch("broker", point);
      await stack.kill("risk");
      // Each point fires once in the life of its directory; this one has fired in a test above.
      rmSync(`${stack.directory}/fail-point-before-send`, { force: true });
      stack.launch("risk", "before-send");
      await stack.up("broker");
      const request = await ready();
      await stack.decide(request).catch(() => undefined);
      await stack.ended("risk");
      stack.launch("risk");
      await stack.ended("broker");
      stack.launch("broker");
      const reply = await decideUntilStored(request);
      await settled();
      const id = reply.results[0]?.clientOrderId ?? "";
      expect(await sql(`select state from broker.orders where client_order_id = '${id}'`)).toEqual([{ state: "NotSent" }]);
    },
  );

  test("after all of it: one placement per order, no bar decided twice, journal and venue agree", async () => {
    await stack.kill("broker");
    stack.launch("broker");
    await stack.up("broker");
    await settled();
    const venue = stack.venueOnDisk();
    const sent = await sql("select client_order_id as id from broker.orders where state not in ('NotSent', 'Rejected')");
    expect(venue.placements).toBe(sent.length);
    expect(new Set(venue.clientOrderIds)).toEqual(new Set(sent.map(({ id }) => id)));

    const perIntent = await sql("select intent_id from risk.orders group by intent_id having count(*) > 1");
    expect(perIntent).toEqual([]);
    const twice = await sql(
      "select decision_time_ms from risk.decisions group by strategy_uid, decision_time_ms having count(*) > 1",
    );
    expect(twice).toEqual([]);
    const overfilled = await sql(
      "select o.client_order_id from risk.orders o join broker.fills f using (client_order_id) group by o.client_order_id, o.quantity having sum(f.quantity) > o.quantity",
    );
    expect(overfilled).toEqual([]);
    await stack.kill("risk");
    stack.launch("risk");
    const portfolio = await eventually(
      () => stack.portfolio(),
      ({ accounts }) => accounts[0]?.lastReconciledTime !== undefined,
      30_000,
    );
    expect(portfolio.accounts[0]?.drift).toEqual([]);
  });
});
