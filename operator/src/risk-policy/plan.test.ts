import { describe, expect, test } from "vitest";
import type { PortfolioView } from "@bellwether/trading/wire";
import type { ObservedPod } from "../observed-pod.ts";
import { testConfig, testPolicy, testStrategy } from "../testing/objects.ts";
import { type Observed, plan } from "./plan.ts";
import { happenings, statusOf, transitionEvents } from "./status.ts";

const nowMs = Date.parse("2026-01-01T00:10:00Z");
const view = (fields: Partial<PortfolioView> = {}): PortfolioView => ({
  policyUid: "uid-main",
  epoch: 1,
  state: "Active",
  reason: "",
  equity: "9900",
  peakEquity: "10000",
  drawdownRatio: "0.01",
  riskScore: 4,
  exposure: [],
  effectiveLimits: {},
  accounts: [{ name: "paper", ready: true, message: "", equity: "9900", lastReconciledTime: nowMs, drift: [] }],
  strategies: [],
  ...fields,
});
const heard = (fields: Partial<PortfolioView> = {}) => ({ heard: true, view: view(fields) }) as const;
const silent = { heard: false, reason: "RiskUnreachable", message: "away" } as const;
const deleted = (secondsAgo: number) => ({
  ...testPolicy(),
  metadata: { ...testPolicy().metadata, deletionTimestamp: new Date(nowMs - secondsAgo * 1_000).toISOString() },
});
const observed = (fields: Partial<Observed> = {}): Observed => ({
  policy: testPolicy(),
  strategies: [],
  tokens: { issuer: "https://issuer", jwks: "{}" },
  brokerConfigs: new Map(),
  pods: [],
  word: heard(),
  config: testConfig(),
  nowMs,
  ...fields,
});
const stuck: ObservedPod = {
  name: "rpol-main-risk-0",
  uid: "u",
  isDeleting: false,
  phase: "Pending",
  hash: undefined,
  node: undefined,
  readySinceMs: undefined,
  waiting: { reason: "ImagePullFailed", message: "the image cannot be pulled" },
  ended: undefined,
};
const tooFast = testPolicy({
  accounts: [
    {
      name: "paper",
      paper: {
        balances: [{ asset: "USDT", amount: "1" }],
        market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: 100_000 } },
      },
    },
  ],
});

describe("what should be true of a RiskPolicy", () => {
  test.each<{ when: string; given: Partial<Observed>; then: string }>([
    { when: "risk and its brokers answer", given: {}, then: "True Ready" },
    { when: "risk is silent", given: { word: silent }, then: "False RiskUnreachable" },
    { when: "its pod says why", given: { word: silent, pods: [stuck] }, then: "False PodNotStarting" },
    {
      when: "one account is not ready",
      given: { word: heard({ accounts: [{ name: "paper", ready: false, message: "no bars", equity: "0", drift: [] }] }) },
      then: "False AccountNotReady",
    },
    { when: "a broker would not take its configuration", given: { policy: tooFast }, then: "False SpecInvalid" },
    {
      when: "it is being deleted and strategies are left",
      given: { policy: deleted(1), strategies: [testStrategy("a")] },
      then: "False Deleting",
    },
  ])("when $when: $then", ({ given, then }) => {
    const ready = plan(observed(given)).conditions.find(({ type }) => type === "Ready");
    expect(`${ready?.status} ${ready?.reason}`).toBe(then);
  });

  test("names what the broker would not take", () => {
    expect(plan(observed({ policy: tooFast })).conditions[0]?.message).toContain("account paper: account.paper.market");
  });

  test.each([
    {
      when: "strategies are left",
      policy: deleted(59),
      strategies: [testStrategy("a")],
      then: { finalizer: "Keep", abandoned: [], requeueAfterMs: 1_000 },
    },
    {
      when: "the deadline has passed",
      policy: deleted(60),
      strategies: [testStrategy("a")],
      then: { finalizer: "Release", abandoned: ["a"] },
    },
    { when: "none is left", policy: deleted(1), strategies: [], then: { finalizer: "Release", abandoned: [] } },
    {
      when: "only backtests are left",
      policy: deleted(1),
      strategies: [testStrategy("a", { mode: "Backtest" })],
      then: { finalizer: "Release", abandoned: [] },
    },
  ] as const)("when it is being deleted and $when: $then.finalizer", ({ policy, strategies, then }) => {
    const decided = plan(observed({ policy, strategies }));
    expect(decided).toMatchObject(then);
    expect(decided.children).toBeUndefined();
  });

  test("says that breakers are not watched, where some are written down and risk knows of none", () => {
    const policy = testPolicy({ circuitBreakers: [{ type: "RapidLoss" }] });
    const types = (word: Observed["word"]) => plan(observed({ policy, word })).conditions.map(({ type }) => type);
    expect(types(heard())).toEqual(["Ready", "BreakersWatched"]);
    expect(types(heard({ breakers: [] }))).toEqual(["Ready"]);
    expect(types(silent)).toEqual(["Ready"]);
  });
});

