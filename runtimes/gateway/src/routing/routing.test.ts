import { describe, expect, test } from "vitest";
import { type CheckedAnswer, checkAnswer, findingsOf } from "./answer-checks.ts";
import { equationsIn, evaluate } from "./arithmetic.ts";
import { Attempts } from "./attempts.ts";
import { type Candidate, type Choice, type RoutingQuestion, type RoutingRules, chooseModels } from "./choose-models.ts";
import { complexityOf } from "./complexity.ts";
import type { Decimal } from "@bellwether/trading/decimal";

const candidate = (name: string, more: Partial<Candidate> & { usd?: number } = {}): Candidate => {
  const price = BigInt(more.usd ?? 0) as Decimal;
  return {
    name,
    tier: "Small",
    local: false,
    breaker: "Closed",
    price: { inputPerMillionTokens: price, outputPerMillionTokens: price },
    ...more,
  };
};
const route = [
  candidate("tiny", { local: true }),
  candidate("mini", { usd: 2 }),
  candidate("big", { tier: "Large", usd: 9 }),
  candidate("bigger", { tier: "Large", usd: 5 }),
];
const rules: RoutingRules = { strategy: "Threshold", complexityThreshold: 0.5, fallback: [], onExhausted: "LocalOnly" };
const names = (choice: Choice): object =>
  choice.chosen
    ? { models: choice.models.map(({ name }) => name), escalation: choice.escalation.map(({ name }) => name) }
    : choice;

describe("the choice among models", () => {
  const easy: RoutingQuestion = { asked: "auto", complexity: 0.1, budget: "Available" };
  const open = (...closed: string[]): Candidate[] =>
    route.map((model) => (closed.includes(model.name) ? { ...model, breaker: "Open" } : model));
  test.each<{
    when: string;
    models?: Candidate[];
    rule?: Partial<RoutingRules>;
    question?: Partial<RoutingQuestion>;
    then: object;
  }>([
    { when: "the question is easy", then: { models: ["tiny", "mini"], escalation: [] } },
    { when: "the question is as hard as the threshold", question: { complexity: 0.5 }, then: { models: ["big", "bigger"] } },
    { when: "there is no such tier", models: route.slice(0, 2), question: { complexity: 1 }, then: { models: ["tiny", "mini"] } },
    { when: "a fallback is named", rule: { fallback: ["bigger", "tiny"] }, then: { models: ["tiny", "mini", "bigger"] } },
    { when: "a model is named", question: { asked: "big" }, rule: { fallback: ["tiny"] }, then: { models: ["big", "tiny"] } },
    {
      when: "an unknown model is named",
      question: { asked: "gpt" },
      then: { chosen: false, reason: "MODEL_UNKNOWN", known: ["tiny", "mini", "big", "bigger"] },
    },
    {
      when: "a cascade decides",
      rule: { strategy: "Cascade" },
      question: { complexity: 1 },
      then: { models: ["tiny", "mini"], escalation: ["big", "bigger"] },
    },
    {
      when: "a cascade has no small model left",
      models: open("tiny", "mini"),
      rule: { strategy: "Cascade" },
      then: { models: ["big", "bigger"], escalation: [] },
    },
    { when: "a breaker is open", models: open("tiny"), then: { models: ["mini"] } },
    { when: "a breaker is half open", models: [candidate("tiny", { breaker: "HalfOpen" })], then: { models: ["tiny"] } },
    {
      when: "all breakers are open",
      models: open("tiny", "mini"),
      then: { chosen: false, reason: "BREAKERS_OPEN", models: ["tiny", "mini"] },
    },
    {
      when: "the soft limit is passed",
      question: { budget: "Soft", complexity: 1 },
      then: { models: ["tiny", "mini", "bigger", "big"] },
    },
    {
      when: "the soft limit is passed under a cascade",
      rule: { strategy: "Cascade" },
      question: { budget: "Soft" },
      then: { escalation: ["bigger", "big"] },
    },
    {
      when: "the soft limit is passed and a model is named",
      question: { budget: "Soft", asked: "big" },
      then: { models: ["big"] },
    },
    { when: "the budget is spent", question: { budget: "Exhausted", complexity: 1 }, then: { models: ["tiny"], escalation: [] } },
    {
      when: "the budget is spent and a paid model is named",
      question: { budget: "Exhausted", asked: "big" },
      then: { models: ["tiny"] },
    },
    {
      when: "the budget is spent and nothing is local",
      models: route.slice(1),
      question: { budget: "Exhausted" },
      then: { chosen: false, reason: "BUDGET_EXHAUSTED" },
    },
    {
      when: "the budget is spent and shall refuse",
      rule: { onExhausted: "Reject" },
      question: { budget: "Exhausted" },
      then: { chosen: false, reason: "BUDGET_EXHAUSTED", onExhausted: "Reject" },
    },
  ])("when $when", ({ models = route, rule, question, then }) => {
    expect(names(chooseModels(models, { ...rules, ...rule }, { ...easy, ...question }))).toMatchObject(then);
  });
});

