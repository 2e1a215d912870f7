import { type BrokerAccount, type WireBar, formatDecimal, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { unassigned } from "../portfolio/book.ts";
import { fill } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { givenAccount } from "../testing/given-account.ts";
import { memoryJournal } from "../testing/memory-journal.ts";
import type { Broker } from "../venue/broker.ts";

const hourly = { market: "BTC/USDT", timeframe: "1h" } as const;
const bar: WireBar = { time: 3_600_000, open: 90, high: 90, low: 80, close: 80, volume: 1 };
const venue: BrokerAccount = {
  account: "paper",
  kind: "paper",
  epoch: 1,
  marketTime: 7_200_000,
  feed: { state: "running", message: "" },
  balances: [{ asset: "USDT", free: "100", locked: "0" }],
  markets: [],
};

/** A risk that has just started on an account, and was told of no bar. */
async function started(bars: Broker["bars"], balances: () => BrokerAccount["balances"] = () => venue.balances) {
  const journal = await memoryJournal();
  const refuse = async (): Promise<never> => Promise.reject(new Error("nothing is ordered here"));
  const broker: Broker = {
    account: async () => ({ ...venue, balances: balances() }),
    submit: refuse,
    voidOrder: refuse,
    cancel: refuse,
    bars,
  };
  const { account, runner } = await givenAccount(journal, { broker, series: () => [hourly] });
  const mark = (): string | undefined => {
    const known = account.book.mark(hourly.market);
    return known && formatDecimal(known.price);
  };
  return { clock: journal.clock, runner, mark, account };
}

const noBars: Broker["bars"] = async () => [];

describe("after a start of risk", () => {
  test("the bar that closed meanwhile is the mark, and is asked for once", async () => {
    const asked: unknown[] = [];
    const { clock, runner, mark } = await started(async (query) => {
      asked.push(query);
      return [bar];
    });
    for (let round = 0; round < 3; round += 1) {
      await runner.round();
      expect(mark()).toBe("80");
      await clock.advance(2_000);
    }
    expect(asked).toEqual([{ ...hourly, limit: 1 }]);
  });

  test("it is asked for until somebody answers, and changes no mark that is newer", async () => {
    let fails = 2;
    const { clock, runner, mark } = await started(async () => {
      if ((fails -= 1) >= 0) throw new Error("not yet");
      return [bar];
    });
    await runner.round();
    await clock.advance(2_000);
    await runner.round();
    expect(mark()).toBeUndefined();
    runner.onBar({ ...hourly, bar: { ...bar, time: bar.time + 3_600_000, close: 75 }, revision: false });
    await clock.advance(2_000);
    await runner.round();
    expect([fails, mark()]).toEqual([-1, "75"]);
  });
});

describe("a difference that a leg which has fired may explain", () => {
  const free = (asset: string, amount: string) => ({ asset, free: amount, locked: "0" });
  const before = [free("USDT", "100"), free("BTC", "1")];
  const fired = [free("USDT", "180"), free("BTC", "0")];

  /** An account with 1 BTC for which a stop rests, compared once, when the venue begins to say something else. */
  async function differing(): ReturnType<typeof started> {
    let balances = before;
    const { account, clock, runner, ...rest } = await started(noBars, () => balances);
    await runner.round();
    const protectedOrder = bookOrder({ state: "Filled", known: true, protectiveLegs: ["stopLoss"] });
    account.book.addOrder({ ...protectedOrder, filled: parseDecimal("1"), releaseStored: true });
    expect([account.compared, account.heldMessage]).toEqual([true, undefined]);
    balances = fired;
    await clock.advance(30_000);
    await runner.round();
    return { account, clock, runner, ...rest };
  }

  test("does not hold the account while the broker may not have asked about the leg yet", async () => {
    const { account, clock, runner } = await differing();
    expect(account.heldMessage).toBeUndefined();
    account.book.applyTransfer({ from: unassigned, to: "sold", asset: "BTC", amount: parseDecimal("1") });
    account.book.applyFill(fill({ side: "sell", quantity: "1", price: "80", leg: "stopLoss", subAccount: "sold" }));
    for (let round = 0; round < 8; round += 1) {
      await clock.advance(1_000);
      await runner.round();
      expect(account.heldMessage).toBeUndefined();
    }
    expect(runner.reconciliation?.drift).toEqual([]);
  });

  test("holds it when it lasts", async () => {
    const { account, clock, runner } = await differing();
    await clock.advance(2_000);
    await runner.round();
    expect(account.heldMessage).toBeUndefined();
    await clock.advance(1_000);
    await runner.round();
    expect(account.heldMessage).toContain("BTC: journal 1, venue 0");
  });

  test("is told at once to a person who decides on it", async () => {
    const { account, runner } = await differing();
    expect((await runner.reconcileNow())?.drift).toHaveLength(2);
    expect(account.heldMessage).toContain("BTC: journal 1, venue 0");
  });
});
