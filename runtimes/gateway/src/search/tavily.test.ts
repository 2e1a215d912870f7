import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "@bellwether/service-kit";
import { afterAll, expect, test } from "vitest";
import { KeyFile } from "../backends/key-file.ts";
import { Tavily } from "./tavily.ts";

const directory = mkdtempSync(path.join(tmpdir(), "bellwether-tavily-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = path.join(directory, "key");
writeFileSync(file, "tvly-canary-0123\n");

interface Sent {
  readonly url: string;
  readonly init: RequestInit | undefined;
}

function tavilyAnswering(answer: () => Response): { tavily: Tavily; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    sent.push({ url: url instanceof Request ? url.url : url.toString(), init });
    return answer();
  };
  const key = new KeyFile(file, { clock: systemClock, onKey: () => undefined });
  return { tavily: new Tavily({ baseUrl: undefined, key, fetch, clock: systemClock }), sent };
}

const never = new AbortController().signal;
const reply = {
  query: "btc",
  answer: null,
  results: [{ title: "t", url: "u", content: "c", score: 0.9, raw_content: "secret" }],
  usage: {},
};

test("asks with the route's key in a header and passes on what is documented, and no more", async () => {
  const { tavily, sent } = tavilyAnswering(() => Response.json(reply));
  const found = await tavily.search({ query: "btc", topic: "news" }, never);
  expect(found).toEqual({ query: "btc", answer: null, results: [{ title: "t", url: "u", content: "c", score: 0.9 }] });
  expect(sent[0]).toMatchObject({
    url: "https://api.tavily.com/search",
    init: { headers: { authorization: "Bearer tvly-canary-0123" } },
  });
  expect(sent[0]?.init?.body).not.toContain("canary");
});

const faults: [name: string, answer: () => Response][] = [
  ["refuses", () => new Response("no tvly-canary-0123", { status: 401 })],
  ["answers something else", () => Response.json({ results: "none" })],
  ["answers no JSON", () => new Response("<html>")],
  [
    "is not there",
    () => {
      throw new TypeError("fetch failed");
    },
  ],
];
test.each(faults)("says that it cannot be used when it %s, without its key", async (_name, answer) => {
  const { tavily } = tavilyAnswering(answer);
  const error = await tavily.search({ query: "btc" }, never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "SEARCH_UNAVAILABLE" });
  expect(String(error)).not.toContain("canary");
});