describe("the attempts of one request", () => {
  const drain = (attempts: Attempts): string[] => {
    const asked: string[] = [];
    for (let next = attempts.next(); next !== undefined; next = attempts.next()) asked.push(next.name);
    return asked;
  };

  test("are so many, all models together, and never the same model twice", () => {
    expect(drain(new Attempts(route, 3))).toEqual(["tiny", "mini", "big"]);
  });

  test("end with the first byte of an answer", () => {
    const attempts = new Attempts(route, 3);
    attempts.next();
    attempts.answering();
    expect(attempts.next()).toBeUndefined();
  });

  test("come back when the model was never asked", () => {
    const attempts = new Attempts(route, 1);
    attempts.next();
    attempts.notAsked();
    expect([attempts.left, drain(attempts)]).toEqual([1, ["mini"]]);
  });

  test("go on with larger models first after an escalation, without those tried, within the same number", () => {
    const attempts = new Attempts([route[0]!, route[1]!, route[2]!], 3);
    attempts.next();
    attempts.escalate([route[0]!, route[3]!, route[2]!]);
    expect(drain(attempts)).toEqual(["bigger", "big"]);
  });

  test("go on with local models only when the budget has no room", () => {
    const attempts = new Attempts([route[1]!, route[2]!, route[0]!], 5);
    attempts.localOnly();
    expect(drain(attempts)).toEqual(["tiny"]);
  });
});

describe("arithmetic in a text", () => {
  test.each([
    ["2*(3+4)-1", 13],
    ["-3 + 5", 2],
    ["50% * 8", 4],
    ["2(3)", 6],
    ["7/0", undefined],
    ["2 +", undefined],
    ["2 apples", undefined],
    ["(".repeat(50), undefined],
    [`${"(".repeat(25)}1${")".repeat(25)}`, undefined],
  ])("%s comes to %s", (expression, value) => {
    expect(evaluate(expression)).toBe(value);
  });

  test.each([
    { text: "3 x $12 = $36", holds: [true] },
    { text: "He pays 3 x $12 = $35.", holds: [false] },
    { text: "12 * 3 = <<12*3=36>>36 eggs", holds: [true, true] },
    { text: "1,200 ÷ 4 = 300 and 10 − 4 = 7", holds: [true, false] },
    { text: "12 / 20 x 100 = 60%", holds: [true] },
    { text: "3 hours * 60 mph = 180 miles", holds: [true] },
    { text: "10 / 3 = 3.33", holds: [true] },
    { text: "x = 5, total = 12", holds: [] },
    { text: "4 + 4 = 8 = 2 * 4", holds: [true] },
  ])("$text", ({ text, holds }) => {
    expect(equationsIn(text).map((equation) => equation.holds)).toEqual(holds);
  });
});

describe("a small model's answer", () => {
  const question = "Tom buys 3 hats at $12 each and pays with $50. How much change does he get?";
  const good = "3 hats cost 3 * 12 = $36.\nThe change is 50 - 36 = $14.";
  const checked = (answer: string, more: Partial<CheckedAnswer> = {}): CheckedAnswer => ({
    question,
    answer,
    finishReason: "stop",
    ...more,
  });
  const schema = { type: "object", properties: { side: { enum: ["buy", "sell"] } }, required: ["side"] };

  test.each<{ when: string; given: CheckedAnswer; then: object }>([
    { when: "its arithmetic holds", given: checked(good), then: { holds: true } },
    {
      when: "its arithmetic is wrong",
      given: checked(good.replace("$14", "$24")),
      then: { holds: false, reason: "DOUBTFUL", findings: { wrongArithmetic: 1 } },
    },
    {
      when: "it stops in a calculation",
      given: checked("3 hats cost 3 * 12 ="),
      then: { holds: false, reason: "DOUBTFUL", findings: { brokenOff: 1 } },
    },
    {
      when: "it was cut at its length",
      given: checked(good, { finishReason: "length" }),
      then: { holds: false, reason: "CUT_OFF" },
    },
    { when: "it is empty", given: checked("  "), then: { holds: false, reason: "EMPTY" } },
    {
      when: "nothing is to be reckoned",
      given: checked("A mutex.", { question: "What lets one thread in at a time?" }),
      then: { holds: true, doubt: 0 },
    },
    { when: "it should be JSON and is not", given: checked("buy", { schema: true }), then: { holds: false, reason: "NOT_JSON" } },
    { when: "it is any JSON", given: checked("[1]", { schema: true }), then: { holds: true } },
    { when: "it is of the schema", given: checked('{"side":"buy"}', { schema }), then: { holds: true } },
    {
      when: "it is of another schema",
      given: checked('{"side":"hold"}', { schema }),
      then: { holds: false, reason: "NOT_OF_SCHEMA" },
    },
  ])("when $when", ({ given, then }) => {
    expect(checkAnswer(given)).toMatchObject(then);
  });

  test.each([
    { finding: "a number never touched", answer: "3 * 12 = 36", found: { unusedNumbers: 1 } },
    { finding: "a result that was not calculated", answer: `${good}\nSo 20.`, found: { strayResult: 1 } },
    { finding: "a part of a cent", answer: "50 - 36 = 14.333", found: { wrongUnit: 1 } },
    { finding: "second thoughts", answer: `${good} However, assume so.`, found: { hedges: 2 } },
  ])("shows $finding", ({ answer, found }) => {
    expect(findingsOf({ question, answer })).toMatchObject(found);
  });

  test("names a part of a thing that is counted", () => {
    expect(findingsOf({ question: "How many eggs are 5 of 2 boxes?", answer: "5 / 2 = 2.5" })).toMatchObject({ wrongUnit: 1 });
  });
});

describe("the complexity of a question", () => {
  test("is between 0 and 1, and grows with length, comparisons and turns", () => {
    const plain = "How much are 2 apples at $1 each?";
    const hard = `${plain} Then he keeps half of the rest, which is 3 fewer than before, and gives another third away, but not the last one, until twice as many are left.`;
    const scores = ["", plain, hard, hard.repeat(1_000)].map(complexityOf);
    expect(scores).toEqual(scores.toSorted((left, right) => left - right));
    expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
    expect([scores[1]! < 0.5, scores[2]! > 0.5]).toEqual([true, true]);
  });
});
