import type { RegistrationReply } from "@bellwether/trading";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buy, decisionOf } from "./decisions.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { type RiskIdentity, RiskWorld, type RunningRisk, idleBroker } from "./risk-fixture.ts";
import { registrationOf } from "./risk-history.ts";

const missing = postgresMissing();
const another: RiskIdentity = { uid: "policy-2", brokers: new Map([["paper", idleBroker("800")]]) };

describe.skipIf(missing !== undefined)(`a strategy and its account ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let world: RiskWorld;
  const running: RunningRisk[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  beforeEach(async () => {
    await postgres.reset();
    world = new RiskWorld(postgres);
    world.line.running = await world.broker.start();
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await world.end(one);
    await world.remove();
  });

  const start = async (of: Partial<RiskIdentity> = {}): Promise<RunningRisk> => {
    const started = await world.start(undefined, of);
    running.push(started);
    return started;
  };
  const register = ({ service }: RunningRisk, account = "paper"): Promise<RegistrationReply> =>
    service.register({ ...registrationOf("alpha", { suspended: false }), account });
  const bar = async ({ service }: RunningRisk, close: number): Promise<void> => {
    const { market } = world.broker;
    const time = market.marketTimeMs();
    await market.close(close, { high: close, low: close });
    const closed = { time, open: close, high: close, low: close, close, volume: 1 };
    service.onBar("paper", { market: "BTC/USDT", timeframe: "1m", bar: closed, revision: false });
  };
  /** Orders what a program would, and lets the market take it. */
  const trade = async (risk: RunningRisk, change: Parameters<typeof buy>[1]): Promise<void> => {
    const intent = buy("100", { market: "BTC/USDT", ...change });
    const { results } = await risk.service.decide(decisionOf(risk.service.snapshot("alpha"), { intents: [intent] }));
    expect(results[0]?.verdict).toMatchObject({ allowed: true });
    await bar(risk, 100);
    await world.line.running?.broker.sweep();
    await world.round(risk);
  };
  const capital = ({ service }: RunningRisk): string | undefined =>
    service.portfolio().strategies.find(({ uid }) => uid === "alpha")?.account.startingCapital;
  const unassignedCash = async (accountUid: string): Promise<unknown> => {
    const rows = await rowsOf(
      postgres.superuserDsn,
      `select trim_scale(sum(case when to_sub_account = 'unassigned' then amount else -amount end))::text as cash from risk.transfers
       where account_uid = $1 and asset = 'USDT' and 'unassigned' in (to_sub_account, coalesce(from_sub_account, ''))`,
      [accountUid],
    );
    return rows[0]?.["cash"];
  };

  test("a strategy whose policy was made anew is admitted there as soon as it is flat, and whoever still writes for the old one is shut out", async () => {
    const old = await start();
    await bar(old, 100);
    expect(await register(old)).toMatchObject({ admitted: true, run: 1 });
    await trade(old, {});
    const renewed = await start(another);
    await expect(register(renewed)).rejects.toMatchObject({
      code: "ACCOUNT_CHANGED",
      message: expect.stringMatching(/holds .* BTC.*flat/),
    });
    // Nothing was done to the one that has it.
    await trade(old, { side: "sell", size: { all: true } });
    expect(old.superseded.value).toBe(false);

    expect(await register(renewed)).toMatchObject({ admitted: true, run: 2 });
    expect(await register(renewed)).toMatchObject({ admitted: true, run: 2 });
    expect(capital(renewed)).toBe("400");
    expect(renewed.service.snapshot("alpha")).not.toHaveProperty("lastDecisionTime");
    await expect(register(old)).rejects.toMatchObject({ code: "EPOCH_LOST" });
    expect(old.superseded.value).toBe(true);

    const again = await start();
    expect(again.service.portfolio().strategies).toEqual([]);
    const book = again.service.accounts[0]?.book;
    expect(book?.subAccount("alpha").balances["USDT"] ?? 0n).toBe(0n);
    // And back: what it gave back is not given twice.
    expect(await register(again)).toMatchObject({ admitted: true, run: 3 });
    expect(await unassignedCash("policy-2/paper")).toBe("800");
    expect(await rowsOf(postgres.superuserDsn, "select count(*)::int as n from risk.transfers where kind = 'Admission'")).toEqual(
      [{ n: 1 }],
    );
  });

  test("between two accounts of one policy a flat strategy goes by itself", async () => {
    const risk = await start({
      brokers: new Map([
        ["paper", world.line],
        ["other", idleBroker("300")],
      ]),
    });
    await bar(risk, 100);
    await register(risk);
    await trade(risk, {});
    await expect(register(risk, "other")).rejects.toMatchObject({ code: "ACCOUNT_CHANGED" });
    await trade(risk, { side: "sell", size: { all: true } });
    expect(await register(risk, "other")).toMatchObject({ admitted: true, run: 2 });
    expect(capital(risk)).toBe("150");
    expect(risk.superseded.value).toBe(false);
    expect(await unassignedCash("policy-1/other")).toBe("150");
    const [paper] = risk.service.accounts;
    await world.round(risk);
    expect(paper?.heldMessage).toBeUndefined();
  });

  test("a strategy of a policy that is gone is deleted at once: what it held goes to that account's unassigned", async () => {
    const old = await start();
    await bar(old, 100);
    await register(old);
    await trade(old, {});
    const renewed = await start(another);
    expect(await renewed.service.delete("alpha", "Flatten")).toMatchObject({ settled: true, workingOrders: 0 });
    expect(await renewed.service.delete("alpha", "Flatten")).toMatchObject({ settled: true });
    expect(await renewed.service.delete("nobody", "Keep")).toMatchObject({ settled: true });
    const handed = await rowsOf(
      postgres.superuserDsn,
      "select account_uid, asset from risk.transfers where kind = 'Settlement' and from_sub_account = 'alpha' order by asset",
    );
    expect(handed).toEqual(["BTC", "USDT"].map((asset) => ({ account_uid: "policy-1/paper", asset })));
    await expect(register(renewed)).resolves.toMatchObject({ settled: true });
  });

  test("what it has open there is left to that policy's risk, which learns of it", async () => {
    const old = await start();
    await bar(old, 100);
    await register(old);
    const resting = buy("100", { market: "BTC/USDT", limit: "50" });
    await old.service.decide(decisionOf(old.service.snapshot("alpha"), { intents: [resting] }));
    const renewed = await start(another);
    expect(await renewed.service.delete("alpha", "Keep")).toMatchObject({ settled: false, workingOrders: 1 });
    await expect(register(old)).rejects.toMatchObject({ code: "EPOCH_LOST" });
    const again = await start();
    // Asked again and again while it is being done, and nobody is shut out twice.
    await renewed.service.delete("alpha", "Keep");
    for (let round = 0; round < 4; round += 1) {
      await world.line.running?.broker.sweep();
      await world.round(again);
    }
    expect(again.superseded.value).toBe(false);
    expect(await renewed.service.delete("alpha", "Keep")).toMatchObject({ settled: true, workingOrders: 0 });
  });
});
