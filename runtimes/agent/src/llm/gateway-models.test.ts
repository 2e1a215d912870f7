import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Dependency } from "@bellwether/service-kit/check";
import { systemClock } from "@bellwether/service-kit/clock";
import { silentLogger } from "@bellwether/service-kit/logger";
import { ServiceClient } from "@bellwether/service-kit/service-client";
import type { ModelQuestion } from "@bellwether/trading/engine/language-model";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GatewayModels } from "./gateway-models.ts";

interface Said {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const question: ModelQuestion = {
  model: "auto",
  messages: [{ role: "user", content: "up?" }],
  format: { name: "answer", schema: { type: "object" } },
  maxTokens: 7,
};
const completion = {
  id: "chatcmpl-1",
  model: "small",
  choices: [{ index: 0, message: { role: "assistant", content: "yes" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 },
};
const notes = { "x-bellwether-cost-usd": "0.000017", "x-bellwether-cache": "exact" };
const failed = (status: number, code: string): Said => ({
  status,
  body: { error: { code, message: "no", type: "x", param: null } },
});

let server: Server;
let client: ServiceClient;
let models: GatewayModels;
let health: Dependency;
let asked: { readonly route: string; readonly body: unknown }[];
let outcomes: string[];
/** What the gateway says; undefined: nothing, ever. */
let says: Said | undefined;
const thoughts = new Map<string, unknown>();

beforeEach(async () => {
  [asked, outcomes, says] = [[], [], { status: 200, body: completion, headers: notes }];
  thoughts.clear();
  server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push({ route: `${request.method} ${request.url}`, body: body === "" ? undefined : JSON.parse(body) });
      const said = request.url?.startsWith("/v1/thoughts/") ? thoughtReply(request.method ?? "", request.url, body) : says;
      if (!said) return;
      response.writeHead(said.status, { "content-type": "application/json", ...said.headers });
      response.end(JSON.stringify(said.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = new ServiceClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock: systemClock });
  health = new Dependency("gateway", () => 0);
  const count = (outcome: string): void => void outcomes.push(outcome);
  models = new GatewayModels({ client, timeoutMs: 30_000, strategyUid: "u-1", count, health, log: silentLogger });
});

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

/** As the gateway does: read once, then gone. */
function thoughtReply(method: string, url: string, body: string): Said {
  const id = url.split("/").at(-1) ?? "";
  if (method === "PUT") {
    thoughts.set(id, (JSON.parse(body) as { content: unknown }).content);
    return { status: 200, body: { id, expiresInMs: 1 } };
  }
  const content = thoughts.get(id);
  return thoughts.delete(id) ? { status: 200, body: { id, content } } : failed(404, "THOUGHT_NOT_FOUND");
}

describe("a question to the gateway", () => {
  test("goes out in OpenAI's form, and its answer comes back with what it took", async () => {
    expect(await models.ask(question)).toEqual({
      answered: true,
      text: "yes",
      model: "small",
      inputTokens: 11,
      outputTokens: 3,
      costUsd: "0.000017",
      cache: "exact",
    });
    const format = { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" }, strict: true } };
    const body = { model: "auto", messages: question.messages, max_completion_tokens: 7, response_format: format };
    expect(asked).toEqual([{ route: "POST /v1/chat/completions", body }]);
    expect([health.ok, outcomes]).toEqual([true, ["answered"]]);
  });

  test("is answered by what a model says when it refuses, and nothing is made up about its price", async () => {
    const message = { role: "assistant", content: null, refusal: "I would rather not" };
    says = { status: 200, body: { model: "small", choices: [{ message }] } };
    expect(await models.ask(question)).toEqual({ answered: true, text: "I would rather not", model: "small" });
  });

  test.each([
    {
      when: "the budget is spent",
      said: failed(429, "BUDGET_EXHAUSTED"),
      reason: "REFUSED",
      names: "BUDGET_EXHAUSTED",
      ok: true,
    },
    {
      when: "no model answers",
      said: failed(502, "ALL_MODELS_FAILED"),
      reason: "REFUSED",
      names: "ALL_MODELS_FAILED",
      ok: false,
    },
    { when: "a proxy answers", said: { status: 200, body: "hello" }, reason: "UNREACHABLE", names: "unexpected", ok: false },
    {
      when: "it has no choice",
      said: { status: 200, body: { ...completion, choices: [] } },
      reason: "UNREACHABLE",
      names: "choices",
      ok: false,
    },
  ])("goes unanswered, and throws nothing, when $when", async ({ said, reason, names, ok }) => {
    says = said;
    expect(await models.ask(question)).toEqual({
      answered: false,
      reason,
      message: expect.stringContaining(names) as string,
    });
    expect([health.ok, outcomes]).toEqual([ok, [reason]]);
  });

  test("goes unanswered when it takes too long, and when nobody is there", async () => {
    says = undefined;
    const count = (outcome: string): void => void outcomes.push(outcome);
    const hasty = new GatewayModels({ client, timeoutMs: 100, strategyUid: "u-1", count, health, log: silentLogger });
    expect(await hasty.ask(question)).toMatchObject({ answered: false, reason: "TIMEOUT" });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await models.ask(question)).toMatchObject({ answered: false, reason: "UNREACHABLE" });
    expect(health.ok).toBe(false);
  });
});

describe("a thought", () => {
  test("is read once by the next decision on its market, even one that comes at once", async () => {
    models.remember("BTC/USDT", { plan: "wait" });
    models.remember("ETH/USDT", "go");
    expect(await models.recall("BTC/USDT")).toEqual({ plan: "wait" });
    expect(await models.recall("BTC/USDT")).toBeUndefined();
    expect(await models.recall("ETH/USDT")).toBe("go");
    for (const { route } of asked) expect(route).toMatch(/^(PUT|GET) \/v1\/thoughts\/u-1\.[0-9a-f]{16}$/);
  });

  test("that cannot be kept is lost, and nothing else", async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    models.remember("BTC/USDT", "gone");
    expect(await models.recall("BTC/USDT")).toBeUndefined();
  });
});
