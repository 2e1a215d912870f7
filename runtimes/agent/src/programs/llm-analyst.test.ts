import type { ModelReply } from "@bellwether/trading/engine/language-model";
import { expect, test } from "vitest";
import { ScriptedModels, opinion } from "../llm/testing/scripted-models.ts";
import { fillsOf, ramp, runOver } from "./testing/run-over.ts";

const silent: ModelReply = { answered: false, reason: "UNREACHABLE", message: "the gateway is away" };
/** Asked at the 10th bar and every later one; what is decided there is filled a minute later. */
const bars = ramp(100, 128, 14);
const parameters = { bars: 10, stopLossRatio: 0, equityRatio: 1 };

test.each<{ when: string; says: (string | ModelReply)[]; more?: Record<string, number>; fills: string[] }>([
  {
    when: "it says buy, hold and sell: in, and out whole",
    says: [opinion("buy"), opinion("hold"), opinion("sell")],
    fills: ["10 buy 120", "12 sell 124"],
  },
  { when: "it says buy again and again: in once", says: [opinion("buy"), opinion("buy"), opinion("buy")], fills: ["10 buy 120"] },
  { when: "it says sell and nothing is held: nothing", says: [opinion("sell"), opinion("sell")], fills: [] },
  { when: "it is not sure enough: nothing", says: [opinion("buy", 0.59), opinion("hold")], fills: [] },
  { when: "less is sure enough: in", says: [opinion("buy", 0.3)], more: { minConfidence: 0.3 }, fills: ["10 buy 120"] },
  { when: "it is repaired: in", says: ["buy!", opinion("buy")], fills: ["10 buy 120"] },
  {
    when: "it talks nonsense twice: nothing, until the next bar",
    says: ["buy!", '{"action":"buy"}', opinion("buy")],
    fills: ["11 buy 122"],
  },
  { when: "nobody answers: nothing, and no failure", says: [silent, silent, opinion("buy")], fills: ["12 buy 124"] },
])("when $when", async ({ says, more, fills }) => {
  const models = new ScriptedModels((_question, count) => says[count - 1] ?? opinion("hold"));
  const result = await runOver({ name: "llm-analyst", models }, bars, { ...parameters, ...more });
  expect(fillsOf(result)).toEqual(fills);
});

test("shows the model market, position, recent decisions and its last thought, and nothing of bars to come", async () => {
  const models = new ScriptedModels((_question, count) => opinion(count === 1 ? "buy" : "hold", 0.8, `thought ${count}`));
  await runOver({ name: "llm-analyst", models }, bars, { ...parameters, instructions: "Never on Fridays.", recentDecisions: 2 });
  const [first, , , fourth] = models.asked.map(({ messages }) => messages.map(({ content }) => content));
  expect(first?.[0]).toContain("BTC/USDT");
  expect(first?.[0]).toContain("Never on Fridays.");
  expect(first?.[1]).toContain("Position: none.");
  expect(first?.[1]).toContain("There is no decision before this one.");
  expect(first?.[1]?.match(/^1970-01-01T00:\d\d,.*$/gm)).toHaveLength(10);
  expect(first?.[1]).not.toContain("1970-01-01T00:10,");
  expect(fourth?.[1]).toContain("bought at 120");
  expect(fourth?.[1]).toContain("What you thought at the last decision: thought 3");
  expect(fourth?.[1]?.match(/: (buy|sell|hold), confidence 0\.8$/gm)).toEqual([
    ": hold, confidence 0.8",
    ": hold, confidence 0.8",
  ]);
});

test("a run is named by what the models said, too", async () => {
  const digest = async (says: string): Promise<string> =>
    (await runOver({ name: "llm-analyst", models: new ScriptedModels(() => says) }, bars, parameters)).logSha256;
  expect(await digest(opinion("hold"))).toBe(await digest(opinion("hold")));
  expect(await digest("nonsense")).not.toBe(await digest(opinion("hold")));
});
