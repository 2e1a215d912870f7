import { describe, expect, test } from "vitest";
import { RecordedModels, answersHeader } from "./recorded-models.ts";
import { ScriptedModels } from "./testing/scripted-models.ts";

const question = (content: string) => ({ messages: [{ role: "user" as const, content }] });
const hash = (digit: string): string => digit.repeat(64);

function recorder(text: string, upstream?: ScriptedModels): { models: RecordedModels; lines: string[] } {
  const lines: string[] = [];
  const append = (line: string): Promise<void> => Promise.resolve(void lines.push(line));
  return { models: new RecordedModels({ text, upstream, append }), lines };
}

describe("recorded answers", () => {
  test("are asked for once, and replayed word for word without anybody to ask", async () => {
    const upstream = new ScriptedModels((_question, count) => `answer ${count}`);
    const { models, lines } = recorder(answersHeader, upstream);
    const first = await models.ask(question("a"), hash("a"));
    expect(await models.ask(question("a"), hash("a"))).toEqual(first);
    await models.ask(question("b"), hash("b"));
    expect([upstream.asked.length, lines.length]).toEqual([2, 2]);

    const replayed = recorder(answersHeader + lines.join("")).models;
    expect(await replayed.ask(question("a"), hash("a"))).toEqual(first);
    expect(await replayed.ask(question("b"), hash("b"))).toMatchObject({ text: "answer 2", model: "small", costUsd: "0.0001" });
  });

  test("end a replay at a question that is not among them, whatever the program makes of it", async () => {
    const { models } = recorder(answersHeader);
    await expect(models.ask(question("a"), hash("a"))).rejects.toMatchObject({ code: "ANSWER_MISSING" });
    expect(models.failure).toMatchObject({ code: "ANSWER_MISSING", message: expect.stringContaining(hash("a")) as string });
  });

  test("are not made of silence: a recording ends there, and what was answered before is kept", async () => {
    const down = { answered: false, reason: "UNREACHABLE", message: "connection refused" } as const;
    const { models, lines } = recorder(answersHeader, new ScriptedModels((_question, count) => (count === 1 ? "yes" : down)));
    await models.ask(question("a"), hash("a"));
    await expect(models.ask(question("b"), hash("b"))).rejects.toMatchObject({
      code: "MODEL_SILENT",
      message: expect.stringContaining("UNREACHABLE: connection refused") as string,
    });
    expect(lines).toHaveLength(1);
  });

  test("hold thoughts until they are read", async () => {
    const { models } = recorder(answersHeader);
    models.remember("BTC/USDT", { step: 1 });
    expect(await models.recall("ETH/USDT")).toBeUndefined();
    expect(await models.recall("BTC/USDT")).toEqual({ step: 1 });
    expect(await models.recall("BTC/USDT")).toBeUndefined();
  });

  const line = `${JSON.stringify({ promptHash: hash("a"), text: "yes", model: "small" })}\n`;
  test.each([
    { when: "it is another file", text: "timestamp,open\n", says: "line 1" },
    { when: "a line is no answer", text: `${answersHeader}${line}{"promptHash":"x"}\n`, says: "line 3" },
    { when: "a line is no JSON", text: `${answersHeader}nonsense\n`, says: "line 2" },
    { when: "its last line was not written whole", text: `${answersHeader}${line}{"promptHash":"`, says: undefined },
    { when: "it is new", text: "", says: undefined },
  ])("read a file when $when", ({ text, says }) => {
    if (says === undefined) expect(() => recorder(text)).not.toThrow();
    else expect(() => recorder(text)).toThrow(says);
  });
});
