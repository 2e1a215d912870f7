import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buy, codeOf, decisionOf } from "./decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { Stack, eventually } from "./stack.ts";

const missing = postgresMissing();

/** The queries of docs/journal.md, by the name in their first line. */
function documentedQuery(name: string): string {
  const text = readFileSync(new URL("../../../docs/journal.md", import.meta.url), "utf8");
  const block = text.split("```sql\n").find((part) => part.startsWith(`-- ${name}:`));
  if (!block) throw new Error(`docs/journal.md has no query ${name}`);
  return block.slice(0, block.indexOf("```"));
}

describe.skipIf(missing !== undefined)(`the order path, real processes on a real Postgres ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let stack: Stack;

  beforeAll(async () => {
    postgres = await startPostgres();
    stack = await Stack.start({ postgres });
    await stack.admit("alpha", { shareRatio: "0.5" });
  });
  afterAll(async () => {
    await stack.stop();
    postgres.remove();
  });

  const sql = (text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
    rowsOf(postgres.superuserDsn, text, values);

  test("a decision becomes one filled order; its retry gets the stored answer, another one on the same bar is refused", async () => {
    const snapshot = await stack.snapshot("alpha");
    const request = decisionOf(snapshot, { intents: [buy(await stack.price("alpha"))], state: '{"step":1}' });
    const reply = await stack.decide(request);
    expect(reply).toMatchObject({ stored: "new", results: [{ ordinal: 0, verdict: { allowed: true } }] });
    expect(await stack.decide(request)).toEqual({ ...reply, stored: "repeated" });
    await expect(stack.decide({ ...request, state: "{}" })).rejects.toSatisfy((error) => codeOf(error) === "ALREADY_DECIDED");
    await expect(stack.decide({ ...request, decisionTime: request.decisionTime - 1 })).rejects.toSatisfy(
      (error) => codeOf(error) === "ALREADY_DECIDED",
    );

    const after = await eventually(
      () => stack.snapshot("alpha"),
      ({ account, orders }) => account.positions.length === 1 && orders.length === 0,
    );
    expect(after).toMatchObject({ state: '{"step":1}', lastDecisionTime: request.decisionTime, account: { reserved: "0" } });
    const [{ clientOrderId } = {}] = reply.results;
    expect(await sql("select state from broker.orders where client_order_id = $1", [clientOrderId])).toEqual([
      { state: "Filled" },
    ]);
    expect(await sql("select count(*)::int as count from broker.orders")).toEqual([{ count: 1 }]);
  });

  test("the documented SQL gives the balances and the equity that risk reports", async () => {
    await eventually(
      async () => {
        const portfolio = await stack.portfolio();
        const [equity, balances] = [await sql(documentedQuery("equity")), await sql(documentedQuery("balances"))];
        return { portfolio, equity, balances };
      },
      ({ portfolio, equity, balances }) => {
        // Marks are written once a second: on a fast market the two are equal only where no bar came in between.
        const [strategy] = portfolio.strategies;
        const own = equity.find((row) => row["sub_account"] === "alpha");
        const cash = balances.find((row) => row["sub_account"] === "alpha" && row["asset"] === "USDT");
        const base = balances.find((row) => row["sub_account"] === "alpha" && row["asset"] === "BTC");
        const [position] = strategy?.account.positions ?? [];
        return (
          own?.["equity"] === strategy?.account.equity &&
          cash?.["balance"] === strategy?.account.cash &&
          base?.["balance"] === position?.quantity
        );
      },
    );
    expect((await stack.portfolio()).accounts[0]).toMatchObject({ ready: true, drift: [] });
  });

  test("only the registered ServiceAccount speaks for a strategy, and only the operator sees the portfolio", async () => {
    const snapshot = await stack.snapshot("alpha");
    const stranger = stack.agent("stranger");
    const { decisionReply, portfolioView } = await import("@bellwether/trading");
    await expect(stranger.post("/v1/intents", { schema: decisionReply, body: decisionOf(snapshot) })).rejects.toSatisfy(
      (error) => codeOf(error) === "NOT_THIS_STRATEGY",
    );
    await expect(stranger.get("/v1/portfolio", { schema: portfolioView })).rejects.toSatisfy(
      (error) => codeOf(error) === "FORBIDDEN",
    );
    const response = await fetch(`${stack.riskUrl}/v1/portfolio`);
    expect(response.status).toBe(401);
  });

  test("a limit order rests, is replaced by a new one and cancelled; reservations follow the venue", async () => {
    const snapshot = await stack.snapshot("alpha");
    const placed = await stack.decide(
      decisionOf(snapshot, { intents: [buy(await stack.price("alpha"), { size: { quantity: "0.1" }, limit: "1000" })] }),
    );
    const first = placed.results[0]?.clientOrderId ?? "";
    const working = await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders[0]?.state === "Working",
    );
    expect(working.account.reserved).toBe("100.1");

    const replacing = decisionOf(working, { replaces: [{ ordinal: 0, clientOrderId: first, limit: "900" }] });
    const replaced = await stack.decide(replacing);
    expect(replaced.results[0]?.verdict).toEqual({ allowed: true });
    expect(await stack.decide(replacing)).toMatchObject({ stored: "repeated", results: replaced.results });
    const second = replaced.results[0]?.clientOrderId ?? "";
    const moved = await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders.length === 1 && orders[0]?.order.clientOrderId === second && orders[0].state === "Working",
    );
    expect(moved.account.reserved).toBe("90.09");

    const cancelled = await stack.decide(
      decisionOf(moved, {
        cancels: [
          { ordinal: 0, clientOrderId: second },
          { ordinal: 1, clientOrderId: first },
        ],
      }),
    );
    expect(cancelled.results.map(({ verdict }) => verdict.reason)).toEqual([undefined, "ORDER_UNKNOWN"]);
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders, account }) => orders.length === 0 && account.reserved === "0",
    );
  });

  test("a limit lowered in the policy holds for the next verdict", async () => {
    stack.setPolicy({ limits: { maxOrderNotional: "10" } });
    await eventually(
      () => stack.portfolio(),
      ({ effectiveLimits }) => effectiveLimits["maxOrderNotional"] === "10",
    );
    const snapshot = await stack.snapshot("alpha");
    const reply = await stack.decide(decisionOf(snapshot, { intents: [buy(await stack.price("alpha"))] }));
    expect(reply.results[0]?.verdict).toMatchObject({ allowed: false, reason: "ORDER_NOTIONAL", numbers: { maximum: "10" } });
    stack.setPolicy({});
    await eventually(
      () => stack.portfolio(),
      ({ effectiveLimits }) => effectiveLimits["maxOrderNotional"] !== "10",
    );
  });

  test("a halt cancels working entries, denies new ones, and ends when the annotation goes", async () => {
    const snapshot = await stack.snapshot("alpha");
    await stack.decide(
      decisionOf(snapshot, { intents: [buy(await stack.price("alpha"), { size: { quantity: "0.1" }, limit: "1000" })] }),
    );
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders[0]?.state === "Working",
    );
    stack.setPolicy({ halt: "drill" });
    const halted = await eventually(
      () => stack.snapshot("alpha"),
      ({ trading, orders }) => !trading.allowed && orders.length === 0,
    );
    expect(halted.trading).toMatchObject({ reason: "PolicyHalted" });
    const denied = await stack.decide(decisionOf(halted, { intents: [buy(await stack.price("alpha"))] }));
    expect(denied.results[0]?.verdict).toMatchObject({ allowed: false, reason: "HALTED" });
    stack.setPolicy({});
    await eventually(
      () => stack.snapshot("alpha"),
      ({ trading }) => trading.allowed,
    );
  });

  test("with Postgres down nothing is sent and everybody is told; trading resumes by itself", async () => {
    const before = await stack.snapshot("alpha");
    const request = decisionOf(before, { intents: [buy(await stack.price("alpha"))] });
    postgres.kill();
    await expect(stack.decide(request)).rejects.toSatisfy((error) => codeOf(error) === "JOURNAL_UNAVAILABLE");
    const told = await eventually(
      () => stack.portfolio(),
      ({ strategies }) => strategies[0]?.trading.reason === "JournalUnavailable",
    );
    expect(told.accounts[0]).toMatchObject({ ready: false });
    expect((await stack.health("risk")).dependencies).toContainEqual(expect.objectContaining({ name: "postgres", ok: false }));
    postgres.start();
    await eventually(
      () => stack.snapshot("alpha"),
      ({ trading }) => trading.allowed,
    );
    const after = await stack.snapshot("alpha");
    expect(await stack.decide(decisionOf(after, { intents: [buy(await stack.price("alpha"))] }))).toMatchObject({
      results: [{ verdict: { allowed: true } }],
    });
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders.length === 0,
    );
  });

  test("a second strategy gets its share and no more than is left; a third is told why not", async () => {
    expect(await stack.register("beta", { shareRatio: "0.4" })).toMatchObject({ admitted: true });
    expect((await stack.snapshot("beta")).account.startingCapital).not.toBe("0");
    const refused = await stack.register("gamma", { shareRatio: "0.2" });
    expect(refused).toMatchObject({ admitted: false, message: expect.stringContaining("0.1") as string });
    expect(await stack.register("beta", { shareRatio: "0.4" })).toMatchObject({ admitted: true, run: 1 });
    expect(await sql("select count(*)::int as count from risk.transfers where kind = 'Admission'")).toEqual([{ count: 2 }]);
  });

  test("suspending cancels and denies; deleting with Keep hands everything to unassigned and settles", async () => {
    const start = await stack.snapshot("beta");
    await stack.decide(
      decisionOf(start, {
        intents: [
          buy(await stack.price("beta")),
          buy(await stack.price("beta"), { ordinal: 1, size: { quantity: "0.1" }, limit: "1000" }),
        ],
      }),
    );
    await eventually(
      () => stack.snapshot("beta"),
      ({ orders, account }) => orders.length === 1 && account.positions.length === 1,
    );
    expect(await stack.register("beta", { shareRatio: "0.4", suspended: true })).toMatchObject({ admitted: true });
    const suspended = await eventually(
      () => stack.snapshot("beta"),
      ({ orders }) => orders.length === 0,
    );
    expect(suspended.trading).toMatchObject({ allowed: false, reason: "Suspended" });
    const denied = await stack.decide(decisionOf(suspended, { intents: [buy(await stack.price("beta"))] }));
    expect(denied.results[0]?.verdict).toMatchObject({ reason: "SUSPENDED" });

    await eventually(
      () => stack.remove("beta", "Keep"),
      ({ settled, workingOrders }) => settled && workingOrders === 0,
    );
    const held = await sql(
      "select asset from risk.transfers where kind = 'Settlement' and from_sub_account = 'beta' order by asset",
    );
    expect(held).toEqual([{ asset: "BTC" }, { asset: "USDT" }]);
    expect((await stack.portfolio()).strategies.map(({ uid }) => uid)).not.toContain("beta");
    expect(await stack.remove("beta", "Keep")).toMatchObject({ settled: true });
  });

  test("deleting with Flatten sells first, then settles in cash", async () => {
    await eventually(
      () => stack.remove("alpha", "Flatten"),
      ({ settled }) => settled,
    );
    const held = await sql("select asset from risk.transfers where kind = 'Settlement' and from_sub_account = 'alpha'");
    expect(held).toEqual([{ asset: "USDT" }]);
    const [fold] = await sql("select count(*)::int as open from risk.orders where released_at is null");
    expect(fold).toEqual({ open: 0 });
  });
});
