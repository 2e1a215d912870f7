import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultReply } from "../../venues/llm/answer.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles, type TestGateway, alphaToken, chat, startGateway } from "./gateway-fixture.ts";

const files = new TestFiles();
const key = "sk-canary-7c1f2a9b";
const upstream = new OpenAiStandIn({ key });
let gateway: TestGateway;

beforeAll(async () => {
  const baseUrl = await upstream.start();
  const apiKeyFile = files.write("key", `${key}\n`);
  const model = {
    name: "hosted",
    price: { inputPerMillionTokens: "1", outputPerMillionTokens: "2" },
    openai: { model: "gpt-mock", baseUrl, apiKeyFile },
  };
  gateway = await startGateway({ files, models: [model] });
});

afterAll(async () => {
  await gateway?.close();
  await upstream.stop();
  files.remove();
});

describe("a chat completion", () => {
  test("goes to the model and comes back in OpenAI's form, with its usage and where it came from", async () => {
    const response = await gateway.post("/v1/chat/completions", chat("What is 2 + 2?"));
    const body = (await response.json()) as OpenAI.ChatCompletion;
    expect(body).toMatchObject({
      object: "chat.completion",
      model: "hosted",
      choices: [{ index: 0, message: { role: "assistant", content: defaultReply("What is 2 + 2?") }, finish_reason: "stop" }],
      usage: { prompt_tokens: 4 },
    });
    expect(response.headers.get("x-bellwether-model")).toBe("hosted");
    expect(response.headers.get("x-bellwether-cache")).toBe("miss");
    const seen = upstream.seen.at(-1);
    expect(seen).toMatchObject({ model: "gpt-mock", body: { max_tokens: 2048 } });
  });

  test("is streamed to OpenAI's own client", async () => {
    const client = new OpenAI({ apiKey: alphaToken, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: "hosted",
      messages: [{ role: "user", content: "Tell me" }],
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(defaultReply("Tell me"));
    expect(usage?.completion_tokens).toBe(upstream.seen.at(-1)?.usage?.outputTokens);
  });

  test("is metered by model and strategy", async () => {
    const text = await gateway.metrics.registry.metrics();
    expect(text).toMatch(/gen_ai_client_token_usage\{[^}]*gen_ai_response_model="hosted"[^}]*strategy="alpha"[^}]*\} \d+/);
    expect(text).toContain("bellwether_gateway_cost_usd_total");
  });

  test("is had by OpenAI's own client for Responses, too, instructions and turns in their order", async () => {
    const client = new OpenAI({ apiKey: alphaToken, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const response = await client.responses.create({
      model: "hosted",
      instructions: "Be brief.",
      input: [
        { role: "user", content: "Up or down?" },
        { role: "assistant", content: "Up." },
        { role: "user", content: [{ type: "input_text", text: "Why?" }] },
      ],
      max_output_tokens: 50,
      store: false,
    });
    expect(response.output_text).toBe(defaultReply("Be brief.\nUp or down?\nUp.\nWhy?"));
    expect(response.usage?.output_tokens).toBe(upstream.seen.at(-1)?.usage?.outputTokens);
    expect(upstream.seen.at(-1)?.body).toMatchObject({
      max_tokens: 50,
      messages: ["system", "user", "assistant", "user"].map((role) => ({ role })),
    });
    const streamed = client.responses.create({ model: "hosted", input: "x", stream: true });
    await expect(streamed).rejects.toMatchObject({ status: 400, param: "stream" });
  });

  test("the route's models are listed", async () => {
    const body = (await (await gateway.get("/v1/models")).json()) as { data: { id: string }[] };
    expect(body.data.map(({ id }) => id)).toEqual(["auto", "hosted"]);
  });
});
