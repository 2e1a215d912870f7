import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../server/chat-request.ts";
import { lexicalEmbedding } from "./lexical-embedding.ts";
import { type CacheScope, exactKey } from "./exact-key.ts";
import { type EmbeddedQuestion, judgeHit, semanticQuestion } from "./semantic-question.ts";

const scope: CacheScope = { route: "r", tenant: "alpha" };
const ask = (content: string, more: Partial<ChatRequest> = {}): ChatRequest => ({
  model: "auto",
  messages: [
    { role: "system", content: "You trade." },
    { role: "user", content },
  ],
  ...more,
});
const tool = (parameters: Record<string, unknown>): ChatRequest["tools"] => [
  { type: "function", function: { name: "buy", parameters } },
];

describe("the exact key", () => {
  const base = ask("Buy 1 BTC?\nWhy?");
  test.each<{ what: string; request: ChatRequest }>([
    { what: "is streamed", request: ask("Buy 1 BTC?\nWhy?", { stream: true, stream_options: { include_usage: true } }) },
    { what: "has Windows line ends and blanks at line ends", request: ask("  Buy 1 BTC?  \r\nWhy?\n\n") },
    {
      what: "comes in parts",
      request: {
        ...base,
        messages: [
          base.messages[0]!,
          {
            role: "user",
            content: [
              { type: "text", text: "Buy 1 BTC?\n" },
              { type: "text", text: "Why?" },
            ],
          },
        ],
      },
    },
    { what: "names its user", request: ask("Buy 1 BTC?\nWhy?", { user: "u1" }) },
    { what: "leaves fields null", request: ask("Buy 1 BTC?\nWhy?", { temperature: null, stop: null, seed: null }) },
  ])("is the same for a request that $what", ({ request }) => {
    expect(exactKey(request, scope)).toBe(exactKey(base, scope));
  });

  test("is the same whatever the order of keys, and for either name of the answer's limit", () => {
    const [one, other] = [tool({ type: "object", required: ["a"] }), tool({ required: ["a"], type: "object" })];
    expect(exactKey(ask("x", { tools: one, max_tokens: 5 }), scope)).toBe(
      exactKey(ask("x", { max_completion_tokens: 5, tools: other }), scope),
    );
  });

  test.each<{ what: string; request: ChatRequest; under?: CacheScope }>([
    { what: "model", request: { ...base, model: "large" } },
    { what: "temperature", request: { ...base, temperature: 0.1 } },
    { what: "seed", request: { ...base, seed: 1 } },
    { what: "stop", request: { ...base, stop: "x" } },
    { what: "limit of the answer", request: { ...base, max_tokens: 1 } },
    { what: "form of the answer", request: { ...base, response_format: { type: "json_object" } } },
    { what: "tools", request: { ...base, tools: tool({}) } },
    { what: "system message", request: { ...base, messages: [{ role: "system", content: "You wait." }, base.messages[1]!] } },
    { what: "role", request: { ...base, messages: [{ role: "developer", content: "You trade." }, base.messages[1]!] } },
    { what: "inner blank", request: ask("Buy  1 BTC?\nWhy?") },
    { what: "letter's case", request: ask("buy 1 BTC?\nWhy?") },
    { what: "tenant", request: base, under: { route: "r", tenant: "beta" } },
    { what: "route", request: base, under: { route: "q", tenant: "alpha" } },
    { what: "scope", request: base, under: { route: "r", shared: true } },
  ])("differs with the $what", ({ request, under }) => {
    expect(exactKey(request, under ?? scope)).not.toBe(exactKey(base, scope));
  });

  test("cannot be met by a tenant whose name is the word for a shared cache", () => {
    expect(exactKey(base, { route: "r", tenant: "shared" })).not.toBe(exactKey(base, { route: "r", shared: true }));
  });

  test("tells a null inside a tool's schema from nothing there", () => {
    expect(exactKey(ask("x", { tools: tool({ const: null }) }), scope)).not.toBe(exactKey(ask("x", { tools: tool({}) }), scope));
  });
});

describe("a semantic look-up", () => {
  const embedded = (request: ChatRequest, under = scope): EmbeddedQuestion => {
    const question = semanticQuestion(request, under)!;
    return { ...question, embedding: lexicalEmbedding(question.meaning) };
  };
  const stored = embedded(ask("What is the price of BTC?"));

  test.each<{ when: string; asked: EmbeddedQuestion; verdict: object }>([
    { when: "the same is asked in other words", asked: embedded(ask("How much is bitcoin?")), verdict: { hit: true } },
    {
      when: "another tenant asks",
      asked: embedded(ask("How much is bitcoin?"), { route: "r", tenant: "beta" }),
      verdict: { hit: false, reason: "CONTEXT_DIFFERS" },
    },
    {
      when: "another model is asked",
      asked: embedded(ask("How much is bitcoin?", { model: "large" })),
      verdict: { hit: false, reason: "CONTEXT_DIFFERS" },
    },
    { when: "something else is asked", asked: embedded(ask("Who are you?")), verdict: { hit: false, reason: "TOO_FAR" } },
    {
      when: "a model finds near what is not the same",
      asked: { ...embedded(ask("What is the price of ETH?")), embedding: stored.embedding },
      verdict: { hit: false, reason: "ENTITIES_DIFFER", left: "btc", right: "eth" },
    },
  ])("when $when: $verdict", ({ asked, verdict }) => {
    expect(judgeHit(stored, asked, 0.95)).toMatchObject(verdict);
  });

  test.each<{ what: string; request: ChatRequest }>([
    { what: "with tools", request: ask("What is the price of BTC?", { tools: tool({}) }) },
    {
      what: "after a tool's answer",
      request: {
        model: "auto",
        messages: [
          { role: "user", content: "x" },
          { role: "tool", content: "1", tool_call_id: "t" },
        ],
      },
    },
  ])("is not made for a request $what", ({ request }) => {
    expect(semanticQuestion(request, scope)).toBeUndefined();
  });

  test("never crosses tenants, in a thousand pairs of tenants", () => {
    const texts = ["What is the price of BTC?", "Should I buy ETH now?"];
    const keys = Array.from(
      { length: 1_000 },
      (_, index) => embedded(ask(texts[index % 2]!), { route: "r", tenant: `t${index}` }).contextKey,
    );
    expect(new Set(keys).size).toBe(1_000);
  });
});