test("contradicts a manifest that has changed what a paper account began with, and says what to do", () => {
  const account = { name: "paper", ready: true, message: "", equity: "9900", drift: [] };
  const said = (fields: object) =>
    plan(observed({ word: heard({ accounts: [{ ...account, ...fields }] }) })).conditions.find(
      ({ type }) => type === "BalancesApplied",
    );
  expect(said({})).toBeUndefined();
  expect(said({ ignoredBalances: [{ asset: "USDT", manifest: "20000", journal: "10000" }] })).toEqual({
    type: "BalancesApplied",
    status: "False",
    reason: "BalancesGivenOnce",
    message:
      "account paper: the manifest says USDT 20000 (began with 10000). A paper account is given its balances once: set them back, or begin anew with an account of another name and move the strategies to it",
  });
});

describe("its status", () => {
  const status = (word: Observed["word"], previous?: ReturnType<typeof statusOf>, figuresDue = true) => {
    const policy = testPolicy({}, previous);
    return statusOf({ policy, plan: plan(observed({ policy, word })), word, figuresDue, nowMs });
  };

  test("has figures and the strings that columns print", () => {
    expect(status(heard())).toMatchObject({
      state: "Active",
      equity: "9900",
      drawdownRatio: "0.01",
      drawdownPercent: "1.00",
      riskScore: 4,
      limits: { maxPositionRatio: "0.20", maxOpenOrders: 20 },
      accounts: [{ name: "paper", ready: true, equity: "9900", lastReconciledTime: "2026-01-01T00:10:00Z" }],
    });
  });

  test("moves money only when it is due, and a halt at once", () => {
    const first = status(heard());
    expect(first).toMatchObject({ equityRounded: "9900.00" });
    const next = status(heard({ equity: "9000", state: "Halted", reason: "by hand" }), first, false);
    expect(next).toMatchObject({ equity: "9900", state: "Halted", reason: "by hand" });
    expect(status(heard({ equity: "9000" }), first, true).equity).toBe("9000");
  });

  test("tells no equity before an account has been opened, and the first at once", () => {
    const account = { name: "paper", ready: false, message: "", equity: "0", drift: [] };
    const first = status(heard({ equity: "0", accounts: [{ ...account, opened: false }] }));
    expect(first).not.toHaveProperty("equityRounded");
    expect(first.accounts).toEqual([{ name: "paper", ready: false }]);
    expect(status(heard(), first, false)).toMatchObject({ equityRounded: "9900.00" });
  });

  test("is not moved by the time of a reconciliation alone", () => {
    const first = status(heard());
    const later = heard({
      accounts: [{ name: "paper", ready: true, message: "", equity: "9900", lastReconciledTime: nowMs + 30_000, drift: [] }],
    });
    expect(status(later, first)).toEqual(first);
  });

  test("keeps what was known last while risk is silent, but nobody is ready", () => {
    expect(status(silent, status(heard()))).toMatchObject({ state: "Active", equity: "9900", accounts: [{ ready: false }] });
  });

  test("announces a halt and its end", () => {
    const active = status(heard());
    const halted = status(heard({ state: "Halted", reason: "by hand" }), active);
    expect(transitionEvents(active, halted)).toMatchObject([
      { type: "Warning", reason: "TradingHalted", note: "trading is Halted: by hand" },
    ]);
    expect(transitionEvents(halted, active)).toMatchObject([{ type: "Normal", reason: "TradingActive" }]);
    expect(transitionEvents(active, active)).toEqual([]);
  });
});

describe("what happened to it", () => {
  test("becomes an event each, with who and why, told once", () => {
    const events = happenings(
      view({
        controlEvents: [
          { id: "1", time: nowMs, what: "Halt", who: "alice", why: "fat finger", detail: "3 working entries are cancelled" },
          { id: "2", time: nowMs + 1, what: "ResetBreaker", who: "bob", why: "looked at it", detail: "RapidLoss is armed again" },
        ],
        alerts: [
          {
            id: "a1",
            key: "k",
            state: "firing",
            severity: "critical",
            source: { kind: "RiskPolicy", namespace: "demo", name: "main" },
            name: "RapidLoss",
            summary: "lost 3.2 % in 15 minutes",
            time: nowMs + 2,
          },
        ],
      }),
    );
    expect(events.map(({ type, reason, note, once }) => [type, reason, note, once?.atMs])).toEqual([
      ["Warning", "TradingControlHalt", "alice: fat finger. 3 working entries are cancelled", nowMs],
      ["Normal", "TradingControlResetBreaker", "bob: looked at it. RapidLoss is armed again", nowMs + 1],
      ["Warning", "AlertFiring", "RapidLoss: lost 3.2 % in 15 minutes", nowMs + 2],
    ]);
    expect(new Set(events.map(({ once }) => once?.id)).size).toBe(3);
  });
});
