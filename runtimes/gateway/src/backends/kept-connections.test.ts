import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@bellwether/service-kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeptConnections, type PostReply, type PostRequest } from "./kept-connections.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

let server: Server;
let url: string;
let answer: Answer;
let opened: number;
const connections = new KeptConnections(systemClock);
const { signal } = new AbortController();
const post = (body = "{}", more: Partial<PostRequest> = {}): Promise<PostReply> =>
  connections.post(url, { headers: {}, body, signal, ...more });

beforeEach(async () => {
  opened = 0;
  server = createServer((request, response) => answer(request, response)).on("connection", () => (opened += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/x?y=1`;
});
afterEach(() => server.close().closeAllConnections());

test("sends method, headers and text, and gives back status, headers and text", async () => {
  answer = async (request, response) => {
    const sent = (await request.toArray()).join("");
    response.writeHead(201, { "x-seen": `${request.method} ${request.url} ${String(request.headers["x-own"])}` }).end(sent);
  };
  const reply = await post("größer", { headers: { "X-Own": "1" } });
  expect([reply.status, reply.ok, reply.header("x-seen")]).toEqual([201, true, "POST /v1/x?y=1 1"]);
  expect(reply.header("x-missing")).toBeUndefined();
  expect(await reply.text()).toBe("größer");
});

test("one connection serves requests that follow one another, also after a reader that stopped at the last event", async () => {
  answer = (_request, response) => {
    response.write("data: 1\n\n");
    response.end("data: [DONE]\n\n");
  };
  for (let round = 0; round < 5; round++) {
    let seen = "";
    for await (const piece of (await post()).body) {
      seen += Buffer.from(piece).toString();
      if (seen.includes("[DONE]")) break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(opened).toBeLessThanOrEqual(2);
});

test("an abort before the answer rejects with its reason; one in the middle ends the reading with it", async () => {
  answer = () => undefined;
  const early = new AbortController();
  const waiting = post("{}", { signal: early.signal });
  early.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");

  answer = (_request, response) => void response.write("first");
  const late = new AbortController();
  const reply = await post("{}", { signal: late.signal });
  const read = async (): Promise<void> => {
    for await (const piece of reply.body) if (piece.length > 0) late.abort(new Error("enough"));
  };
  await expect(read()).rejects.toThrow();
});

test("a redirect is not followed: the key would go with it", async () => {
  answer = (_request, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
  expect((await post()).status).toBe(307);
});

test("says why nobody was reached, and when an answer broke off", async () => {
  await expect(connections.post("http://127.0.0.1:1/", { headers: {}, body: "{}", signal })).rejects.toMatchObject({
    code: "ECONNREFUSED",
  });
  answer = (_request, response) => {
    response.writeHead(200, { "content-length": "100" }).write("half");
    setImmediate(() => response.destroy());
  };
  const reply = await post();
  await expect(reply.text()).rejects.toMatchObject({ code: "ECONNRESET" });
});
