import type OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { defaultReply } from "../../venues/llm/answer.ts";
import { GeminiStandIn } from "../../venues/llm/gemini-stand-in.ts";
import { OllamaStandIn } from "../../venues/llm/ollama-stand-in.ts";
import { TestFiles, type TestGateway, betaToken, chat, startGateway } from "./gateway-fixture.ts";

const files = new TestFiles();
const key = "AIza-canary-5d1e77c0";
const gemini = new GeminiStandIn(key);
const ollama = new OllamaStandIn();
let gateway: TestGateway;

beforeAll(async () => {
  const apiKeyFile = files.write("gemini-key", key);
  const local = { model: "tiny", baseUrl: await ollama.start(), contextTokens: 2_048, threads: 3 };
  gateway = await startGateway({
    files,
    models: [
      { name: "local", maxOutputTokens: 200, ollama: local },
      { name: "google", maxOutputTokens: 200, gemini: { model: "gemini-mock", baseUrl: await gemini.start(), apiKeyFile } },
    ],
    limits: { concurrentPerStrategy: 2, maxQueued: 3, queueDeadlineMs: 60_000 },
    circuitBreaker: { minimumRequests: 1_000 },
  });
});

afterAll(async () => {
  await gateway?.close();
  await gemini.stop();
  await ollama.stop();
  files.remove();
});

afterEach(() => {
  ollama.tokenDelayMs = 0;
  ollama.gate = undefined;
});

const ask = (content: string, more: object = {}): Promise<Response> =>
  gateway.post("/v1/chat/completions", chat(content, { temperature: 1, ...more }));
const bodyOf = async (response: Response): Promise<OpenAI.ChatCompletion> => (await response.json()) as OpenAI.ChatCompletion;

async function textOf(response: Response): Promise<string> {
  const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("data: {"));
  const chunks = events.map((event) => JSON.parse(event.slice(6)) as OpenAI.ChatCompletionChunk);
  return chunks.map(({ choices }) => choices?.[0]?.delta.content ?? "").join("");
}

describe.each(["local", "google"])("the model %s", (model) => {
  test("answers whole, with its usage", async () => {
    const { choices, usage } = await bodyOf(await ask("Hello there", { model }));
    expect(choices[0]).toMatchObject({ message: { content: defaultReply("Hello there") }, finish_reason: "stop" });
    expect(usage).toMatchObject({ prompt_tokens: 3 });
  });

  test("answers as a stream", async () => {
    expect(await textOf(await ask("Hello again", { model, stream: true }))).toBe(defaultReply("Hello again"));
  });

  test("breaks off with an error when its connection does", async () => {
    (model === "local" ? ollama : gemini).next.push("cut-after-first-byte");
    const text = await (await ask("Cut me", { model, stream: true })).text();
    expect(text).toContain("MODEL_BROKE_OFF");
    expect(text).not.toContain("[DONE]");
  });

  test("embeds", async () => {
    const response = await gateway.post("/v1/embeddings", { model, input: ["one", "two"] });
    const { data } = (await response.json()) as { data: { embedding: number[] }[] };
    expect(data.map(({ embedding }) => embedding.length)).toEqual([2, 2]);
  });
});

describe("Ollama", () => {
  test("is asked by its own interface, with the size of the context, the threads and for ever kept loaded", async () => {
    await bodyOf(await ask("Sizes", { model: "local", max_tokens: 50, response_format: { type: "json_object" } }));
    expect(ollama.seen.at(-1)).toMatchObject({
      path: "/api/chat",
      body: {
        model: "tiny",
        keep_alive: -1,
        format: "json",
        truncate: false,
        options: { num_ctx: 2_048, num_thread: 3, num_predict: 50 },
      },
    });
  });

  test("never gets a prompt that it would cut", async () => {
    const before = ollama.seen.length;
    const response = await ask("word ".repeat(2_500), { model: "local" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "CONTEXT_TOO_LONG" } });
    expect(ollama.seen.length).toBe(before);
  });

  test("answers one at a time, the others wait in line and no more than may", async () => {
    let release = (): void => undefined;
    ollama.gate = new Promise((resolve) => (release = resolve));
    ollama.mostRunning = 0;
    const first = ask("1", { model: "local" });
    await expect.poll(() => ollama.running, { timeout: 30_000 }).toBe(1);
    const others = ["2", "3", "4"].map((text) => ask(text, { model: "local" }));
    // The queue is full, and all of it of one strategy: another one's request still finds room.
    await expect
      .poll(async () => (await gateway.metrics.registry.metrics()).includes('queue_waiting{gen_ai_response_model="local"} 3'), {
        timeout: 30_000,
      })
      .toBe(true);
    const surplus = await ask("5", { model: "local" });
    expect(surplus.status).toBe(429);
    expect(await surplus.json()).toMatchObject({ error: { code: "QUEUE_FULL" } });
    const beta = gateway.post("/v1/chat/completions", chat("6", { model: "local" }), { token: betaToken });
    release();
    ollama.gate = undefined;
    const statuses = (await Promise.all([first, ...others, beta])).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(4);
    expect(statuses.at(-1)).toBe(200);
    expect(ollama.mostRunning).toBe(1);
  });

  test("gets its cores back when the caller hangs up", async () => {
    ollama.tokenDelayMs = 50;
    const controller = new AbortController();
    const response = await gateway.post("/v1/chat/completions", chat("Long", { model: "local", stream: true }), {
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    controller.abort();
    await expect.poll(() => ollama.seen.at(-1)?.abandoned, { timeout: 30_000 }).toBe(true);
    expect((await ask("Next", { model: "local" })).status).toBe(200);
  });
});

describe("Gemini", () => {
  test("gets its key in a header, never in the address", async () => {
    await bodyOf(await ask("Key", { model: "google" }));
    const seen = gemini.seen.at(-1);
    expect(seen?.key).toBe(key);
    expect(seen?.url).not.toContain(key);
    expect(seen?.url).not.toContain("key=");
  });

  test("its thoughts are billed as output and told apart from the answer", async () => {
    gemini.next.push("reasoning");
    const { choices, usage } = await bodyOf(await ask("Think", { model: "google" }));
    expect(choices[0]?.message).toMatchObject({ content: defaultReply("Think"), reasoning_content: "Let me think. " });
    expect(usage?.completion_tokens).toBe(gemini.seen.at(-1)?.answer.usage.outputTokens);
  });

  test("the system's words, turns and tools arrive in its own form", async () => {
    const messages = [
      { role: "system", content: "Be brief" },
      { role: "user", content: "Price?" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "price", arguments: '{"m":"BTC"}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "42" },
    ];
    await bodyOf(await ask("", { model: "google", messages }));
    expect(gemini.seen.at(-1)?.body).toMatchObject({
      systemInstruction: { parts: [{ text: "Be brief" }] },
      contents: [
        { role: "user", parts: [{ text: "Price?" }] },
        { role: "model", parts: [{ functionCall: { name: "price", args: { m: "BTC" } } }] },
        { role: "user", parts: [{ functionResponse: { name: "price", response: { result: "42" } } }] },
      ],
    });
  });

  test("a refused key opens its breaker at once, and is quoted nowhere", async () => {
    gemini.next.push("unauthorized");
    const response = await ask("Refused", { model: "google" });
    const text = await response.text();
    expect(text).toContain("MODEL_KEY_REFUSED");
    expect(text).not.toContain(key);
    expect((await ask("Again", { model: "google" })).status).toBe(503);
    expect(await gateway.metrics.registry.metrics()).not.toContain(key);
  });
});
