// What people do to a running policy, and what its breakers do by themselves, against real processes on a real Postgres.
import { type ControlReply, type PortfolioView, controlReply, equityEvent, intentReply, ordersReply } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buy, codeOf, decisionOf } from "./decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { Stack, eventually } from "./stack.ts";

const missing = postgresMissing();
const author = { who: "ada", reason: "drill" };

describe.skipIf(missing !== undefined)(`control of a running policy ${missing ?? ""}`, () => {
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

  const minutes = 180_000;
  const sql = (text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
    rowsOf(postgres.superuserDsn, text, values);
  const control = (what: string, body: object): Promise<ControlReply> =>
    stack.controller.post(`/v1/control/${what}`, { schema: controlReply, body, timeoutMs: 10_000 });
  const portfolioWith = (satisfies: (view: PortfolioView) => boolean): Promise<PortfolioView> =>
    eventually(() => stack.portfolio(), satisfies, 60_000).catch((error: unknown) => {
      throw new Error(stack.logs(), { cause: error });
    });
  const decideNow = async (change: Parameters<typeof decisionOf>[1]) => {
    const snapshot = await stack.snapshot("alpha");
    return { snapshot, reply: await stack.decide(decisionOf(snapshot, change)) };
  };

  test("a person's halt cancels working entries, denies new orders, and ends by a resume and nothing else", async () => {
    const limit = buy(await stack.price("alpha"), { size: { quantity: "0.1" }, limit: "1000" });
    await decideNow({ intents: [limit] });
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders[0]?.state === "Working",
    );
    const halted = await control("halt", author);
    expect(halted).toMatchObject({ changed: true, state: "Halted", event: { what: "Halt", who: "ada", why: "drill" } });
    expect(await control("halt", { ...author, reason: "again" })).toMatchObject({ changed: false, state: "Halted" });
    expect(await control("halt", { ...author, state: "Reducing" })).toMatchObject({ changed: false, state: "Halted" });
    const { reply } = await decideNow({ intents: [buy(await stack.price("alpha"))] });
    expect(reply.results[0]?.verdict).toMatchObject({
      reason: "HALTED",
      message: "trading is halted by the journal: drill (set by ada)",
    });
    await eventually(
      () => stack.snapshot("alpha"),
      ({ orders }) => orders.length === 0,
    );
    stack.setPolicy({ trading: "Active" });
    expect(await stack.portfolio()).toMatchObject({ state: "Halted", holds: [{ by: "journal", state: "Halted" }] });

    expect(await control("resume", author)).toMatchObject({ changed: true, state: "Active", holds: [] });
    expect(await control("resume", author)).toMatchObject({ changed: false });
    const { controlEvents } = await stack.portfolio();
    expect(controlEvents?.map(({ what, who }) => `${what} ${who}`)).toEqual(["Halt ada", "Resume ada"]);
  });

  test("nobody but controllers and the operator may control or read the policy", async () => {
    const agent = stack.agent("alpha");
    for (const what of ["halt", "resume"])
      await expect(agent.post(`/v1/control/${what}`, { schema: controlReply, body: author })).rejects.toThrow(/403/);
    await expect(agent.get("/v1/orders", { schema: ordersReply })).rejects.toThrow(/403/);
    expect(await stack.portfolio()).toMatchObject({ state: "Active" });
  });

  test("tells why an order became what it is, rule by rule, and where it ended", async () => {
    const { reply } = await decideNow({ intents: [buy(await stack.price("alpha"))] });
    const [{ intentId, clientOrderId } = { intentId: "", clientOrderId: "" }] = reply.results;
    const why = await eventually(
      () => stack.controller.get(`/v1/intents/${encodeURIComponent(intentId)}`, { schema: intentReply }),
      ({ orders }) => orders[0]?.order.state === "Filled" && orders[0].fills.length > 0,
    );
    expect(why).toMatchObject({
      intentId,
      strategy: "alpha",
      account: "paper",
      kind: "intent",
      side: "buy",
      verdict: { allowed: true },
    });
    expect(why.chain.map(({ rule, outcome }) => `${rule} ${outcome}`)).toEqual([
      "trading-state passed",
      "max-open-orders passed",
      "max-orders-per-minute passed",
      "max-order-notional passed",
      "max-daily-loss-ratio passed",
      "max-drawdown-ratio passed",
      "max-position-ratio passed",
      "max-token-concentration-ratio passed",
    ]);
    const byOrder = await stack.controller.get(`/v1/intents/${clientOrderId}`, { schema: intentReply });
    expect(byOrder.intentId).toBe(intentId);
    const { orders } = await stack.controller.get("/v1/orders", { schema: ordersReply, query: { strategy: "alpha", limit: 1 } });
    expect(orders).toMatchObject([{ strategy: "alpha", order: { order: { clientOrderId }, state: "Filled" } }]);
    await expect(stack.controller.get("/v1/intents/nothing", { schema: intentReply })).rejects.toSatisfy(
      (error) => codeOf(error) === "INTENT_UNKNOWN",
    );
  });

  test("streams equity, P&L and positions to controllers", async () => {
    const closing = new AbortController();
    const seen: string[] = [];
    for await (const { event, data } of stack.controller.stream("/v1/stream", { signal: closing.signal, idleMs: 10_000 })) {
      if (event !== "equity") continue;
      const { equity, strategies } = equityEvent.parse(JSON.parse(data));
      expect(strategies.map(({ name }) => name)).toEqual(["alpha"]);
      seen.push(equity);
      if (seen.length === 3) break;
    }
    closing.abort();
    expect(new Set(seen).size).toBeGreaterThan(1);
  });

  test(
    "a breaker trips on a loss, sells everything, survives a restart, and is armed again by annotation, once",
    { timeout: minutes },
    async () => {
      const breaker = { type: "Drawdown", threshold: "0.00001", action: "Flatten" };
      stack.setPolicy({ circuitBreakers: [breaker] });
      await portfolioWith(({ breakers }) => breakers?.length === 1);
      // Fees alone are more than the threshold.
      await decideNow({ intents: [buy(await stack.price("alpha"))] });
      const tripped = await portfolioWith(
        ({ state, strategies }) => state === "Halted" && strategies[0]?.account.positions.length === 0,
      );
      expect(tripped).toMatchObject({
        riskScore: 100,
        breakers: [{ type: "Drawdown", state: "Tripped", action: "Flatten" }],
        holds: [{ by: "breaker" }],
      });
      const sells = await sql("select body from risk.intents where kind = 'flatten' and allowed");
      expect(sells.length).toBeGreaterThan(0);
      expect(sells[0]).toMatchObject({ body: { timeInForce: "IOC", size: { all: true } } });

      await stack.kill("risk");
      stack.launch("risk");
      await stack.up("risk");
      const after = await portfolioWith(({ state }) => state === "Halted");
      expect(after.breakers).toMatchObject([{ type: "Drawdown", state: "Tripped" }]);
      const { reply } = await decideNow({ intents: [buy(await stack.price("alpha"))] });
      expect(reply.results[0]?.verdict).toMatchObject({ reason: "HALTED", numbers: { by: "breaker" } });

      stack.setPolicy({ circuitBreakers: [breaker], resetBreaker: "Drawdown looked at it" });
      const armed = await portfolioWith(({ state }) => state === "Active");
      expect(armed.controlEvents?.at(-1)).toMatchObject({ what: "ResetBreaker", who: "annotation", why: "looked at it" });
      await decideNow({ intents: [buy(await stack.price("alpha"))] });
      await portfolioWith(({ state, strategies }) => state === "Halted" && strategies[0]?.account.positions.length === 0);
      expect(await control("reset-breaker", { ...author, type: "Drawdown" })).toMatchObject({ changed: true, state: "Active" });
      await expect(control("reset-breaker", { ...author, type: "GasSpike" })).rejects.toSatisfy(
        (error) => codeOf(error) === "BREAKER_UNKNOWN",
      );
      stack.setPolicy({});
    },
  );

  test(
    "an account whose venue says otherwise is held with the numbers, until a person adopts them",
    { timeout: minutes },
    async () => {
      await eventually(
        () => stack.snapshot("alpha"),
        ({ orders, account }) => orders.length === 0 && account.reserved === "0",
      );
      await stack.kill("risk");
      // A fill that the venue knows nothing of.
      await sql(
        `insert into broker.fills (account_uid, trade_id, client_order_id, market, side, quantity, price, fee, fee_asset, time_ms, leg)
       select account_uid, 'ghost', client_order_id, 'BTC/USDT', 'sell', 0.001, 100, 0, 'USDT', 1, 'entry' from broker.orders where state = 'Filled' limit 1`,
      );
      stack.launch("risk");
      await stack.up("risk");
      const held = await portfolioWith(({ accounts }) => (accounts[0]?.drift.length ?? 0) > 0);
      const [account] = held.accounts;
      expect(account?.ready).toBe(false);
      expect(account?.drift.map(({ asset }) => asset)).toEqual(["BTC", "USDT"]);
      expect(account?.message).toContain("Journal and venue differ");
      expect(held.holds).toMatchObject([{ by: "drift", scope: { account: "paper" } }]);
      const { reply } = await decideNow({ intents: [buy(await stack.price("alpha"))] });
      expect(reply.results[0]?.verdict).toMatchObject({ reason: "ACCOUNT_HELD" });

      const wrong = [{ asset: "BTC", journal: "1", venue: "2" }];
      await expect(control("adopt", { ...author, account: "paper", seen: wrong })).rejects.toSatisfy(
        (error) => codeOf(error) === "DRIFT_CHANGED",
      );
      const adopted = await control("adopt", { ...author, account: "paper", seen: account?.drift });
      expect(adopted).toMatchObject({ changed: true, state: "Active", event: { what: "Adopt", who: "ada" } });
      const after = await portfolioWith(({ accounts }) => accounts[0]?.ready === true);
      expect(after.accounts[0]?.drift).toEqual([]);
      await expect(control("adopt", { ...author, account: "paper" })).rejects.toSatisfy(
        (error) => codeOf(error) === "NOT_DRIFTING",
      );
      const allowed = await decideNow({ intents: [buy(await stack.price("alpha"))] });
      expect(allowed.reply.results[0]?.verdict).toEqual({ allowed: true });
    },
  );
});
