import { ContextModel } from "@bellwether/trading/engine/language-model";
import type { DecisionEvidence } from "@bellwether/trading/wire";
import { expect, test } from "vitest";
import { z } from "zod";
import { ScriptedModels } from "../llm/testing/scripted-models.ts";
import { type Answer, askFor } from "./ask-for.ts";

const schema = z.strictObject({ side: z.enum(["up", "down"]), ratio: z.number().max(1) });
type Value = z.output<typeof schema>;
const good = '{"side":"up","ratio":0.5}';
const value: Value = { side: "up", ratio: 0.5 };
const silent = { answered: false, reason: "TIMEOUT", message: "did not answer within 100 ms" } as const;

test.each<{ when: string; says: (string | typeof silent)[]; answer: Answer<Value>; faults: (string | undefined)[] }>([
  { when: "it fits", says: [good], answer: { answered: true, value }, faults: [undefined] },
  {
    when: "it stands in a code block",
    says: [`\`\`\`json\n${good}\n\`\`\``],
    answer: { answered: true, value },
    faults: [undefined],
  },
  {
    when: "it fits after one repair",
    says: ['{"side":"sideways","ratio":2}', good],
    answer: { answered: true, value },
    faults: [expect.stringMatching(/^side: .*; ratio: /) as string, undefined],
  },
  {
    when: "it never fits",
    says: ["up, surely", `I mean ${good}`],
    answer: { answered: false, reason: "INVALID", message: "the answer is not JSON" },
    faults: ["the answer is not JSON", "the answer is not JSON"],
  },
  {
    when: "a field is made up",
    says: ['{"side":"up","ratio":0.5,"size":"all"}', "[]"],
    answer: { answered: false, reason: "INVALID", message: expect.stringContaining("the answer: ") as string },
    faults: [expect.stringContaining("size") as string, expect.any(String) as string],
  },
  { when: "nobody answers", says: [silent], answer: silent, faults: ["TIMEOUT: did not answer within 100 ms"] },
  {
    when: "nobody answers the repair",
    says: ["{}", silent],
    answer: silent,
    faults: [expect.stringContaining("side: ") as string, "TIMEOUT: did not answer within 100 ms"],
  },
])("an answer when $when", async ({ says, answer, faults }) => {
  const models = new ScriptedModels((_question, count) => says[count - 1] ?? "too many questions");
  const evidence: DecisionEvidence[] = [];
  const asked = askFor(new ContextModel(models, "BTC/USDT", evidence), schema, { messages: [{ role: "user", content: "up?" }] });
  expect(await asked).toEqual(answer);
  expect(models.asked).toHaveLength(says.length);
  expect(evidence.map(({ fault }) => fault)).toEqual(faults);
});

test("the repair holds the answer and its faults, and the form is shown as JSON schema both times", async () => {
  const models = new ScriptedModels((_question, count) => (count === 1 ? '{"side":"up"}' : good));
  await askFor(new ContextModel(models, "BTC/USDT", []), schema, { messages: [{ role: "user", content: "up?" }], maxTokens: 9 });
  const [first, second] = models.asked;
  expect(second?.messages.slice(0, 2)).toEqual([...(first?.messages ?? []), { role: "assistant", content: '{"side":"up"}' }]);
  expect(second?.messages.at(-1)).toEqual({ role: "user", content: expect.stringContaining("ratio: ") as string });
  for (const question of models.asked) {
    expect(question).toMatchObject({
      model: "auto",
      maxTokens: 9,
      format: { schema: { type: "object", required: ["side", "ratio"] } },
    });
  }
});
