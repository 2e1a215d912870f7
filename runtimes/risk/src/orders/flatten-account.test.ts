import { noFailPoints, silentLogger } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type MarketRules,
  type OrderState,
  type TradingCondition,
  ZERO,
  formatDecimal,
  parseDecimal,
  rulesFromSymbol,
} from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { storePublicKey } from "../journal/policy-records.ts";
import { effectivePolicy } from "../policy/effective-policy.ts";
import { policyViewOf } from "../portfolio/policy-view.ts";
import { register } from "../strategies/register.ts";
import { StrategyRegistry } from "../strategies/registry.ts";
import { accountUid, givenAccount, policyUid } from "../testing/given-account.ts";
import { memoryJournal } from "../testing/memory-journal.ts";
import type { Broker } from "../venue/broker.ts";
import type { CommittedOrder } from "./dispatch.ts";
import { flattenAccount } from "./flatten-account.ts";
import { SaleAttempts } from "./sale-attempts.ts";
import { createSigner } from "./signer.ts";

const market = "BTC/USDT";
const active: TradingCondition = { state: "Active", by: "policy", message: "" };
const policy = effectivePolicy({
  apiVersion: "bellwether.dev/v1alpha1",
  kind: "RiskPolicy",
  metadata: { name: "p", uid: policyUid },
  spec: {
    baseCurrency: "USDT",
    accounts: [
      {
        name: "paper",
        paper: { balances: [{ asset: "USDT", amount: "10000" }], market: { replay: { dataset: { synthetic: { seed: 1 } } } } },
      },
    ],
  },
});
const bitcoin: MarketRules = {
  ...(rulesFromSymbol(market) as MarketRules),
  priceStep: "0.01",
  quantityStep: "0.001",
  minQuantity: "0.01",
};

/** The pauses between attempts are over. */
const longMs = 60_000;

interface Ending {
  readonly filled?: string;
  readonly afterMs?: number;
}

interface Setup {
  /** BTC of each strategy. */
  readonly held?: Readonly<Record<string, string>>;
  /** The last close; "unknown": there was none. */
  readonly mark?: string;
}

/** An account at 100 USDT a bitcoin whose strategies hold some, on production's modules and a journal in memory. */
async function flattening({ held = { alpha: "2" }, mark = "100" }: Setup = {}) {
  const journal = await memoryJournal();
  const { clock, database, faults } = journal;
  const venue = {
    account: "paper",
    kind: "paper",
    epoch: 1,
    marketTime: 1_000_000,
    feed: { state: "running", message: "" },
    balances: [
      { asset: "USDT", free: "10000", locked: "0" },
      { asset: "BTC", free: "10", locked: "0" },
    ],
    markets: [bitcoin],
  } satisfies BrokerAccount;
  const state: { venue: BrokerAccount } = { venue };
  const refuse = async (): Promise<never> => Promise.reject(new Error("orders are dispatched by the caller"));
  const broker: Broker = { account: async () => state.venue, submit: refuse, voidOrder: refuse, cancel: refuse, bars: refuse };
  const { account, runner, epoch } = await givenAccount(journal, { broker, flattening: true });
  const signer = createSigner();
  await database.transaction((transaction) =>
    storePublicKey(transaction, { keyId: signer.keyId, policyUid, epoch, publicKey: signer.publicKey }),
  );
  const registry = new StrategyRegistry();
  await runner.round();
  for (const [uid, amount] of Object.entries(held)) {
    const registration = {
      uid,
      namespace: "demo",
      name: uid,
      subject: uid,
      account: "paper",
      mode: "Paper" as const,
      markets: [{ symbol: market, timeframe: "1m" }],
      shareRatio: "0.3",
      suspended: false,
    };
    expect(await register(registration, { account, registry, policyUid, currency: "USDT" })).toMatchObject({ admitted: true });
    await database.query(
      "insert into risk.transfers (account_uid, kind, from_sub_account, to_sub_account, asset, amount) values ($1, 'Reallocation', 'unassigned', $2, 'BTC', $3)",
      [accountUid, uid, amount],
    );
  }
  account.foldAgain();
  if (mark !== "unknown") account.book.setMark(market, { price: parseDecimal(mark), timeMs: 1 });
  const context = {
    account,
    registry,
    policy,
    policyView: (book: typeof account.book) => policyViewOf([book], "USDT", { dayStartEquity: ZERO, peakEquity: ZERO }),
    signer,
    epoch,
    clock,
    log: silentLogger,
    failPoints: noFailPoints,
  };
  const attempts = new SaleAttempts();
  await runner.round();
  return {
    account,
    database,
    faults,
    runner,
    clock,
    sell: (trading: TradingCondition = active) => flattenAccount(account, attempts, { ...context, trading }),
    /** What the broker's journal says of an order, and the time after which it is asked again. */
    ends: async ({ order }: CommittedOrder, end: OrderState, { filled, afterMs = longMs }: Ending = {}) => {
      const { clientOrderId, intentId, attempt } = order.order;
      await database.query(
        "insert into broker.orders (client_order_id, account_uid, intent_id, attempt, body, state, risk_epoch, writer_epoch) values ($1, $2, $3, $4, $5, $6, 1, 1)",
        [clientOrderId, accountUid, intentId, attempt, order.body, end],
      );
      if (filled !== undefined)
        await database.query(
          "insert into broker.fills (account_uid, trade_id, client_order_id, market, side, quantity, price, fee, fee_asset, time_ms, leg) values ($1, $2, $2, $3, 'sell', $4, 99, 0, 'USDT', 1, 'entry')",
          [accountUid, clientOrderId, market, filled],
        );
      account.inFlight.delete(clientOrderId);
      await clock.advance(afterMs);
    },
    venueSays: async (change: Partial<BrokerAccount>) => {
      state.venue = { ...venue, ...change };
      await account.askVenue();
    },
  };
}

