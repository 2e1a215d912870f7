import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../server/chat-request.ts";
import { type CacheableAnswer, isVolatile, keepAnswer } from "./cacheable.ts";

const times = { ttlMs: 86_400_000, volatileTtlMs: 300_000 };
const ask = (content: string, more: Partial<ChatRequest> = {}): ChatRequest => ({
  model: "auto",
  messages: [{ role: "user", content }],
  ...more,
});
const answer: CacheableAnswer = { content: "A mutex admits one thread.", finishReason: "stop", degraded: false, held: true };

describe("an answer is kept", () => {
  test.each([
    { when: "it speaks of nothing that changes", request: ask("What is a mutex?"), given: answer, ttlMs: 86_400_000 },
    { when: "the question speaks of a price", request: ask("What is the price of BTC?"), given: answer, ttlMs: 300_000 },
    {
      when: "only the answer speaks of money",
      request: ask("What is it?"),
      given: { ...answer, content: "It is $5." },
      ttlMs: 300_000,
    },
    {
      when: "another model had to answer",
      request: ask("What is a mutex?"),
      given: { ...answer, degraded: true },
      ttlMs: 300_000,
    },
    { when: "the temperature is low", request: ask("What is a mutex?", { temperature: 0.2 }), given: answer, ttlMs: 86_400_000 },
  ])("for $ttlMs ms when $when", ({ request, given, ttlMs }) => {
    expect(keepAnswer(request, given, times)).toMatchObject({ keep: true, ttlMs });
  });

  test("never longer than any answer, however long volatile ones may live", () => {
    expect(keepAnswer(ask("BTC price?"), answer, { ttlMs: 1_000, volatileTtlMs: 5_000 })).toMatchObject({ ttlMs: 1_000 });
  });
});

describe("an answer is not kept", () => {
  test.each([
    { when: "it calls a tool", given: { ...answer, toolCalls: [{}] }, reason: "TOOL_CALLS" },
    { when: "it ends in a tool call", given: { ...answer, finishReason: "tool_calls" }, reason: "TOOL_CALLS" },
    { when: "it was cut at its length", given: { ...answer, finishReason: "length" }, reason: "CUT_OFF" },
    { when: "its stream broke off", given: { ...answer, finishReason: "" }, reason: "CUT_OFF" },
    { when: "it was filtered", given: { ...answer, finishReason: "content_filter" }, reason: "REFUSED" },
    { when: "it is a refusal", given: { ...answer, refusal: "no" }, reason: "REFUSED" },
    { when: "it is empty", given: { ...answer, content: " " }, reason: "EMPTY" },
    { when: "there is none", given: { ...answer, content: null }, reason: "EMPTY" },
    { when: "its checks failed", given: { ...answer, held: false }, reason: "DOUBTED" },
  ])("when $when", ({ given, reason }) => {
    expect(keepAnswer(ask("What is a mutex?"), given, times)).toEqual({ keep: false, reason });
  });

  test("when variety was asked for", () => {
    expect(keepAnswer(ask("What is a mutex?", { temperature: 0.9 }), answer, times)).toEqual({
      keep: false,
      reason: "TEMPERATURE",
    });
  });
});

describe("what is of the moment", () => {
  test.each([
    "BTC/USDT",
    "41,000 USD",
    "up 5%",
    "$3",
    "the latest news",
    "RSI of the last bars",
    "your position",
    "2026-11-21",
    "Should I sell?",
    "€ 7",
  ])("%s", (text) => {
    expect(isVolatile(text)).toBe(true);
  });
  test.each(["What is a mutex?", "Explain how a hash map works.", "Translate cat into French."])("not: %s", (text) => {
    expect(isVolatile(text)).toBe(false);
  });
});
