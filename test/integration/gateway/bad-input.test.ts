import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles, type TestGateway, betaToken, chat, startGateway } from "./gateway-fixture.ts";

const files = new TestFiles();
const upstream = new OpenAiStandIn();
let gateway: TestGateway;

beforeAll(async () => {
  const baseUrl = await upstream.start();
  gateway = await startGateway({
    files,
    models: [{ name: "hosted", maxOutputTokens: 100, openai: { model: "gpt-mock", baseUrl, contextTokens: 1_000 } }],
    maxBodyBytes: 20_000,
  });
});

afterAll(async () => {
  await gateway?.close();
  await upstream.stop();
  files.remove();
});

interface ErrorReply {
  readonly error: { message: string; type: string; param: string | null; code: string };
}
const errorOf = async (response: Response): Promise<ErrorReply["error"]> => ((await response.json()) as ErrorReply).error;

const faulty: [name: string, body: unknown, param: string | null][] = [
  ["JSON that breaks off", '{"model": "hosted", "messages": [', null],
  ["no messages", { model: "hosted", messages: [] }, "messages"],
  ["a role that does not exist", { model: "hosted", messages: [{ role: "wizard", content: "x" }] }, "messages.0.role"],
  ["a field nobody knows", chat("x", { logit_bias: {} }), "(body)"],
  [
    "a picture",
    { model: "hosted", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    "messages.0.content",
  ],
  ["several answers at once", chat("x", { n: 2 }), "n"],
];

describe("what is wrong with a request is said in OpenAI's form", () => {
  test.each(faulty)("%s is 400", async (_name, body, param) => {
    const response = await gateway.post("/v1/chat/completions", body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ type: "invalid_request_error", code: "INVALID_BODY", param });
  });

  test("an unknown model is 404, with those there are", async () => {
    const response = await gateway.post("/v1/chat/completions", chat("x", { model: "gpt-9" }));
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: "MODEL_UNKNOWN", message: expect.stringContaining("auto, hosted") });
  });

  test("a body over the limit is 413", async () => {
    const response = await gateway.post("/v1/chat/completions", chat("x".repeat(30_000)));
    expect(response.status).toBe(413);
    expect((await errorOf(response)).type).toBe("invalid_request_error");
  });

  test("a context that does not fit is refused with its numbers, and nothing is sent", async () => {
    const before = upstream.seen.length;
    const response = await gateway.post("/v1/chat/completions", chat("alpha beta gamma delta ".repeat(300)));
    expect(response.status).toBe(400);
    const { code, message } = await errorOf(response);
    expect(code).toBe("CONTEXT_TOO_LONG");
    expect(message).toMatch(/about \d+ tokens and the answer may have 100: together \d+, but the context of hosted holds 1000/);
    expect(upstream.seen.length).toBe(before);
  });

  test("a prompt whose bytes are more than the context's tokens goes through when its tokens are not", async () => {
    const response = await gateway.post("/v1/chat/completions", chat("alpha beta gamma delta ".repeat(100)));
    expect(response.status).toBe(200);
  });

  test("no token, or a wrong one, is 401", async () => {
    const response = await gateway.post("/v1/chat/completions", chat("x"), { token: "wrong-token-0123456789" });
    expect(response.status).toBe(401);
    expect(await errorOf(response)).toMatchObject({ type: "authentication_error", code: "UNAUTHENTICATED" });
  });

  test("an unknown path is 404", async () => {
    const response = await gateway.get("/v1/nothing");
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: "NOT_FOUND" });
  });

  test("the status is for those who may read it", async () => {
    expect((await gateway.get("/v1/status", { token: betaToken })).status).toBe(403);
  });
});

describe("a thought", () => {
  const put = (id: string, content: unknown, token?: string): Promise<Response> =>
    fetch(`${gateway.url}/v1/thoughts/${id}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token ?? "alpha-token-0123456789"}`, "content-type": "application/json" },
      body: JSON.stringify({ content }),
    });

  test("is read once by the strategy that wrote it, and is gone then", async () => {
    expect((await put("run-1", { steps: ["up", "down"] })).status).toBe(200);
    expect(await (await gateway.get("/v1/thoughts/run-1")).json()).toEqual({ id: "run-1", content: { steps: ["up", "down"] } });
    expect((await gateway.get("/v1/thoughts/run-1")).status).toBe(404);
  });

  test("is not there for another strategy, and stays for its own", async () => {
    await put("run-2", "mine");
    const other = await gateway.get("/v1/thoughts/run-2", { token: betaToken });
    expect(other.status).toBe(404);
    expect(await errorOf(other)).toMatchObject({ code: "THOUGHT_NOT_FOUND" });
    expect((await gateway.get("/v1/thoughts/run-2")).status).toBe(200);
  });
});

describe("embeddings", () => {
  test("come back in the form that was asked for", async () => {
    const body = { model: "hosted", input: ["up", "down"] };
    const floats = (await (await gateway.post("/v1/embeddings", body)).json()) as { data: { embedding: number[] }[] };
    expect(floats.data).toHaveLength(2);
    const packed = await gateway.post("/v1/embeddings", { ...body, encoding_format: "base64" });
    const { data } = (await packed.json()) as { data: { embedding: string }[] };
    const bytes = Buffer.from(data[0]?.embedding ?? "", "base64");
    const unpacked = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
    expect(unpacked).toEqual(floats.data[0]?.embedding);
  });
});
