import type OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { defaultReply } from "../../venues/llm/answer.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles, type TestGateway, chat, startGateway } from "./gateway-fixture.ts";

const files = new TestFiles();
const first = new OpenAiStandIn();
const second = new OpenAiStandIn();
const third = new OpenAiStandIn();
const venues = [first, second, third];
let baseUrls: string[] = [];
const open: TestGateway[] = [];

beforeAll(async () => {
  baseUrls = await Promise.all(venues.map((venue) => venue.start()));
});

afterAll(async () => {
  await Promise.all(venues.map((venue) => venue.stop()));
  files.remove();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()));
  for (const venue of venues) {
    venue.next.length = 0;
    venue.seen.length = 0;
    venue.behaviour = "usage-last";
  }
});

async function start(more: object = {}): Promise<TestGateway> {
  const models = ["a", "b", "c"].map((name, index) => ({ name, openai: { model: "gpt-mock", baseUrl: baseUrls[index] ?? "" } }));
  const gateway = await startGateway({ files, models, routing: { fallback: ["b", "c"] }, ...more });
  open.push(gateway);
  return gateway;
}

const ask = (gateway: TestGateway, more: object = {}): Promise<Response> =>
  gateway.post("/v1/chat/completions", chat("Which way?", { model: "a", temperature: 1, ...more }));
const calls = (): number[] => venues.map(({ seen }) => seen.length);

describe("another model is asked", () => {
  test.each(["rate-limited", "server-error", "unauthorized", "cut-before-first-byte", "not-json"] as const)(
    "when the first one fails before its first byte: %s",
    async (behaviour) => {
      const gateway = await start();
      for (const stream of [false, true]) {
        first.next.push(behaviour);
        const response = await ask(gateway, { stream });
        expect(response.status).toBe(200);
        expect(response.headers.get("x-bellwether-model")).toBe("b");
        expect(await response.text()).toContain("chat.completion");
      }
    },
  );

  test("when the first one keeps silent for too long", async () => {
    const gateway = await start({ firstByteTimeoutMs: 200 });
    first.behaviour = "silent";
    const response = await ask(gateway);
    expect(response.headers.get("x-bellwether-model")).toBe("b");
  });

  test("each once, within one budget of attempts for the whole request", async () => {
    const gateway = await start({ retry: { maxAttempts: 2 } });
    for (const venue of venues) venue.behaviour = "server-error";
    const response = await ask(gateway);
    expect(response.status).toBe(502);
    expect(calls()).toEqual([1, 1, 0]);
  });
});

describe("no other model is asked", () => {
  test("after the first byte: what has begun breaks off with an error, and no second text is glued to it", async () => {
    const gateway = await start();
    first.next.push("cut-after-first-byte");
    const body = await (await ask(gateway, { stream: true })).text();
    expect(calls()).toEqual([1, 0, 0]);
    expect(body).toContain("MODEL_BROKE_OFF");
    expect(body).not.toContain("[DONE]");
  });

  test("when it goes quiet after the first byte", async () => {
    const gateway = await start({ idleTimeoutMs: 200 });
    first.next.push("stalls");
    const body = await (await ask(gateway, { stream: true })).text();
    expect(calls()).toEqual([1, 0, 0]);
    expect(body).toContain("MODEL_BROKE_OFF");
  });

  test("when the request itself is at fault: the provider's words come back as 400", async () => {
    const gateway = await start();
    first.next.push("bad-request");
    const response = await ask(gateway);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: "MODEL_REFUSED", message: expect.stringContaining("the schema is not valid") },
    });
    expect(calls()).toEqual([1, 0, 0]);
  });
});

