import { seededRandom } from "@bellwether/service-kit/random";
import { describe, expect, test } from "vitest";
import { ADVERSARIAL_KINDS, adversarialPair, reformattedPair } from "../testing/question-pairs.ts";
import { lexicalEmbedding, similarity } from "./lexical-embedding.ts";
import { MAX_MEANING_LENGTH, meaningOf } from "./meaning.ts";
import { type Reuse, mayReuse } from "./safety-gate.ts";

const PAIRS_A_KIND = 400;

function reuse(left: string, right: string): Reuse {
  const [ours, theirs] = [meaningOf(left), meaningOf(right)];
  if (ours === undefined || theirs === undefined) throw new Error("a question without a meaning");
  return mayReuse(ours, theirs);
}

describe("an answer is not given to a question that", () => {
  test.each([
    { differs: "in its side", left: "Should I buy BTC now?", right: "Should I sell BTC now?", reason: "SIDES_DIFFER" },
    { differs: "in its ticker", left: "Should I buy BTC now?", right: "Should I buy ETH now?", reason: "ENTITIES_DIFFER" },
    {
      differs: "in whom it compares with whom",
      left: "Is BTC better than ETH?",
      right: "Is ETH better than BTC?",
      reason: "ORDER_DIFFERS",
    },
    { differs: "in what it swaps to what", left: "Swap 2 SOL to ETH", right: "Swap ETH to 2 SOL", reason: "ORDER_DIFFERS" },
    { differs: "in a number", left: "Sell at 41,000", right: "Sell at 14,000", reason: "NUMBERS_DIFFER" },
    {
      differs: "in a sign",
      left: "What if BTC moves -5% today?",
      right: "What if BTC moves 5% today?",
      reason: "NUMBERS_DIFFER",
    },
    { differs: "in a decimal point", left: "Buy 1.5 SOL", right: "Buy 15 SOL", reason: "NUMBERS_DIFFER" },
    { differs: "in a unit", left: "Wait 5 minutes", right: "Wait 5 hours", reason: "NUMBERS_DIFFER" },
    { differs: "in a unit of one letter", left: "Show the 1m chart", right: "Show the 1M chart", reason: "NUMBERS_DIFFER" },
    { differs: "in percent and basis points", left: "Risk 5 %", right: "Risk 5 bps", reason: "NUMBERS_DIFFER" },
    { differs: "in its currency", left: "Stop at $40", right: "Stop at €40", reason: "NUMBERS_DIFFER" },
    { differs: "in a date", left: "What happened on 2024-03-01?", right: "What happened on 2024-05-01?", reason: "DATES_DIFFER" },
    { differs: "in a weekday", left: "Close it on Monday", right: "Close it on Tuesday", reason: "DATES_DIFFER" },
    { differs: "in its time", left: "Did BTC fall yesterday?", right: "Will BTC fall tomorrow?", reason: "DATES_DIFFER" },
    { differs: "in a negation", left: "Do not sell ETH", right: "Do sell ETH", reason: "POLARITY_DIFFERS" },
    { differs: "in a negation with an apostrophe", left: "Don\u2019t sell ETH", right: "Sell ETH", reason: "POLARITY_DIFFERS" },
    {
      differs: "in what is negated",
      left: "Buy BTC if it does not fall",
      right: "Do not buy BTC if it falls",
      reason: "ORDER_DIFFERS",
    },
    { differs: "in where a negation ends", left: "No, buy BTC", right: "No buy BTC", reason: "POLARITY_DIFFERS" },
    { differs: "in its condition", left: "If BTC rises buy ETH", right: "Buy BTC if ETH rises", reason: "ORDER_DIFFERS" },
    {
      differs: "in what drives what",
      left: "Does volume drive volatility?",
      right: "Does volatility drive volume?",
      reason: "ORDER_DIFFERS",
    },
    {
      differs: "in a word nobody knows",
      left: "What is the yield of stETH?",
      right: "What is the slashing of stETH?",
      reason: "ENTITIES_DIFFER",
    },
    { differs: "in a preposition", left: "Raise the stop by 5 USD", right: "Raise the stop to 5 USD", reason: "WORDS_DIFFER" },
    { differs: "in being an order", left: "Sell BTC.", right: "Sell BTC?", reason: "WORDS_DIFFER" },
    { differs: "in a ticker that is a word", left: "Should I buy NOW?", right: "Should I buy now?", reason: "ENTITIES_DIFFER" },
    { differs: "in a comparison sign", left: "Alert me when RSI < 30", right: "Alert me when RSI > 30", reason: "WORDS_DIFFER" },
    { differs: "in a range", left: "Buy between 5-10 USD", right: "Buy between 5 10 USD", reason: "WORDS_DIFFER" },
    {
      differs: "in the case of an address",
      left: "Send it to 7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",
      right: "Send it to 7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsu",
      reason: "ENTITIES_DIFFER",
    },
    {
      differs: "in a number behind a line break",
      left: "Buy when it is\n5. Then wait.",
      right: "Buy when it is\n6. Then wait.",
      reason: "NUMBERS_DIFFER",
    },
    { differs: "in a value of JSON", left: '{"side":"buy","qty":1}', right: '{"side":"buy","qty":2}', reason: "NUMBERS_DIFFER" },
  ])("differs $differs", ({ left, right, reason }) => {
    expect(reuse(left, right)).toMatchObject({
      safe: false,
      reason: expect.stringMatching(reason === "ENTITIES_DIFFER" ? /ENTITIES|DATES|WORDS/ : reason) as string,
    });
  });

  test.each(ADVERSARIAL_KINDS)(`differs by %s only, in ${PAIRS_A_KIND} generated pairs`, (kind) => {
    const random = seededRandom(20_261_121);
    const pairs = Array.from({ length: PAIRS_A_KIND }, () => adversarialPair(random, kind));
    expect(pairs.filter(({ left, right }) => reuse(left, right).safe)).toEqual([]);
  });
});

