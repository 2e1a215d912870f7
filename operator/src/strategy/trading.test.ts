import { describe, expect, test } from "vitest";
import { type RiskWord, pinned, tradingAllowed } from "./trading.ts";

const account = {
  startingCapital: "1",
  equity: "1",
  cash: "1",
  reserved: "0",
  realizedPnl: "0",
  unrealizedPnl: "0",
  fees: "0",
  positions: [],
};
const word = (trading: { allowed: boolean; reason: string; message: string }): RiskWord => ({
  heard: true,
  view: { uid: "u", name: "a", accountName: "paper", account, decisions: 0, workingOrders: 0, trading },
});
const active = word({ allowed: true, reason: "Active", message: "trading" });

describe("TradingAllowed", () => {
  test.each([
    { when: "it runs and risk lets it", phase: "Running", word: active, then: "True Active" },
    {
      when: "risk halts",
      phase: "Running",
      word: word({ allowed: false, reason: "PolicyHalted", message: "by hand" }),
      then: "False PolicyHalted",
    },
    {
      when: "the journal is away",
      phase: "Running",
      word: { heard: false, reason: "JournalUnavailable", message: "" },
      then: "False JournalUnavailable",
    },
    { when: "risk does not know it", phase: "Running", word: { heard: true, view: undefined }, then: "False NotRegistered" },
    { when: "it is suspended, whatever risk says", phase: "Paused", word: active, then: "False Suspended" },
    { when: "it waits for cores", phase: "Queued", word: active, then: "False Queued" },
    { when: "it starts", phase: "Starting", word: active, then: "False Starting" },
    { when: "it has failed", phase: "Failed", word: active, then: "False NotRunning" },
  ] as const)("when $when: $then", ({ phase, word: said, then }) => {
    const draft = tradingAllowed("Paper", phase, said);
    expect(`${draft?.status} ${draft?.reason}`).toBe(then);
  });

  test("is no question for a backtest", () => {
    expect(tradingAllowed("Backtest", "Running", active)).toBeUndefined();
  });
});

describe("Pinned", () => {
  const wants = { pinning: "Exclusive", cpus: 2 } as const;
  test.each([
    {
      when: "the kubelet gave it its cores",
      assignment: { known: true, policy: "static", cpus: "2-3" },
      then: "True ExclusiveCores",
    },
    { when: "they lie apart", assignment: { known: true, policy: "static", cpus: "2,5" }, then: "True ExclusiveCores" },
    { when: "they are fewer", assignment: { known: true, policy: "static", cpus: "2" }, then: "False CoreCountDiffers" },
    { when: "there are none", assignment: { known: true, policy: "static", cpus: undefined }, then: "False NoExclusiveCores" },
    {
      when: "the kubelet pins nothing",
      assignment: { known: true, policy: "none", cpus: undefined },
      then: "False KubeletDoesNotPin",
    },
    { when: "nobody says", assignment: { known: false, message: "away" }, then: "Unknown NodeAgentUnreachable" },
  ] as const)("when $when: $then", ({ assignment, then }) => {
    const draft = pinned(wants, true, assignment);
    expect(`${draft?.status} ${draft?.reason}`).toBe(then);
  });

  test("is no question for a shared agent, nor for one that does not run", () => {
    const assignment = { known: true, policy: "static", cpus: "2-3" } as const;
    expect(pinned({ ...wants, pinning: "Shared" }, true, assignment)).toBeUndefined();
    expect(pinned(wants, false, assignment)).toBeUndefined();
  });
});
