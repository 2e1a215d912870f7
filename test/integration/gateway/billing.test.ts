import { parseDecimal } from "@bellwether/trading/decimal";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BudgetKeeper } from "../../../runtimes/gateway/src/answering/budget-keeper.ts";
import { costOf } from "../../../runtimes/gateway/src/budget/spend.ts";
import { defaultReply } from "../../venues/llm/answer.ts";
import { type Behaviour, streamShapes } from "../../venues/llm/behaviours.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles, type TestGateway, alphaToken, chat, startGateway } from "./gateway-fixture.ts";
import { MemoryOffice, keeperOf } from "./memory-office.ts";

const price = { inputPerMillionTokens: "1", outputPerMillionTokens: "2" };
const parsedPrice = { inputPerMillionTokens: parseDecimal("1"), outputPerMillionTokens: parseDecimal("2") };
const maxOutputTokens = 100;
const files = new TestFiles();
const upstream = new OpenAiStandIn({ pieceDelayMs: 5 });
let baseUrl: string;
let gateway: TestGateway;
let keeper: BudgetKeeper;

beforeAll(async () => {
  baseUrl = await upstream.start();
  keeper = keeperOf(new MemoryOffice(), { monthlyUsd: "1000" });
  keeper.start();
  const model = { name: "hosted", price, maxOutputTokens, openai: { model: "gpt-mock", baseUrl } };
  const circuitBreaker = { minimumRequests: 10_000 };
  gateway = await startGateway({ files, keeper, models: [model], budget: { monthlyUsd: "1000" }, circuitBreaker });
});

afterAll(async () => {
  await gateway?.close();
  await keeper?.close();
  await upstream.stop();
  files.remove();
});

beforeEach(() => {
  upstream.next.length = 0;
});

let question = 0;
/** Never asked before, so that no cache answers. */
const ask = (): string => `Question ${++question}, please`;

/** What the stand-in charged since `from`, in dollars. */
const billedSince = (from: number): bigint => {
  const rows = upstream.seen.slice(from).flatMap(({ usage }) => (usage ? [usage] : []));
  return rows.reduce((sum, usage) => sum + costOf(usage, parsedPrice).usd, 0n);
};

const spent = (): bigint => keeper.figures().spent.usd;
const settled = (): Promise<void> => expect.poll(() => keeper.figures().reserved.usd, { timeout: 30_000 }).toBe(0n);

async function readStream(response: Response): Promise<{ text: string; events: string[] }> {
  const body = await response.text();
  const events = body
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice(6));
  const chunks = events.filter((event) => event !== "[DONE]").map((event) => JSON.parse(event) as OpenAI.ChatCompletionChunk);
  return { text: chunks.map((chunk) => chunk.choices?.[0]?.delta.content ?? "").join(""), events };
}

describe("a streamed answer is billed by what its provider reports", () => {
  test.each(streamShapes)("whatever shape the stream has: %s", async (shape) => {
    const [before, from] = [spent(), upstream.seen.length];
    upstream.next.push(shape);
    const prompt = ask();
    const response = await gateway.post("/v1/chat/completions", chat(prompt, { stream: true }));
    const { text, events } = await readStream(response);
    expect(response.status).toBe(200);
    expect(text).toBe(shape === "tool-call" ? "" : defaultReply(prompt));
    expect(events.at(-1)).toBe("[DONE]");
    await settled();
    expect(spent() - before).toBe(billedSince(from));
    expect(spent() - before).toBeGreaterThan(0n);
  });

  test("a call of a function arrives whole at OpenAI's own client", async () => {
    upstream.next.push("tool-call");
    const client = new OpenAI({ apiKey: alphaToken, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const stream = client.chat.completions.stream({ model: "hosted", messages: [{ role: "user", content: ask() }] });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({
      function: { name: "price", arguments: '{"market":"BTC/USDT"}' },
    });
    expect(choices[0]?.finish_reason).toBe("tool_calls");
  });

  test("also when the caller hangs up in the middle: the rest is read for its usage", async () => {
    const [before, from] = [spent(), upstream.seen.length];
    upstream.next.push("slow");
    const controller = new AbortController();
    const response = await gateway.post("/v1/chat/completions", chat(ask(), { stream: true }), { signal: controller.signal });
    await response.body?.getReader().read();
    controller.abort();
    await settled();
    expect(spent() - before).toBe(billedSince(from));
  });
});

describe("an answer whose usage nobody can know is billed with the most it can have been", () => {
  const unknowable: Behaviour[] = [
    "no-usage",
    "usage-negative",
    "usage-absurd",
    "cut-after-first-byte",
    "ends-early",
    "error-event",
  ];

  test.each(unknowable)("never with less: %s", async (behaviour) => {
    const [before, from] = [spent(), upstream.seen.length];
    upstream.next.push(behaviour);
    const response = await gateway.post("/v1/chat/completions", chat(ask(), { stream: true }));
    const { events } = await readStream(response);
    await settled();
    const charged = spent() - before;
    expect(charged).toBeGreaterThanOrEqual(billedSince(from));
    expect(charged).toBeGreaterThanOrEqual(costOf({ inputTokens: 0, outputTokens: maxOutputTokens }, parsedPrice).usd);
    const broken = ["cut-after-first-byte", "ends-early", "error-event"].includes(behaviour);
    expect(events.at(-1) === "[DONE]").toBe(!broken);
    if (broken) expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ error: { code: "MODEL_BROKE_OFF" } });
  });

  test("a whole answer, too: without a usage, or cut before it came", async () => {
    for (const behaviour of ["no-usage", "cut-before-first-byte"] as const) {
      const before = spent();
      upstream.next.push(behaviour);
      const response = await gateway.post("/v1/chat/completions", chat(ask()));
      expect(response.status).toBe(behaviour === "no-usage" ? 200 : 502);
      await response.arrayBuffer();
      await settled();
      expect(spent() - before).toBeGreaterThanOrEqual(costOf({ inputTokens: 0, outputTokens: maxOutputTokens }, parsedPrice).usd);
    }
  });
});

describe("an answer that was refused costs nothing", () => {
  test.each(["rate-limited", "server-error", "bad-request", "forbidden"] as const)("%s", async (behaviour) => {
    const before = spent();
    upstream.next.push(behaviour);
    const response = await gateway.post("/v1/chat/completions", chat(ask()));
    expect(response.ok).toBe(false);
    await settled();
    expect(spent() - before).toBe(0n);
  });
});

test("what others hold may come back: a request that finds all of it held waits a little, and is then told to try again", async () => {
  const budget = { monthlyUsd: "0.0007", onExhausted: "Reject" as const };
  const small = keeperOf(new MemoryOffice(), budget);
  small.start();
  const model = { name: "hosted", price, maxOutputTokens, openai: { model: "gpt-mock", baseUrl } };
  const other = await startGateway({ files, keeper: small, models: [model], budget });
  const post = (): Promise<Response> => other.post("/v1/chat/completions", chat(ask()));
  const { promise: gate, resolve: answer } = Promise.withResolvers<void>();
  try {
    upstream.gate = gate;
    const first = post();
    await expect.poll(() => small.figures().reserved.usd > 0n, { timeout: 30_000 }).toBe(true);
    const second = await post();
    expect([second.status, second.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await second.json()).toMatchObject({ error: { code: "BUDGET_HELD" } });
    answer();
    expect((await first).status).toBe(200);
    expect((await post()).status).toBe(200);
  } finally {
    answer();
    upstream.gate = undefined;
    await other.close();
    await small.close();
  }
});