describe("the breaker of a model", () => {
  test("opens after one refused key, and the model is not asked again", async () => {
    const gateway = await start({ routing: { fallback: [] } });
    first.behaviour = "unauthorized";
    expect((await ask(gateway)).status).toBe(502);
    const again = await ask(gateway);
    expect(again.status).toBe(503);
    expect(await again.json()).toMatchObject({ error: { code: "BREAKER_OPEN" } });
    expect(calls()).toEqual([1, 0, 0]);
    const status = (await (await gateway.get("/v1/status")).json()) as { models: object[] };
    expect(status.models[0]).toMatchObject({ name: "a", breaker: "Open", because: { code: "MODEL_KEY_REFUSED" } });
  });

  test("opens when too many fail, tries one after a while, and closes again", async () => {
    const circuitBreaker = { minimumRequests: 4, failureRatio: "0.5", windowMs: 60_000, openForMs: 300 };
    const gateway = await start({ circuitBreaker, routing: { fallback: [] } });
    first.behaviour = "server-error";
    for (let index = 0; index < 5; index++) await (await ask(gateway)).arrayBuffer();
    const asked = first.seen.length;
    expect((await ask(gateway)).status).toBe(503);
    expect(first.seen.length).toBe(asked);
    first.behaviour = "usage-last";
    await expect.poll(async () => (await ask(gateway)).status, { timeout: 30_000 }).toBe(200);
    expect((await ask(gateway)).status).toBe(200);
  });

  test("of one model leaves the others alone", async () => {
    const gateway = await start();
    first.behaviour = "unauthorized";
    for (let index = 0; index < 3; index++) expect((await ask(gateway)).headers.get("x-bellwether-model")).toBe("b");
    expect(calls()).toEqual([1, 3, 0]);
  });
});

describe("equal questions under way at once", () => {
  test("are asked once, and everyone gets the answer", async () => {
    const gateway = await start();
    let release = (): void => undefined;
    first.gate = new Promise((resolve) => (release = resolve));
    const asked = [false, true, false].map((stream) => ask(gateway, { temperature: 0, stream }));
    await expect.poll(() => first.seen.length, { timeout: 30_000 }).toBe(1);
    release();
    first.gate = undefined;
    const answers = await Promise.all(asked);
    for (const answer of answers) expect(await answer.text()).toContain("Größe");
    // The third may have come when the first had its answer already.
    expect(answers.filter(({ headers }) => headers.get("x-bellwether-cache") === "miss")).toHaveLength(1);
    expect(calls()).toEqual([1, 0, 0]);
    const later = await ask(gateway, { temperature: 0 });
    expect(later.headers.get("x-bellwether-cache")).toBe("exact");
    expect(((await later.json()) as OpenAI.ChatCompletion).choices[0]?.message.content).toBe(defaultReply("Which way?"));
  });

  test("of two strategies are two questions", async () => {
    const gateway = await start();
    const body = chat("Which way?", { model: "a" });
    await (await gateway.post("/v1/chat/completions", body)).arrayBuffer();
    const other = await gateway.post("/v1/chat/completions", body, { token: "beta-token-0123456789" });
    expect(other.headers.get("x-bellwether-cache")).toBe("miss");
  });
});

describe("a question that means the same", () => {
  const semantic = { cache: { semantic: { enabled: true } } };
  const said = async (gateway: TestGateway, content: string, token?: string): Promise<string | null> => {
    const response = await gateway.post(
      "/v1/chat/completions",
      chat(content, { model: "a" }),
      token === undefined ? {} : { token },
    );
    await response.arrayBuffer();
    return response.headers.get("x-bellwether-cache");
  };

  test("gets the answer of the other one, unless a side, a ticker, a number or a negation differs", async () => {
    const gateway = await start(semantic);
    expect(await said(gateway, "Should I buy BTC at 42000?")).toBe("miss");
    expect(await said(gateway, "Please, should I buy BTC at 42,000?")).toBe("semantic");
    for (const other of [
      "Should I sell BTC at 42000?",
      "Should I buy ETH at 42000?",
      "Should I buy BTC at 43000?",
      "Should I not buy BTC at 42000?",
    ])
      expect(await said(gateway, other)).toBe("miss");
  });

  test("never gets another strategy's", async () => {
    const gateway = await start(semantic);
    expect(await said(gateway, "Should I buy BTC at 42000?")).toBe("miss");
    expect(await said(gateway, "Please, should I buy BTC at 42,000?", "beta-token-0123456789")).toBe("miss");
  });

  test("is asked anew where the route did not ask for this", async () => {
    const gateway = await start();
    expect(await said(gateway, "Should I buy BTC at 42000?")).toBe("miss");
    expect(await said(gateway, "Please, should I buy BTC at 42,000?")).toBe("miss");
  });
});
