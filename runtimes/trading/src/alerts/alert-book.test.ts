import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import type { Alert } from "../wire/alerts.ts";
import {
  type AlertBook,
  type AlertCondition,
  alertBook,
  clearForMs,
  emptyAlertBook,
  markPeaks,
  markPosted,
  passOver,
  rememberRules,
  stepAlerts,
  tellOnce,
} from "./alert-book.ts";
import { breakerConditions, controlAlert, strategyConditions } from "./conditions.ts";
import { slackMessage } from "./slack-message.ts";

const condition = (firing: boolean | undefined, key = "strategy/demo/trend/loss"): AlertCondition => ({
  key,
  severity: "warning",
  source: { kind: "Strategy", namespace: "demo", name: "trend" },
  name: "loss",
  value: "-0.06",
  threshold: "-0.05",
  firing,
  summary: `firing: ${firing}`,
});

/** The states told, step by step: [time in seconds, what the condition is]. */
function run(...steps: readonly (readonly [number, readonly AlertCondition[]])[]): { book: AlertBook; told: string[] } {
  let book: AlertBook = emptyAlertBook;
  for (const [seconds, conditions] of steps) book = stepAlerts(book, conditions, seconds * 1_000);
  return { book, told: book.recent.map(({ state, time }) => `${state}@${time / 1_000}`) };
}

describe("the alert book", () => {
  test("tells once that a condition fires, and once that it has been gone for a minute", () => {
    const { told } = run(
      [1, [condition(true)]],
      [2, [condition(true)]],
      [3, [condition(false)]],
      [62, [condition(false)]],
      [63, [condition(false)]],
      [64, [condition(false)]],
    );
    expect(told).toEqual(["firing@1", "resolved@63"]);
  });

  test("tells a condition that swings around its threshold once", () => {
    const swings = Array.from({ length: 100 }, (_, index) => [index + 1, [condition(index % 2 === 0)]] as const);
    expect(run(...swings).told).toEqual(["firing@1"]);
  });

  test("tells of a second episode with another id", () => {
    const { book } = run([1, [condition(true)]], [2, [condition(false)]], [62, [condition(false)]], [100, [condition(true)]]);
    expect(book.recent.map(({ id }) => id)).toEqual([
      "strategy/demo/trend/loss#1000/firing",
      "strategy/demo/trend/loss#1000/resolved",
      "strategy/demo/trend/loss#100000/firing",
    ]);
  });

  test("an unknown figure neither starts nor ends anything", () => {
    expect(run([1, [condition(undefined)]]).told).toEqual([]);
    expect(run([1, [condition(true)]], [2, [condition(undefined)]], [200, [condition(undefined)]]).told).toEqual(["firing@1"]);
  });

  test("a condition that is no longer watched is over at once", () => {
    const { told, book } = run([1, [condition(true)]], [2, []]);
    expect(told).toEqual(["firing@1", "resolved@2"]);
    expect(book.recent.at(-1)?.summary).toContain("no longer watched");
  });

  test("is the same object while nothing changes, so that nothing is written", () => {
    const { book } = run([1, [condition(true)]]);
    expect(stepAlerts(book, [condition(true)], 2_000)).toBe(book);
    expect(stepAlerts(emptyAlertBook, [condition(false)], 2_000)).toBe(emptyAlertBook);
    expect(markPosted(book, new Set(["other"]))).toBe(book);
    expect(tellOnce(book, [])).toBe(book);
  });

  test("goes through JSON and its schema, so that a restart tells nothing twice", () => {
    const { book } = run([1, [condition(true)]], [2, [condition(false)]]);
    const restored = alertBook.parse(JSON.parse(JSON.stringify(book)));
    expect(restored).toEqual(book);
    expect(stepAlerts(restored, [condition(true)], 3_000).recent).toHaveLength(1);
  });

  test("keeps what is not posted until the webhook has taken it", () => {
    const { book } = run([1, [condition(true)]]);
    expect(book.unposted.map(({ state }) => state)).toEqual(["firing"]);
    expect(markPosted(book, new Set(book.unposted.map(({ id }) => id))).unposted).toEqual([]);
  });

  test("what a person did is told once, however often it is seen", () => {
    const event = { id: "7", time: 5, what: "Halt", who: "ada", why: "drill", detail: "2 orders" } as const;
    const told = controlAlert(event, { namespace: "demo", name: "p" });
    const book = tellOnce(emptyAlertBook, [told]);
    expect(tellOnce(book, [told])).toBe(book);
    expect(book.recent[0]?.summary).toBe("riskpolicy p: Halt by ada: drill (2 orders)");
    const many = Array.from({ length: 60 }, (_, index) => condition(true, `k${index}`));
    expect(tellOnce(stepAlerts(book, many, 9), [told]).recent.some(({ id }) => id === told.id)).toBe(false);
    expect(tellOnce(passOver(emptyAlertBook, [told]), [told]).recent).toEqual([]);
  });

  test("keeps the highest equity of each strategy that there is", () => {
    const at = (text: string) => new Map([["u", parseDecimal(text)]]);
    const first = markPeaks(emptyAlertBook, at("10"));
    expect(markPeaks(first, at("9"))).toBe(first);
    expect(markPeaks(first, at("11")).peaks).toEqual({ u: "11" });
    expect(markPeaks(first, new Map()).peaks).toEqual({});
    expect(markPeaks(emptyAlertBook, new Map())).toBe(emptyAlertBook);
  });

  test("keeps the alerts of strategies that were not told anew, and forgets those of strategies that are gone", () => {
    const rule = { name: "loss", metric: "pnlRatio", threshold: "-0.05" } as const;
    const first = rememberRules(
      emptyAlertBook,
      new Map([
        ["u", [rule]],
        ["v", [rule]],
      ]),
    );
    expect(
      rememberRules(
        first,
        new Map([
          ["u", undefined],
          ["v", undefined],
        ]),
      ),
    ).toBe(first);
    expect(rememberRules(first, new Map([["u", undefined]])).rules).toEqual({ u: [rule] });
    expect(
      rememberRules(
        first,
        new Map([
          ["u", []],
          ["v", undefined],
        ]),
      ).rules,
    ).toEqual({ v: [rule] });
    expect(rememberRules(emptyAlertBook, new Map([["u", []]]))).toBe(emptyAlertBook);
  });

  test("stays bounded, and its ids unique, whatever happens", () => {
    const keys = fc.constantFrom("a", "b", "c");
    const step = fc.record({
      advanceMs: fc.integer({ min: 0, max: 2 * clearForMs }),
      on: fc.uniqueArray(keys),
      watched: fc.uniqueArray(keys),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let book: AlertBook = emptyAlertBook;
        let nowMs = 0;
        const told: Alert[] = [];
        for (const { advanceMs, on, watched } of steps) {
          nowMs += advanceMs;
          const before = new Set(book.recent.map(({ id }) => id));
          book = stepAlerts(
            book,
            watched.map((key) => condition(on.includes(key), key)),
            nowMs,
          );
          told.push(...book.recent.filter(({ id }) => !before.has(id)));
          expect(alertBook.safeParse(book).success).toBe(true);
        }
        // Per condition, firing and resolved take turns.
        for (const key of ["a", "b", "c"]) {
          const states = told.filter((alert) => alert.key === key).map(({ state }) => state);
          expect(states).toEqual(states.map((_, index) => (index % 2 === 0 ? "firing" : "resolved")));
        }
      }),
    );
  });

  test("forgets the oldest of what is not posted, and counts it", () => {
    const many = Array.from({ length: 130 }, (_, index) => condition(true, `k${index}`));
    const { book } = run([1, many]);
    expect([book.unposted.length, book.dropped, book.recent.length]).toEqual([100, 30, 50]);
  });
});

