import { silentLogger } from "@bellwether/service-kit";
import { AccountRunner, type RunnerOptions } from "../account/account-runner.ts";
import { Account } from "../account/account.ts";
import { takeEpoch } from "../journal/epoch.ts";
import { ensureAccount } from "../journal/policy-records.ts";
import { Settlement } from "../orders/settle.ts";
import type { Broker } from "../venue/broker.ts";
import type { MemoryJournal } from "./memory-journal.ts";

export const policyUid = "policy-1";
export const accountUid = "policy-1/paper";

interface Given {
  readonly broker: Broker;
  readonly flattening?: boolean;
  readonly series?: RunnerOptions["series"];
}

/** The account `paper` of a policy in USDT and its runner, on production's modules; nothing has been asked of the broker yet. */
export async function givenAccount({ clock, database }: MemoryJournal, given: Given) {
  const { broker, flattening = false, series = () => [] } = given;
  const epoch = await takeEpoch(database, { scope: policyUid, accountUids: [accountUid] }, "test");
  await database.transaction((transaction) => ensureAccount(transaction, { accountUid, policyUid, name: "paper" }));
  const common = { clock, database, log: silentLogger };
  const nothing = { onChanges: () => undefined, onSuperseded: () => undefined };
  const account = new Account({ ...common, ...nothing, accountUid, name: "paper", epoch, broker });
  const none: ReadonlySet<string> = new Set();
  const world = () => ({ halted: false, flattening, suspended: none, sold: none, deleted: none });
  const runner = new AccountRunner({
    ...common,
    account,
    policyUid,
    settlement: new Settlement(account, { ...common, epoch: epoch.epoch, world }),
    progressDeletions: async () => undefined,
    currency: () => "USDT",
    lookbackBars: () => undefined,
    series,
    onOpened: () => undefined,
  });
  return { account, runner, epoch: epoch.epoch };
}
