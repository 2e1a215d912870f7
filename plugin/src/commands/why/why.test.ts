import { describe, expect, test } from "vitest";
import { PluginError } from "../../errors.ts";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, strategyObject } from "../../testing/fake-world.ts";
import { brokerOrderObject, clientOrderId, intentId, intentObject, intentOrderObject } from "../../testing/wire-objects.ts";
import { policiesToAsk } from "./plan.ts";
import { why } from "./run.ts";
import { whyLines } from "./view.ts";

const denied = intentObject({
  verdict: { allowed: false, reason: "POSITION_RATIO", message: "BTC/USDT would be 0.6 of the equity, at most 0.5" },
  chain: [
    { rule: "trading-state", outcome: "passed", numbers: { state: "Active" } },
    {
      rule: "max-position-ratio",
      outcome: "denied",
      message: "BTC/USDT would be 0.6 of the equity, at most 0.5",
      numbers: { ratio: "0.6", maximum: "0.5" },
    },
    { rule: "max-open-orders", outcome: "notReached", numbers: { open: "3", maximum: "20" } },
  ],
  orders: [],
});

describe("which policies are asked", () => {
  const world = { policies: [policyObject("b"), policyObject("a")], strategies: [strategyObject("trend", "b")] };
  test.each([
    { intent: "uid-trend/1/2/3", asks: ["b"] },
    { intent: "uid-gone/1/2/3", asks: ["a", "b"] },
    { intent: clientOrderId, asks: ["a", "b"] },
  ])("$intent → $asks", ({ intent, asks }) => {
    expect(policiesToAsk(intent, world)).toEqual(asks);
  });
});

describe("why", () => {
  test("asks policy after policy until one knows the order", async () => {
    const { world, risks } = fakeWorld(policyObject("a"), policyObject("b"));
    risks.get("b")!.intents.set(clientOrderId, intentObject());
    expect(await why({ intent: clientOrderId, policy: undefined }, world)).toMatchObject({
      exitCode: 0,
      document: { policy: "b", intentId },
    });
    expect(risks.get("a")?.closed).toBe(1);
  });

  test("is not found only when every policy has said so", async () => {
    const { world, down } = fakeWorld(policyObject("a"), policyObject("b"));
    await expect(why({ intent: "x", policy: undefined }, world)).rejects.toMatchObject({ code: "INTENT_NOT_FOUND" });
    down.add("a");
    await expect(why({ intent: "x", policy: undefined }, world)).rejects.toMatchObject({ code: "RISK_UNREACHABLE" });
  });

  test("asks the named policy only", async () => {
    const { world, risks } = fakeWorld(policyObject("a"), policyObject("b"));
    risks.get("b")!.intents.set("x", intentObject());
    await expect(why({ intent: "x", policy: "a" }, world)).rejects.toBeInstanceOf(PluginError);
    await expect(why({ intent: "x", policy: "c" }, world)).rejects.toMatchObject({ code: "POLICY_NOT_FOUND" });
  });
});

