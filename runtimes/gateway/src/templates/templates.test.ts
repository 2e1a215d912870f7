import { describe, expect, test } from "vitest";
import { Templates } from "./templates.ts";

const templates = new Templates([
  { name: "fees", match: "What are the fees of (\\w+)\\?", response: "Fees of $1: $$5. $2" },
  { name: "ping", match: "(?i)ping|are you there\\??", response: "pong" },
  { name: "any-fees", match: "What are .*", response: "second" },
]);

describe("a template", () => {
  test.each([
    { question: "What are the fees of kraken?", template: "fees", text: "Fees of kraken: $5. " },
    { question: "  PING\n", template: "ping", text: "pong" },
    { question: "Are you there?", template: "ping", text: "pong" },
    { question: "What are bars?", template: "any-fees", text: "second" },
  ])("answers '$question'", ({ question, template, text }) => {
    expect(templates.answer(question)).toEqual({ template, text });
  });

  test.each(["ping me", "x ping", "", `What are ${"a".repeat(600)}`])(
    "knows only whole questions of a bounded length, not '%s'",
    (question) => {
      expect(templates.answer(question)).toBeUndefined();
    },
  );

  test.each([
    { what: "a back reference", match: "(a)\\1" },
    { what: "looking ahead", match: "a(?=b)" },
    { what: "a repeated repetition", match: "(a+)+b" },
    { what: "a repeated choice", match: "(?:a|a)*b" },
    { what: "a nested one", match: "((a*)b)*" },
    { what: "a broken expression", match: "(a" },
  ])("with $what is named as faulty and answers nothing", ({ match }) => {
    const faulty = new Templates([{ name: "t", match, response: "x" }]);
    expect(faulty.faults).toMatchObject([{ template: "t" }]);
    expect(faulty.answer("aab")).toBeUndefined();
  });

  test.each(["[(+]+", "\\(a\\)+", "(ab)+", "a{2,3}", "(?:BTC|ETH) price"])(
    "may repeat what does not repeat itself: %s",
    (match) => {
      expect(new Templates([{ name: "t", match, response: "x" }]).faults).toEqual([]);
    },
  );
});