const shown = (orders: readonly CommittedOrder[]) =>
  orders.map(({ order: { strategyUid, order } }) => {
    const { side, quantity, limit, timeInForce, reduceOnly } = order;
    return { strategyUid, side, quantity, limit, timeInForce, reduceOnly };
  });
const sale = (quantity: string, limit: string, strategyUid = "alpha") => ({
  strategyUid,
  side: "sell",
  quantity,
  limit,
  timeInForce: "IOC",
  reduceOnly: true,
});

describe("flattening an account", () => {
  test("sells everything at once or not at all, at a bound that widens with each attempt", async () => {
    const { sell, ends } = await flattening();
    for (const limit of ["99", "98", "96", "92", "90", "90"]) {
      const orders = await sell();
      expect(shown(orders)).toEqual([sale("2", limit)]);
      for (const order of orders) await ends(order, "Expired");
    }
  });

  test("asks for what is left after a part was sold, and for nothing when all of it was", async () => {
    const { sell, ends } = await flattening();
    const [first] = await sell();
    await ends(first!, "Expired", { filled: "0.5" });
    const [second] = await sell();
    expect(shown([second!])).toEqual([sale("1.5", "98")]);
    await ends(second!, "Filled", { filled: "1.5" });
    expect(await sell()).toEqual([]);
  });

  test("waits while an order is open or nobody knows what became of it, and does not count that as an attempt", async () => {
    const { sell, ends, clock } = await flattening();
    const [first] = await sell();
    await clock.advance(longMs);
    expect(await sell()).toEqual([]);
    await clock.advance(longMs);
    expect(await sell()).toEqual([]);
    await ends(first!, "NotSent");
    expect(shown(await sell())).toEqual([sale("2", "98")]);
  });

  test("gives no order a name that another one had", async () => {
    const { sell, ends } = await flattening();
    const ids = new Set<string>();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      for (const order of await sell()) {
        ids.add(order.order.order.clientOrderId);
        await ends(order, "Expired");
      }
    }
    expect(ids.size).toBe(5);
  });

  test("counts each strategy's attempts apart, and touches nothing that is nobody's", async () => {
    const { sell, ends } = await flattening({ held: { alpha: "2", beta: "3" } });
    const [alpha, beta] = await sell();
    expect(shown([alpha!, beta!])).toEqual([sale("2", "99"), sale("3", "99", "beta")]);
    await ends(beta!, "Expired");
    expect(shown(await sell())).toEqual([sale("3", "98", "beta")]);
    await ends(alpha!, "Filled", { filled: "2" });
    expect(await sell()).toEqual([]);
  });

  test.each([
    { fault: "unavailable", then: [sale("2", "99")] },
    { fault: "commit-reply-lost", then: [] },
  ] as const)("with the journal $fault, what is in it counts, and only that", async ({ fault, then }) => {
    const { sell, faults, account, clock, runner } = await flattening();
    faults.push(fault);
    await expect(sell()).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    await clock.advance(longMs);
    await runner.round();
    expect(shown(await sell())).toEqual(then);
    expect(account.book.openOrders()).toHaveLength(1);
  });

  test("pauses after a sale that was denied, and after one that brought nothing for longer each time", async () => {
    const { sell, ends, clock } = await flattening();
    await sell({ state: "Halted", by: "policy", message: "a drill" });
    expect(await sell()).toEqual([]);
    await clock.advance(250);
    const [first] = await sell();
    await ends(first!, "Expired", { afterMs: 499 });
    expect(await sell()).toEqual([]);
    await clock.advance(1);
    const [second] = await sell();
    await ends(second!, "Expired", { afterMs: 999 });
    expect(await sell()).toEqual([]);
    await clock.advance(1);
    expect(shown(await sell())).toEqual([sale("2", "96")]);
  });

  test.each([
    { when: "less than a step is held", setup: { held: { alpha: "0.0005" } } },
    { when: "less than the venue takes is held", setup: { held: { alpha: "0.009" } } },
    { when: "nothing is held", setup: { held: {} } },
    { when: "no price is known", setup: { mark: "unknown" } },
  ])("sells nothing when $when", async ({ setup }) => {
    const { sell, account } = await flattening(setup);
    expect(await sell()).toEqual([]);
    expect(account.book.openOrders()).toEqual([]);
  });

  test.each([
    { when: "the market data has ended", change: { feed: { state: "ended", message: "over" } } },
    { when: "the venue does not list the market any more", change: { markets: [] } },
  ] as const)("sells nothing when $when", async ({ change }) => {
    const { sell, venueSays } = await flattening();
    await venueSays(change as Partial<BrokerAccount>);
    expect(await sell()).toEqual([]);
  });

  test("what a person's halt denies is not written down, and is asked for again when it is over", async () => {
    const { sell, database, account, clock } = await flattening();
    expect(await sell({ state: "Halted", by: "policy", message: "a drill" })).toEqual([]);
    expect(await database.query("select intent_id from risk.intents")).toEqual([]);
    await clock.advance(longMs);
    const [order] = await sell();
    expect(order?.order.order.side).toBe("sell");
    expect(formatDecimal(account.book.workingSells("alpha", market))).toBe("2");
  });
});
