import type OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GatewayConfigInput, routeStatus } from "../../../runtimes/gateway/src/config.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles, type TestGateway, betaToken, chat, startGateway } from "./gateway-fixture.ts";

const files = new TestFiles();
const apples = "Tom has 12 apples and buys 30 more. How many apples does he have?";
const right = "12 + 30 = <<12+30=42>>42 apples.\n#### 42";
const wrong = "12 + 30 = <<12+30=45>>45 apples.\n#### 45";
let smallSays = right;
const small = new OpenAiStandIn({ reply: () => smallSays });
const large = new OpenAiStandIn({ reply: () => right });
const closers: (() => Promise<void>)[] = [];
let models: GatewayConfigInput["models"];

beforeAll(async () => {
  const price = { inputPerMillionTokens: "1", outputPerMillionTokens: "2" };
  const model = async (name: string, tier: "Small" | "Large", standIn: OpenAiStandIn): Promise<(typeof models)[number]> => {
    return { name, tier, price, openai: { model: "gpt-mock", baseUrl: await standIn.start() } };
  };
  models = [await model("small", "Small", small), await model("large", "Large", large)];
});

afterAll(async () => {
  await Promise.all(closers.map((close) => close()));
  await Promise.all([small.stop(), large.stop()]);
  files.remove();
});

beforeEach(() => {
  for (const standIn of [small, large]) {
    standIn.seen.length = 0;
    standIn.next.length = 0;
  }
  smallSays = right;
});

async function start(more: Partial<GatewayConfigInput>): Promise<TestGateway> {
  const gateway = await startGateway({ files, models, ...more });
  closers.push(() => gateway.close());
  return gateway;
}

async function ask(gateway: TestGateway, body: object): Promise<{ headers: Headers; text: string | null }> {
  const response = await gateway.post("/v1/chat/completions", body);
  expect(response.status).toBe(200);
  if (!("stream" in body)) {
    const { choices } = (await response.json()) as OpenAI.ChatCompletion;
    return { headers: response.headers, text: choices[0]?.message.content ?? null };
  }
  const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("data: {"));
  const pieces = events.map(
    (event) => (JSON.parse(event.slice(6)) as OpenAI.ChatCompletionChunk).choices[0]?.delta.content ?? "",
  );
  return { headers: response.headers, text: pieces.join("") };
}

describe("a cascade", () => {
  const routing = { strategy: "Cascade" as const };
  const auto = (content: string, more: object = {}): object => chat(content, { model: "auto", temperature: 1, ...more });
  let gateway: TestGateway;
  beforeAll(async () => void (gateway = await start({ routing })));

  test.each([[{}], [{ stream: true }]])("lets the small model's answer stand when its arithmetic holds (%o)", async (more) => {
    const { headers, text } = await ask(gateway, auto(apples, more));
    expect([headers.get("x-bellwether-model"), text]).toEqual(["small", right]);
    expect(large.seen).toHaveLength(0);
  });

  test.each([[{}], [{ stream: true }]])("asks the large one when it does not (%o)", async (more) => {
    smallSays = wrong;
    const { headers, text } = await ask(gateway, auto(apples, more));
    expect([headers.get("x-bellwether-model"), text]).toEqual(["large", right]);
    expect([small.seen.length, large.seen.length]).toEqual([1, 1]);
    expect(await gateway.metrics.registry.metrics()).toContain('bellwether_gateway_escalations_total{reason="DOUBTFUL"}');
  });

  test("says the cost of both", async () => {
    smallSays = wrong;
    const { headers } = await ask(gateway, auto(apples));
    const usages = [...small.seen, ...large.seen].map(({ usage }) => usage);
    const micros = usages.reduce((sum, usage) => sum + (usage?.inputTokens ?? 0) + 2 * (usage?.outputTokens ?? 0), 0);
    expect(Number(headers.get("x-bellwether-cost-usd"))).toBeCloseTo(micros / 1_000_000, 9);
  });

  test("gives out the doubtful answer when no larger model answers, and never keeps it", async () => {
    smallSays = wrong;
    for (let round = 1; round <= 2; round++) {
      large.next.push("server-error");
      const { headers, text } = await ask(gateway, auto(apples, { temperature: 0 }));
      expect([headers.get("x-bellwether-model"), headers.get("x-bellwether-cache"), text]).toEqual(["small", "miss", wrong]);
    }
    expect(small.seen).toHaveLength(2);
  });

  test("asks again for an answer that is not of the schema", async () => {
    smallSays = '{"side": "up"}';
    const schema = { type: "object", properties: { side: { enum: ["buy", "sell"] } }, required: ["side"] };
    const format = { type: "json_schema", json_schema: { name: "decision", schema } };
    const { headers } = await ask(gateway, auto("Which side?", { response_format: format }));
    expect(headers.get("x-bellwether-model")).toBe("large");
  });

  test("does not doubt a model that was asked for by its name", async () => {
    smallSays = wrong;
    const { headers } = await ask(gateway, auto(apples, { model: "small" }));
    expect(headers.get("x-bellwether-model")).toBe("small");
    expect(large.seen).toHaveLength(0);
  });
});

