import { describe, expect, test } from "vitest";
import { type DecisionEvidence, MOST_EVIDENCE, decisionEvidence } from "../wire/evidence.ts";
import { answerLine } from "./decision-log.ts";
import { ContextModel, type ModelPort, type ModelQuestion, type ModelReply, noModels, silence } from "./language-model.ts";

const answer: ModelReply = {
  answered: true,
  text: "yes",
  model: "small",
  inputTokens: 5,
  outputTokens: 1,
  costUsd: "0.1",
  cache: "miss",
};
const question: ModelQuestion = { messages: [{ role: "user", content: "up?" }] };

/** One market's models that say `replies` one after another, then the last for ever. */
function models(...replies: ModelReply[]): {
  model: ContextModel;
  evidence: DecisionEvidence[];
  hashes: string[];
  asked: ModelQuestion[];
} {
  const evidence: DecisionEvidence[] = [];
  const [hashes, asked]: [string[], ModelQuestion[]] = [[], []];
  const port: ModelPort = {
    ...noModels,
    ask(put, hash) {
      asked.push(put);
      hashes.push(hash);
      return Promise.resolve(replies[hashes.length - 1] ?? replies.at(-1) ?? answer);
    },
  };
  return { model: new ContextModel(port, "BTC/USDT", evidence), evidence, hashes, asked };
}

describe("what is journalled of a question", () => {
  test("is the digest of all that was asked, and what the answer took", async () => {
    const { model, evidence, hashes } = models(answer);
    await model.ask(question);
    await model.ask({ messages: [{ content: "up?", role: "user" }], model: "auto", maxTokens: 512 });
    for (const change of [{ model: "large" }, { maxTokens: 9 }, { format: { name: "answer", schema: {} } }, { messages: [] }]) {
      await model.ask({ ...question, ...change });
    }
    expect(hashes[0]).toBe(hashes[1]);
    expect(new Set(hashes).size).toBe(5);
    expect(evidence[0]).toEqual({
      market: "BTC/USDT",
      promptHash: hashes[0],
      model: "small",
      inputTokens: 5,
      outputTokens: 1,
      costUsd: "0.1",
      cache: "miss",
    });
    for (const entry of evidence) expect(decisionEvidence.parse(entry)).toEqual(entry);
  });

  test.each([
    { reply: silence("TIMEOUT", "too slow"), fault: "TIMEOUT: too slow" },
    { reply: silence("REFUSED", "x".repeat(1_000)), fault: `REFUSED: ${"x".repeat(291)}` },
  ])("is why nobody answered: $reply.reason", async ({ reply, fault }) => {
    const { model, evidence } = models(reply);
    await model.ask(question);
    expect(evidence).toEqual([{ market: "BTC/USDT", promptHash: expect.any(String) as string, fault }]);
  });

  test.each(["NO_ROUTE", "BACKLOG"] as const)("is nothing when nobody was asked: %s", async (reason) => {
    const { model, evidence } = models(silence(reason, "no"));
    expect(await model.ask(question)).toMatchObject({ answered: false, reason });
    model.reject("of what?");
    expect(evidence).toEqual([]);
  });

  test("is that the last answer was of no use, whatever a program gives as reason", async () => {
    const { model, evidence } = models(answer);
    model.reject("before anything was asked");
    await model.ask(question);
    await model.ask(question);
    model.reject({ toString: () => "y".repeat(1_000) });
    expect(evidence.map(({ fault }) => fault)).toEqual([undefined, "y".repeat(300)]);
  });

  test("has an end: what is too much is not asked", async () => {
    const { model, evidence, asked } = models(answer);
    for (let count = 0; count < MOST_EVIDENCE; count++) await model.ask(question);
    expect(await model.ask(question)).toMatchObject({ answered: false, reason: "TOO_MANY_QUESTIONS" });
    expect([asked.length, evidence.length]).toEqual([MOST_EVIDENCE, MOST_EVIDENCE]);
  });
});

test.each<{ evidence: Omit<DecisionEvidence, "market" | "promptHash">; line: string }>([
  {
    evidence: { model: "small", inputTokens: 5, outputTokens: 1, costUsd: "0.1", cache: "exact" },
    line: "answer 60000 ab small tokens=5+1 cost=0.1 cache=exact",
  },
  { evidence: { model: "small", fault: "no\nJSON" }, line: 'answer 60000 ab small tokens=-+- cost=- cache=- fault="no\\nJSON"' },
])("the decision log has one line for a question: $line", ({ evidence, line }) => {
  expect(answerLine(60_000, { market: "BTC/USDT", promptHash: "ab", ...evidence })).toBe(line);
});
