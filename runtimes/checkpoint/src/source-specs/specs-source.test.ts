import { expect, test } from "vitest";
import type { Captured } from "../source.ts";
import { specsSource } from "./specs-source.ts";

const { signal } = new AbortController();

/** An API server with these objects, two to a page. */
function apiServer(objects: Readonly<Record<string, readonly object[]>>): typeof globalThis.fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    expect(new Headers(init?.headers).get("authorization")).toBe("Bearer the token");
    const plural = url.pathname.split("/").at(-1) ?? "";
    expect(url.pathname).toBe(`/apis/bellwether.dev/v1alpha1/namespaces/bellwether/${plural}`);
    const from = Number(url.searchParams.get("continue") ?? 0);
    const all = objects[plural] ?? [];
    const more = from + 2 < all.length ? { continue: String(from + 2) } : {};
    return Response.json({ metadata: { resourceVersion: `rv-${plural}`, ...more }, items: all.slice(from, from + 2) });
  };
}
const open = (fetch: typeof globalThis.fetch): Promise<unknown> =>
  specsSource({ url: "https://kubernetes.default.svc", namespace: "bellwether", token: () => "the token", fetch }).open(signal);
const strategy = (name: string): object => ({
  metadata: { name, uid: `uid-${name}`, resourceVersion: "7", labels: { tier: "a" }, managedFields: [{}] },
  spec: { mode: "Paper" },
  status: { phase: "Running" },
});

test("keeps the specs of all pages with names and labels, without status and managed fields", async () => {
  const captured = (await open(apiServer({ strategies: ["a", "b", "c"].map(strategy) }))) as Captured;
  const files: Record<string, string> = {};
  for await (const { path, content } of captured.files()) files[path] = Buffer.concat(await Array.fromAsync(content)).toString();
  const names = ["specs/strategies.jsonl", "specs/llmroutes.jsonl", "specs/riskpolicies.jsonl", "specs/checkpoints.jsonl"];
  expect(Object.keys(files)).toEqual(names);
  const lines = files["specs/strategies.jsonl"]?.trimEnd().split("\n") ?? [];
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
    ["a", "b", "c"].map((name) => ({
      metadata: { name, uid: `uid-${name}`, resourceVersion: "7", labels: { tier: "a" } },
      spec: { mode: "Paper" },
    })),
  );
  expect(captured.position).toMatchObject({ namespace: "bellwether", resourceVersions: { strategies: "rv-strategies" } });
});

test.each<[string, typeof globalThis.fetch]>([
  ["refuses", async () => new Response("no", { status: 403 })],
  ["does not answer", () => Promise.reject(new TypeError("fetch failed"))],
  ["says something else", async () => Response.json({ kind: "Status" })],
])("an API server that %s stops the snapshot: what should be there is not left out silently", async (_, fetch) => {
  await expect(open(fetch)).rejects.toMatchObject({ code: "SPECS_UNREADABLE" });
});
