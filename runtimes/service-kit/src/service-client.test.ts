import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createApiServer, parseRequest, requireCaller } from "./api-server.ts";
import { systemClock } from "./clock.ts";
import { CodedError } from "./coded-error.ts";
import { silentLogger } from "./logger.ts";
import { ServiceClient } from "./service-client.ts";
import { type EventSink, sendEvents } from "./sse.ts";

const reply = z.strictObject({ sum: z.number() });

let server: FastifyInstance;
let client: ServiceClient;
let sinks: EventSink[];

beforeEach(async () => {
  sinks = [];
  server = createApiServer({ log: silentLogger, maxBodyBytes: 1_000, statusOf: { TOO_EARLY: 425 } });
  server.post("/sum", async (request) => {
    const { numbers } = parseRequest(z.strictObject({ numbers: z.array(z.number()) }), request.body);
    return { sum: numbers.reduce((total, number) => total + number, 0) };
  });
  server.get("/early", async () => {
    throw new CodedError("TOO_EARLY", "come back at noon", { context: { atHour: 12 } });
  });
  server.get("/bug", async () => {
    throw new Error("secret details");
  });
  server.get("/mine", async (request) => {
    requireCaller(request, ["system:serviceaccount:bellwether:operator"]);
    return { sum: 1 };
  });
  server.get("/broke", (_request, answer) =>
    answer.code(429).send({ error: { code: "BUDGET_EXHAUSTED", message: "until December", type: "rate_limit_error" } }),
  );
  server.get("/odd", async () => ({ total: 1 }));
  server.get("/slow", () => new Promise(() => undefined));
  server.get("/events", (_request, answer) => void sinks.push(sendEvents(answer, { heartbeatMs: 20, clock: systemClock })));
  await server.listen({ port: 0, host: "127.0.0.1" });
  client = new ServiceClient({
    baseUrl: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    clock: systemClock,
  });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

describe("ServiceClient and API server", () => {
  test("exchange JSON through schemas", async () => {
    expect(await client.post("/sum", { schema: reply, body: { numbers: [1, 2, 3] } })).toEqual({ sum: 6 });
  });

  test("hand out the headers of an answer where they are asked for", async () => {
    const { body, headers } = await client.postForHeaders("/sum", { schema: reply, body: { numbers: [1] } });
    expect([body, headers["content-type"]]).toEqual([{ sum: 1 }, "application/json; charset=utf-8"]);
  });

  test.each([
    { path: "/sum-not-there", status: 404, code: "NOT_FOUND" },
    { path: "/early", status: 425, code: "TOO_EARLY" },
    { path: "/broke", status: 429, code: "BUDGET_EXHAUSTED" },
    { path: "/bug", status: 500, code: "INTERNAL" },
    { path: "/mine", status: 403, code: "FORBIDDEN" },
  ])("GET $path fails with $status $code", async ({ path, status, code }) => {
    await expect(client.get(path, { schema: reply })).rejects.toMatchObject({ code: "HTTP_STATUS", context: { status, code } });
  });

  test("an unexpected fault tells the caller nothing of its cause", async () => {
    await expect(client.get("/bug", { schema: reply })).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
  });

  test("names every fault of a body", async () => {
    const sent = client.post("/sum", { schema: reply, body: { numbers: ["a"], extra: 1 } });
    await expect(sent).rejects.toMatchObject({ context: { status: 400, message: expect.stringMatching(/numbers\.0.*extra/s) } });
  });

  test("refuses a body above the limit", async () => {
    const sent = client.post("/sum", { schema: reply, body: { numbers: Array.from({ length: 1_000 }, () => 1) } });
    await expect(sent).rejects.toMatchObject({ context: { status: 413 } });
  });

  test("tells an unexpected answer, a silent service and an absent one apart", async () => {
    await expect(client.get("/odd", { schema: reply })).rejects.toMatchObject({ code: "INVALID_REPLY" });
    await expect(client.get("/slow", { schema: reply, timeoutMs: 50 })).rejects.toMatchObject({ code: "TIMEOUT" });
    const absent = new ServiceClient({ baseUrl: "http://127.0.0.1:1", clock: systemClock });
    await expect(absent.get("/sum", { schema: reply })).rejects.toMatchObject({ code: "UNREACHABLE" });
    await absent.close();
  });
});

test("an answer of something that is none of our services makes the next call dial afresh", async () => {
  const connections = new Set<Socket>();
  const stranger = createServer((_request, answer) => void answer.writeHead(404).end()).listen(0, "127.0.0.1");
  stranger.on("connection", (socket) => connections.add(socket));
  await once(stranger, "listening");
  const lost = new ServiceClient({ baseUrl: `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`, clock: systemClock });
  for (let call = 0; call < 2; call++)
    await expect(lost.get("/sum", { schema: reply })).rejects.toMatchObject({ code: "UNREACHABLE" });
  expect(connections.size).toBe(2);
  await lost.close();
  stranger.close();
});

describe("event streams", () => {
  test("carry events in order and outlive silence by their heartbeat", async () => {
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const event of client.stream("/events", { signal: stop.signal, idleMs: 2_000 })) {
      seen.push([event.event, event.id, JSON.parse(event.data)]);
      if (seen.length === 2) stop.abort();
    }
    expect(seen).toEqual([
      ["bar", "1", { text: "one\ntwo" }],
      ["bar", undefined, 2],
    ]);
  }, 10_000);

  test("end with STREAM_ENDED when the other side closes", async () => {
    const reading = Array.fromAsync(client.stream("/events", { signal: new AbortController().signal, idleMs: 2_000 }));
    await expect.poll(() => sinks.length).toBeGreaterThan(0);
    sinks[0]?.end();
    await expect(reading).rejects.toMatchObject({ code: "STREAM_ENDED" });
  });
});

// The first test of the streams needs something to read: as soon as a reader is there it gets two events.
beforeEach((context) => {
  if (!context.task.name.startsWith("carry events")) return;
  const timer = setInterval(() => {
    const sink = sinks[0];
    if (!sink) return;
    clearInterval(timer);
    sink.send({ event: "bar", id: "1", data: { text: "one\ntwo" } });
    sink.send({ event: "bar", data: 2 });
  }, 5);
});
