import { expect, test } from "vitest";
import { SemanticIndex } from "./semantic-index.ts";

const scope = { route: "r", tenant: "t" };
const ask = (
  index: SemanticIndex,
  content: string,
  system = "Be brief.",
): NonNullable<ReturnType<SemanticIndex["questionOf"]>> => {
  const messages = [
    { role: "system" as const, content: system },
    { role: "user" as const, content },
  ];
  const question = index.questionOf({ model: "auto", messages }, scope);
  if (!question) throw new Error("a question it is");
  return question;
};

test("finds a question again, and forgets the oldest contexts when there are too many questions", () => {
  const index = new SemanticIndex(0.95);
  for (let context = 0; context < 12; context++)
    for (let number = 0; number < 200; number++)
      index.add(ask(index, `What is bar ${number}?`, `Context ${context}.`), `${context}/${number}`);
  expect(index.size).toBe(2_000);
  expect(index.find(ask(index, "What is bar 7?", "Context 11."))).toBe("11/7");
  expect(index.find(ask(index, "What is bar 7?", "Context 1."))).toBeUndefined();
});

test("keeps one place for a question that is answered again, and few for one context", () => {
  const index = new SemanticIndex(0.95);
  for (let round = 0; round < 3; round++) index.add(ask(index, "What is bar 1?"), "same");
  expect(index.size).toBe(1);
  for (let number = 0; number < 500; number++) index.add(ask(index, `What is bar ${number}?`), String(number));
  expect(index.size).toBe(200);
});
