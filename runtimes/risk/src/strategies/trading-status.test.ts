import { TRADING_ACTIVE } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { type TradingStatusWorld, tradingStatus } from "./trading-status.ts";

const admitted = { admitted: true, suspended: false, deletion: undefined, decisionFault: undefined };
const world = (change: Partial<TradingStatusWorld> = {}): TradingStatusWorld => ({
  strategy: admitted,
  trading: TRADING_ACTIVE,
  journalAvailable: true,
  venue: { reachable: true, message: "answers" },
  endedMessage: undefined,
  ...change,
});

describe("tradingStatus", () => {
  test.each([
    { when: "nothing stands in the way", given: {}, then: { allowed: true, reason: "Active" } },
    {
      when: "its models did not answer",
      given: { strategy: { ...admitted, decisionFault: "TIMEOUT: the gateway did not answer within 30000 ms" } },
      then: {
        allowed: true,
        reason: "Active",
        message:
          "Trading is allowed. The last decision went without its models: TIMEOUT: the gateway did not answer within 30000 ms",
      },
    },
    {
      when: "the strategy is deleted",
      given: { strategy: { ...admitted, deletion: "Keep" as const } },
      then: { allowed: false, reason: "Deleting" },
    },
    {
      when: "it is suspended and Postgres is down",
      given: { strategy: { ...admitted, suspended: true }, journalAvailable: false },
      then: { reason: "Suspended" },
    },
    {
      when: "the policy is halted",
      given: { trading: { state: "Halted", by: "journal", message: "x" } as const },
      then: { allowed: false, reason: "PolicyHalted" },
    },
    {
      when: "the policy is reducing",
      given: { trading: { state: "Reducing", by: "policy", message: "x" } as const },
      then: { allowed: true, reason: "PolicyReducing" },
    },
    { when: "Postgres is down", given: { journalAvailable: false }, then: { allowed: false, reason: "JournalUnavailable" } },
    {
      when: "it has no capital",
      given: { strategy: { ...admitted, admitted: false } },
      then: { allowed: false, reason: "NotAdmitted" },
    },
    { when: "the replay is over", given: { endedMessage: "over" }, then: { allowed: false, reason: "MarketDataEnded" } },
    {
      when: "the broker is away",
      given: { venue: { reachable: false, message: "refused" } },
      then: { allowed: false, reason: "VenueUnreachable" },
    },
  ])("when $when: $then.reason", ({ given, then }) => {
    expect(tradingStatus(world(given))).toMatchObject(then);
  });
});