describe("conditions", () => {
  test("a breaker fires while it is not armed", () => {
    const policy = { namespace: "demo", name: "p" };
    const views = [
      { type: "Drawdown", scope: {}, state: "Tripped", action: "Halt", value: "0.21", threshold: "0.20" },
      { type: "VenueStale", scope: { account: "main" }, state: "Armed", action: "Reduce" },
      { type: "RapidLoss", scope: {}, state: "CoolingDown", action: "Flatten" },
    ] as const;
    expect(breakerConditions(views, policy).map(({ key, firing, summary }) => ({ key, firing, summary }))).toEqual([
      {
        key: "riskpolicy/demo/p/breaker/Drawdown",
        firing: true,
        summary: "riskpolicy p: circuit breaker Drawdown has tripped, action Halt, measured 0.21 at a threshold of 0.20",
      },
      {
        key: "riskpolicy/demo/p/breaker/VenueStale/account main",
        firing: false,
        summary: "riskpolicy p (account main): circuit breaker VenueStale is armed again",
      },
      {
        key: "riskpolicy/demo/p/breaker/RapidLoss",
        firing: true,
        summary: "riskpolicy p: circuit breaker RapidLoss has tripped, action Flatten",
      },
    ]);
  });

  test("a strategy of which nothing is known keeps its alerts as they are", () => {
    const rule = { name: "loss", metric: "pnlRatio", threshold: "-0.05" } as const;
    const [unknown] = strategyConditions({ namespace: "demo", name: "trend", alerts: [rule], figures: undefined });
    expect(unknown).toMatchObject({ key: "strategy/demo/trend/loss", firing: undefined });
  });
});

describe("the message for Slack", () => {
  const raised = stepAlerts(emptyAlertBook, [{ ...condition(true), summary: "loss <!channel> & more" }], 1_500).recent[0]!;

  test("says what, where and with which numbers", () => {
    expect(slackMessage(raised)).toMatchObject({
      text: "Warning: loss (Strategy demo/trend): loss &lt;!channel&gt; &amp; more",
      attachments: [{ ts: 1, fields: [{ value: "-0.06" }, { value: "-0.05" }], footer: "strategy/demo/trend/loss#1500/firing" }],
    });
  });

  test("turns green when it is over", () => {
    expect(slackMessage({ ...raised, state: "resolved" }).attachments[0]).toMatchObject({
      color: "#2eb886",
      title: "Resolved: loss (Strategy demo/trend)",
    });
  });
});
