import type { DecisionReply } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { restorePostgres } from "../../../runtimes/checkpoint/src/restore-postgres/restore.ts";
import { buy, decisionOf } from "../order-path/decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf } from "../order-path/postgres.ts";
import { Stack, eventually } from "../order-path/stack.ts";
import { capture, migrateOne, restoring, startJournalServer } from "./database-fixture.ts";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";

const missing = postgresMissing();
const patienceMs = 30_000;

/*
 * What a restore promises, held against real processes: a journal from before is put back under risk and broker, whose venue and send log have gone on.
 */
describe.skipIf(missing !== undefined)(`trading on a restored journal ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let stack: Stack;
  const sql = (text: string): Promise<Record<string, unknown>[]> => rowsOf(postgres.superuserDsn, text);

  beforeAll(async () => {
    postgres = await startJournalServer();
    await migrateOne(postgres.gatewayDsn, gatewaySchema);
    stack = await Stack.start({ postgres, speed: 1200 });
    await stack.admit("alpha", { shareRatio: "0.5" });
  });
  afterAll(async () => {
    await stack.stop();
    postgres.remove();
  });

  async function decide(): Promise<DecisionReply> {
    const snapshot = await settled();
    const intent = buy(await stack.price("alpha"), { size: { quantity: "0.001" } });
    return stack.decide(decisionOf(snapshot, { intents: [intent] }));
  }

  function settled() {
    return eventually(
      () => stack.snapshot("alpha"),
      ({ orders, account, trading }) => orders.length === 0 && account.reserved === "0" && trading.allowed,
      patienceMs,
    );
  }

  async function brokerState(id: string): Promise<unknown> {
    const [row] = await sql(`select state from broker.orders where client_order_id = '${id}'`);
    return row?.["state"];
  }

  test("what was approved and not sent is never sent, what was sent afterwards comes back from the send log, and the account agrees with its venue", async () => {
    await decide();
    await settled();
    // Approved, and not sent: risk dies between the two.
    await stack.kill("risk");
    stack.launch("risk", "after-journal-commit");
    await expect(decide()).rejects.toThrow();
    await stack.ended("risk");
    const [{ id: unsent } = {}] = await sql("select client_order_id as id from risk.orders where released_at is null");
    const snapshot = await capture(postgres.superuserDsn);

    stack.launch("risk");
    const later = (await decide()).results[0]?.clientOrderId ?? "";
    await settled();
    expect(await brokerState(later)).toBe("Filled");
    const [{ epoch: issued } = {}] = await sql("select max(epoch)::int as epoch from risk.writer_epochs");

    // Both go on meanwhile: the restore ends their connections, and what they would write is refused.
    await restorePostgres(restoring(postgres, snapshot));
    await stack.kill("risk");
    await stack.kill("broker");
    expect(await brokerState(String(unsent))).toBeUndefined();
    expect(await brokerState(later)).toBeUndefined();
    stack.launch("broker");
    stack.launch("risk");

    await settled();
    expect(await brokerState(String(unsent))).toBe("NotSent");
    expect(await sql(`select from broker.fills where client_order_id = '${String(unsent)}'`)).toEqual([]);
    await eventually(
      () => brokerState(later),
      (state) => state === "Filled",
      patienceMs,
    );
    await eventually(
      () => stack.portfolio(),
      ({ accounts: [account] }) => account?.ready === true && account.drift.length === 0,
      patienceMs,
    );
    const [{ epoch: taken } = {}] = await sql("select max(epoch)::int as epoch from risk.writer_epochs");
    expect(Number(taken)).toBeGreaterThan(Number(issued));
    const { results } = await decide();
    await settled();
    expect(await brokerState(results[0]?.clientOrderId ?? "")).toBe("Filled");
  });
});
