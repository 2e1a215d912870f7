import { silentLogger } from "@bellwether/service-kit";
import { type BrokerAccount, type WireBar, formatDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { takeEpoch } from "../journal/epoch.ts";
import { ensureAccount } from "../journal/policy-records.ts";
import { Settlement } from "../orders/settle.ts";
import { memoryJournal } from "../testing/memory-journal.ts";
import type { Broker } from "../venue/broker.ts";
import { AccountRunner } from "./account-runner.ts";
import { Account } from "./account.ts";

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
async function started(bars: Broker["bars"]) {
  const { clock, database } = await memoryJournal();
  const ids = { policyUid: "policy-1", accountUid: "policy-1/paper" };
  const refuse = async (): Promise<never> => Promise.reject(new Error("nothing is ordered here"));
  const broker: Broker = { account: async () => venue, submit: refuse, voidOrder: refuse, cancel: refuse, bars };
  const epoch = await takeEpoch(database, { scope: ids.policyUid, accountUids: [ids.accountUid] }, "test");
  await database.transaction((transaction) => ensureAccount(transaction, { ...ids, name: "paper" }));
  const common = { clock, database, log: silentLogger };
  const nothing = { onChanges: () => undefined, onSuperseded: () => undefined };
  const account = new Account({ ...common, ...nothing, accountUid: ids.accountUid, name: "paper", epoch, broker });
  const world = () => ({ halted: false, flattening: false, suspended: new Set<string>(), deleted: new Set<string>() });
  const runner = new AccountRunner({
    ...common,
    account,
    policyUid: ids.policyUid,
    settlement: new Settlement(account, { ...common, epoch: epoch.epoch, world }),
    progressDeletions: async () => undefined,
    currency: () => "USDT",
    lookbackBars: () => undefined,
    series: () => [hourly],
    onOpened: () => undefined,
  });
  const mark = (): string | undefined => {
    const known = account.book.mark(hourly.market);
    return known && formatDecimal(known.price);
  };
  return { clock, runner, mark };
}

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