describe("the story of an intent", () => {
  const story = (reply = intentObject()): string => whyLines(reply, "demo", plainStyle).join("\n");

  test("tells what models were asked for it, and what was wrong with an answer", () => {
    const used = {
      market: "BTC/USDT",
      model: "small",
      inputTokens: 812,
      outputTokens: 64,
      costUsd: "0.00094",
      cache: "miss" as const,
    };
    const evidence = [
      { ...used, promptHash: "a1".repeat(32), fault: "the answer is not JSON" },
      { ...used, promptHash: "b2".repeat(32) },
      { market: "BTC/USDT", promptHash: "c3".repeat(32), fault: "TIMEOUT: too\nslow" },
    ];
    const lines = story(intentObject({ evidence })).split("\n");
    const from = lines.indexOf("Models asked");
    expect(lines.slice(from, from + 5).map((line) => line.trimEnd())).toEqual([
      "Models asked",
      "  MARKET    MODEL  TOKENS      USD  CACHE  PROMPT        FAULT",
      "  BTC/USDT  small  812+64  0.00094  miss   a1a1a1a1a1a1  the answer is not JSON",
      "  BTC/USDT  small  812+64  0.00094  miss   b2b2b2b2b2b2",
      "  BTC/USDT  -           -        -  -      c3c3c3c3c3c3  TIMEOUT: too slow",
    ]);
    expect(story()).not.toContain("Models asked");
  });

  test("of a filled buy has the wish, the world, sizes, rules, order, fills and the end in words", () => {
    expect(story()).toMatchInlineSnapshot(`
      "intent buy BTC/USDT of strategy trend on account paper under riskpolicy/demo
        intent   uid-trend/1/1641384000000/0
        decided  2022-01-05 12:00:00Z (market time), judged 2026-11-21 13:59:00Z
        verdict  allowed

      Asked for
        size.equityRatio  0.2
        validUntil        2022-01-05 12:01:00Z

      Judged in
        trading   Active
        equity    10012.345
        freeCash  600

      Sized
        STEP        BEFORE  AFTER  WHY                       NUMBERS
        affordable    0.04  0.012  free cash covers no more  freeCash 600

      Rules, in order
        RULE                OUTCOME  NUMBERS
        trading-state       passed   state Active
        max-position-ratio  passed   ratio 0.06, maximum 0.5

      Order, attempt 1
        order     0f3b9a0d5c0f4c0a8e7d6b5a49382716 (at the venue: v-17)
        terms     buy 0.012 BTC/USDT, market, GTC, stop 41000
        state     Filled, 0.012 filled
        committed 2026-11-21 13:59:00Z
        approved  2026-11-21 13:59:00Z under epoch 3, key k-1, nonce n-1
        reserved  600.00 quote, 0 base: released 2026-11-21 14:00:00Z
        FILLED AT (MARKET)    LEG    SIDE  QUANTITY    PRICE         FEE  TRADE
        2022-01-05 12:01:00Z  entry  buy      0.007  46000.5  0.322 USDT  t-1
        2022-01-05 12:01:00Z  entry  buy      0.005  46000.5  0.322 USDT  t-2

      In words
        Allowed, sized from 0.04 to 0.012.
        Approved once; filled completely, 0.012 of 0.012 in 2 fills."
    `);
  });

  test("of a denied one says which rule, with its numbers, and that nothing was sent", () => {
    const text = story(denied);
    expect(text).toMatch(/max-position-ratio +DENIED +ratio 0.6, maximum 0.5/);
    expect(text).toMatch(/max-open-orders +not reached/);
    expect(text).toContain(
      "Denied by max-position-ratio: BTC/USDT would be 0.6 of the equity, at most 0.5. No order was made and nothing was sent.",
    );
  });

  test.each([
    { state: "Approved", words: "not acknowledged" },
    { state: "AboutToSend", words: "about to be sent" },
    { state: "Unknown", words: "nothing is sent again" },
    { state: "Working", words: "working at the venue" },
    { state: "Cancelled", words: "cancelled" },
    { state: "Expired", words: "expired" },
    { state: "Rejected", words: "rejected by the venue" },
    { state: "NotSent", words: "never will" },
  ] as const)("ends in words: $state", ({ state, words }) => {
    const order = intentOrderObject({ order: brokerOrderObject({ state, filledQuantity: "0" }), fills: [] });
    expect(story(intentObject({ orders: [order] }))).toContain(words);
  });

  test("of a cancel has neither sizes nor rules", () => {
    const text = story(intentObject({ kind: "cancel", sizing: [], chain: [], orders: [], asked: { clientOrderId } }));
    expect(text).toContain("handed to the broker");
    expect(text).not.toContain("Sized");
    expect(text).not.toContain("Rules");
  });

  test("cannot steer the reader's terminal", () => {
    const order = intentOrderObject({ order: brokerOrderObject({ state: "Rejected", reason: "no \u001B[2J funds" }) });
    // oxlint-disable-next-line no-control-regex -- the escape sequence is what must not be there
    expect(story(intentObject({ orders: [order] }))).not.toMatch(/\u001B/);
  });
});