describe("a template", () => {
  const templates = [
    { name: "greeting", match: "(?i)hello,? (\\w+)", response: "Hello $1." },
    { name: "broken", match: "(a+)+", response: "never" },
  ];
  let gateway: TestGateway;
  beforeAll(async () => void (gateway = await start({ templates })));

  test.each([[{}], [{ stream: true }]])("answers a question it knows without a call (%o)", async (more) => {
    const { headers, text } = await ask(gateway, chat("Hello Ada", { model: "small", ...more }));
    expect([headers.get("x-bellwether-cache"), text]).toEqual(["template", "Hello Ada."]);
    expect(small.seen).toHaveLength(0);
  });

  test.each([
    ["another question", chat("Hello Ada and Bob", { model: "small" })],
    ["a question that wants a form", chat("Hello Ada", { model: "small", response_format: { type: "json_object" } })],
  ])("leaves %s to a model", async (_name, body) => {
    expect((await ask(gateway, body)).headers.get("x-bellwether-cache")).toBe("miss");
  });

  test("that cannot be used is named in the status", async () => {
    const { faults } = routeStatus.parse(await (await gateway.get("/v1/status")).json());
    expect(faults).toEqual([{ about: "template", message: expect.stringMatching(/^template broken is never used: /) as string }]);
  });
});

describe("compression", () => {
  const filler = Array.from(
    { length: 60 },
    (_, index) => `The weather over the hills was ${["mild", "warm", "cool"][index % 3]} again.`,
  );
  const messages = [
    { role: "system", content: "You are a careful analyst." },
    { role: "user", content: `${filler.join(" ")} BTC closed at 41250.5 and must not be sold.` },
    { role: "assistant", content: "Noted." },
    { role: "user", content: "What now?" },
  ];
  const sent = (): string => JSON.stringify(small.seen.at(-1)?.body["messages"]);

  test("shortens a long prompt on its way to the model, but no number, negation, instruction or question of it", async () => {
    const gateway = await start({ compression: { enabled: true, maxPromptTokens: 256 } });
    const { headers } = await ask(gateway, { model: "small", messages });
    expect(Number(headers.get("x-bellwether-saved-prompt-tokens"))).toBeGreaterThan(200);
    expect(sent().length).toBeLessThan(JSON.stringify(messages).length * 0.6);
    for (const precious of ["You are a careful analyst.", "BTC closed at 41250.5 and must not be sold.", "Noted.", "What now?"])
      expect(sent()).toContain(precious);
  });

  test("is off unless the route asks for it", async () => {
    const { headers } = await ask(await start({}), { model: "small", messages });
    expect(headers.get("x-bellwether-saved-prompt-tokens")).toBeNull();
    expect(sent()).toBe(JSON.stringify(messages));
  });
});

describe("embeddings that one strategy asks for within the window", () => {
  // Longer than any test: only a full call, or the test of the window itself, ends it.
  const windowMs = 10_000;
  const embed = async (gateway: TestGateway, input: string | string[], token?: string): Promise<unknown> => {
    const response = await gateway.post("/v1/embeddings", { model: "small", input }, { ...(token !== undefined && { token }) });
    expect(response.status).toBe(200);
    return ((await response.json()) as { data: unknown }).data;
  };

  test("go in one call, and each caller gets its own back; another strategy's go apart", async () => {
    const [batched, plain] = [await start({ batching: { windowMs, maxRequests: 3 } }), await start({})];
    const own = ["up", ["down", "up"], "side"];
    const together = await Promise.all([
      ...own.map((input) => embed(batched, input)),
      ...["up", "up", "up"].map((input) => embed(batched, input, betaToken)),
    ]);
    const calls = small.seen.map(({ body }) => (body["input"] as string[]).toSorted().join(" "));
    expect(calls.toSorted()).toEqual(["down side up", "up"]);
    const alone = await Promise.all([...own, "up", "up", "up"].map((input) => embed(plain, input)));
    expect(together).toEqual(alone);
  });

  test("go when the window closes, however few they are", async () => {
    const gateway = await start({ batching: { windowMs: 30, maxRequests: 100 } });
    expect(await embed(gateway, "only one")).toHaveLength(1);
  });

  test("fail together when their call does", async () => {
    const gateway = await start({ batching: { windowMs, maxRequests: 2 } });
    small.next.push("server-error");
    const answers = await Promise.all(["one", "two"].map((input) => gateway.post("/v1/embeddings", { model: "small", input })));
    expect(answers.map(({ status }) => status)).toEqual([502, 502]);
    expect(small.seen).toHaveLength(1);
  });
});
