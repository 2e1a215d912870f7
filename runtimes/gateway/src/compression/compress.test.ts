import { seededRandom } from "@bellwether/service-kit/random";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../server/chat-request.ts";
import { messageText } from "../server/chat-request.ts";
import { compress, isPrecious } from "./compress.ts";

const countTokens = (text: string): number => Math.ceil(text.length / 4);
const limits = { maxPromptTokens: 10, countTokens };
const user = (content: string): ChatMessage => ({ role: "user", content });
const says = (content: string): ChatMessage => ({ role: "assistant", content });

describe("what is never dropped", () => {
  test.each([
    "The close was 41000.",
    "Look at BTC first.",
    "btc/usdt is the market.",
    "Do not wait.",
    "They don't agree.",
    "Never mind the weather.",
    '{"side":"buy"}',
    "Sell into strength.",
    "| a | b |",
    "What then?",
    "You must answer in German.",
    "See `main`.",
  ])("%s", (text) => {
    expect(isPrecious(text)).toBe(true);
  });

  test.each(["Thank you very much for this.", "The weather was lovely.", "I hope that helps."])("unlike: %s", (text) => {
    expect(isPrecious(text)).toBe(false);
  });
});

describe("a prompt", () => {
  const system: ChatMessage = { role: "system", content: "You are kind.  You are kind. Thank you." };
  const chat: ChatMessage[] = [
    system,
    user("Hello there my friend. BTC closed at 41000. Thank you so much for helping."),
    says("Hello there my friend. Glad to be of service to you. It did not fall."),
    { role: "tool", content: "Thank you so much for helping.", tool_call_id: "t" },
    user("Thank you so much for helping. And now, please."),
  ];

  test("of the allowed length stays the very same", () => {
    expect(compress(chat, { ...limits, maxPromptTokens: 1_000 }).messages).toBe(chat);
  });

  test("loses repetitions and courtesies, and keeps instructions, tools, the question and every precious sentence", () => {
    const { messages, dropped, tokensAfter, tokensBefore } = compress(chat, limits);
    expect(messages.map(messageText)).toEqual([
      "You are kind.  You are kind. Thank you.",
      "BTC closed at 41000. ",
      "It did not fall.",
      "Thank you so much for helping.",
      "Thank you so much for helping. And now, please.",
    ]);
    expect([dropped, tokensAfter < tokensBefore]).toEqual([4, true]);
    expect(messages[0]).toBe(system);
  });

  test("loses no more than it has to, repetitions first", () => {
    const tokens = chat.reduce((sum, message) => sum + countTokens(messageText(message)), 0);
    const { messages, dropped } = compress(chat, { ...limits, maxPromptTokens: tokens - 1 });
    expect(dropped).toBe(1);
    expect(messageText(messages[2]!)).toBe("Glad to be of service to you. It did not fall.");
  });

  test("keeps something of each message, and says that it did not get short enough", () => {
    const { messages, tokensAfter } = compress([user("Lovely weather. Lovely sky."), user("Go on.")], {
      ...limits,
      maxPromptTokens: 1,
    });
    expect(messageText(messages[0]!)).toMatch(/^Lovely/);
    expect(tokensAfter).toBeGreaterThan(1);
  });

  test("with a call of a tool keeps the message that made it", () => {
    const call: ChatMessage = {
      role: "assistant",
      content: "One moment please. Let us see.",
      tool_calls: [{ id: "t", type: "function", function: { name: "x", arguments: "{}" } }],
    };
    expect(compress([user("Lovely weather. Go on."), call, user("Go on.")], { ...limits, maxPromptTokens: 1 }).messages[1]).toBe(
      call,
    );
  });
});

test("over random conversations no number, ticker, negation or JSON is lost, and what is left is in order and untouched", () => {
  const parts = [
    "Thank you, dear friend. ",
    "BTC closed at 41000.5 today.\n",
    "Never sell ETH. ",
    '{"side":"buy","qty":"0.10"}\n',
    "It was a pleasant evening. ",
    "We don't do that! ",
    "```\nlet x = 1;\nplain words here\n```\n",
    "All in all it went well…\n\n",
    "Prices of -5% were seen. ",
  ];
  const facts = (messages: readonly ChatMessage[]): string[] =>
    messages.flatMap(
      (message) => messageText(message).match(/-?\d[\d.]*%?|\b[A-Z]{2,}\b|[Nn]ever|n't|\{.*\}|```[^`]*```/g) ?? [],
    );
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const below = (bound: number): number => Math.floor(random.next() * bound);
    const text = (): string => Array.from({ length: 1 + below(8) }, () => parts[below(parts.length)]!).join("");
    const messages = Array.from({ length: 2 + below(6) }, (_, index) => (index % 2 === 0 ? user(text()) : says(text())));
    const { messages: shorter } = compress(messages, { maxPromptTokens: below(60), countTokens });
    expect(facts(shorter), String(seed)).toEqual(facts(messages));
    expect(shorter.at(-1)).toEqual(messages.at(-1));
    for (const [index, message] of shorter.entries()) {
      let rest = messageText(messages[index]!);
      for (const piece of messageText(message).split(/(?<=[.!…\n] ?)/)) {
        expect(rest.includes(piece), `${seed}: ${piece}`).toBe(true);
        rest = rest.slice(rest.indexOf(piece) + piece.length);
      }
    }
  }
});