describe("an answer is given to a question that says the same", () => {
  test.each([
    ["What is the price of BTC?", "How much is Bitcoin right now?"],
    ["Should I buy 2 BTC at $40,000?", "Is it a good idea to buy 2 bitcoin at 40000 USD?"],
    ["What's SOL's volatility over the last 7 days?", "Tell me the volatility of SOL over the past 7 days."],
    ["Don't sell ETH before 5 January 2024!", "Do not sell ETH before 2024-01-05."],
    ["Compare BTC and ETH", "Could you please compare BTC with ETH?"],
    ["- Explain RSI", "Explain **RSI**"],
    ['{"a":1,"b":[2,3]}', '{ "b": [2, 3],\n  "a": 1 }'],
    ["Risk 5 percent of it", "Risk 5% of it"],
    ["The fee is 10 basis points?", "The fee is 10bps?"],
    ["Buy 1.50k DOGE", "Buy 1,500 DOGE"],
  ])("%s / %s", (left, right) => {
    expect(reuse(left, right)).toEqual({ safe: true });
  });

  test("merely formatted otherwise, in 95 of 100 generated pairs or more", () => {
    const random = seededRandom(7);
    const pairs = Array.from({ length: 1_000 }, () => reformattedPair(random));
    expect(pairs.filter(({ left, right }) => reuse(left, right).safe).length).toBeGreaterThanOrEqual(950);
  });
});

describe("a question", () => {
  test.each(["", "   \n", "a the of", "x".repeat(MAX_MEANING_LENGTH + 1)])(
    "without a meaning that can be compared has none (%#)",
    (text) => {
      expect(meaningOf(text)).toBeUndefined();
    },
  );

  test("is as near to itself in other words as its facts are, and at most one fact away from its opposite", () => {
    const [ask, same, opposite] = ["Should I buy BTC now?", "Is now a good time to buy bitcoin?", "Should I sell BTC now?"].map(
      (text) => lexicalEmbedding(meaningOf(text)!),
    );
    expect(similarity(ask!, same!)).toBeCloseTo(1, 5);
    expect(similarity(ask!, opposite!)).toBeCloseTo(0.8, 1);
    expect(similarity(ask!, new Float32Array(3))).toBe(0);
  });
});
