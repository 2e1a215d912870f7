import { beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { ApiClient } from "./api-client.ts";
import type { WatchEvent } from "./client.ts";
import { KubernetesError, type KubernetesErrorCode, isKubernetesError } from "./errors.ts";
import { FakeTransport, jsonResponse } from "./testing/fake-transport.ts";
import { type Widget, surroundings, widget, widgets } from "./testing/fixtures.ts";

const ref = { namespace: "test", name: "a" };
const broken = () => new KubernetesError("UNREACHABLE", "RST");

let transport: FakeTransport;
let clock: ManualClock;
let client: ApiClient;
let forgotten: number;

beforeEach(() => {
  const around = surroundings();
  clock = around.clock;
  transport = new FakeTransport();
  forgotten = 0;
  client = new ApiClient({ transport, ...around, forgetCredentials: () => forgotten++ });
});

async function codeOf(promise: Promise<unknown>): Promise<KubernetesErrorCode | "none"> {
  try {
    await promise;
    return "none";
  } catch (error) {
    if (isKubernetesError(error)) return error.code;
    throw error;
  }
}

describe("requests", () => {
  test.each([
    ["apply", () => client.apply(widgets, widget("a")), "PATCH", "/apis/test.bellwether.dev/v1/namespaces/test/widgets/a?fieldManager=bellwether&force=true", "application/apply-patch+yaml"], // prettier-ignore
    ["dry run", () => client.apply(widgets, widget("a"), { dryRun: true }), "PATCH", "/apis/test.bellwether.dev/v1/namespaces/test/widgets/a?fieldManager=bellwether&force=true&dryRun=All", "application/apply-patch+yaml"], // prettier-ignore
    ["patchStatus", () => client.patchStatus(widgets, ref, {}), "PATCH", "/apis/test.bellwether.dev/v1/namespaces/test/widgets/a/status?fieldManager=bellwether", "application/merge-patch+json"], // prettier-ignore
    ["create", () => client.create(widgets, widget("a")), "POST", "/apis/test.bellwether.dev/v1/namespaces/test/widgets?fieldManager=bellwether", "application/json"], // prettier-ignore
    ["get", () => client.get(widgets, ref), "GET", "/apis/test.bellwether.dev/v1/namespaces/test/widgets/a", undefined],
  ] as const)("%s", async (...[, call, method, path, contentType]) => {
    transport.answer({});
    await call();
    expect(transport.requests[0]).toMatchObject({ method, path, ...(contentType === undefined ? {} : { contentType }) });
  });

  test("a name that is no path segment is escaped", async () => {
    transport.answer({});
    await client.get(widgets, { namespace: "test", name: "a/../b" });
    expect(transport.requests[0]?.path).toContain("/widgets/a%2F..%2Fb");
  });

  test("a list fills in what its items lack", async () => {
    transport.answer({ metadata: { resourceVersion: "7", continue: "next" }, items: [{ metadata: { name: "a" } }] });
    const page = await client.list(widgets, { labelSelector: "a=b" });
    expect(page).toMatchObject({
      resourceVersion: "7",
      continue: "next",
      items: [{ apiVersion: "test.bellwether.dev/v1", kind: "Widget" }],
    });
    expect(transport.requests[0]?.path).toBe("/apis/test.bellwether.dev/v1/widgets?limit=500&labelSelector=a%3Db");
  });
});

describe("errors", () => {
  test.each([
    [400, undefined, "BAD_REQUEST"],
    [403, "Forbidden", "FORBIDDEN"],
    [409, "Conflict", "CONFLICT"],
    [409, "AlreadyExists", "ALREADY_EXISTS"],
    [410, "Expired", "EXPIRED"],
    [422, "Invalid", "INVALID"],
    [500, undefined, "SERVER_ERROR"],
    [418, undefined, "HTTP_STATUS"],
  ] as const)("%i %s becomes %s", async (status, reason, code) => {
    transport.answer(jsonResponse(status, { kind: "Status", reason, message: "no" }));
    expect(await codeOf(client.apply(widgets, widget("a")))).toBe(code);
  });

  test("what is not there is undefined for get and false for delete", async () => {
    transport.answer(jsonResponse(404, {}), jsonResponse(404, {}));
    expect(await client.get(widgets, ref)).toBeUndefined();
    expect(await client.delete(widgets, ref)).toBe(false);
  });

  test("an answer that is no JSON is named so", async () => {
    transport.answer({ status: 200, text: "<html>" });
    expect(await codeOf(client.get(widgets, ref))).toBe("INVALID_RESPONSE");
  });
});

describe("repeats", () => {
  test("a broken connection at once, for what may be repeated", async () => {
    transport.answer(broken(), {});
    expect(await codeOf(client.apply(widgets, widget("a")))).toBe("none");
    expect(transport.requests).toHaveLength(2);
  });

  test("but never a create: it may have happened", async () => {
    transport.answer(broken());
    expect(await codeOf(client.create(widgets, widget("a")))).toBe("UNREACHABLE");
    expect(transport.requests).toHaveLength(1);
  });

  test("and gives up after four attempts", async () => {
    transport.answer(broken(), broken(), broken(), broken());
    const code = codeOf(client.get(widgets, ref));
    await clock.advance(10_000);
    expect(await code).toBe("UNREACHABLE");
  });

  test("a throttled request, even a create, after the time the server asks for", async () => {
    transport.answer(jsonResponse(429, {}, 3000), {});
    const code = codeOf(client.create(widgets, widget("a")));
    await clock.advance(2900);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(900);
    expect(await code).toBe("none");
  });

  test("a refused credential once, read anew", async () => {
    transport.answer(jsonResponse(401, {}), jsonResponse(401, {}));
    expect(await codeOf(client.get(widgets, ref))).toBe("UNAUTHORIZED");
    expect(forgotten).toBe(1);
  });
});

test("a guarded client asks before every attempt to write and never before a read", async () => {
  let held = true;
  const guarded = client.guarded(() => {
    if (!held) throw new KubernetesError("FENCED", "lost");
  });
  transport.answer(jsonResponse(429, {}, 5000), {});
  const code = codeOf(guarded.apply(widgets, widget("a")));
  await clock.advance(100);
  held = false;
  await clock.advance(10_000);
  expect(await code).toBe("FENCED");
  expect(await codeOf(guarded.get(widgets, ref))).toBe("none");
});

describe("watch", () => {
  const options = { resourceVersion: "5", timeoutSeconds: 300 };

  async function watched(lines: readonly object[]): Promise<{ events: WatchEvent<Widget>[]; code: string }> {
    const events: WatchEvent<Widget>[] = [];
    transport.streams(async (handlers, signal) => {
      handlers.onOpen();
      handlers.onData(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
      signal.throwIfAborted();
      return undefined;
    });
    const handlers = { onOpen: () => undefined, onEvent: (event: WatchEvent<Widget>) => events.push(event) };
    const code = await codeOf(client.watch(widgets, { options, handlers }, new AbortController().signal));
    return { events, code };
  }

  test("brings events and bookmarks", async () => {
    const object = { ...widget("a"), metadata: { name: "a", resourceVersion: "6" } };
    const { events, code } = await watched([
      { type: "ADDED", object },
      { type: "BOOKMARK", object: { metadata: { resourceVersion: "9" } } },
    ]);
    expect(events).toEqual([
      { type: "ADDED", object },
      { type: "BOOKMARK", resourceVersion: "9" },
    ]);
    expect(code).toBe("none");
  });

  test("ends with the code of an ERROR event", async () => {
    expect(await watched([{ type: "ERROR", object: { code: 410, reason: "Expired" } }])).toEqual({ events: [], code: "EXPIRED" });
  });

  test("ends with INVALID_RESPONSE on a line that is no JSON", async () => {
    transport.streams(async (handlers, signal) => {
      handlers.onData(Buffer.from("nonsense\n"));
      signal.throwIfAborted();
      return undefined;
    });
    const handlers = { onOpen: () => undefined, onEvent: () => undefined };
    expect(await codeOf(client.watch(widgets, { options, handlers }, new AbortController().signal))).toBe("INVALID_RESPONSE");
  });

  test("throws the status of a refused watch", async () => {
    transport.streams(async () => jsonResponse(410, { reason: "Expired" }));
    const handlers = { onOpen: () => undefined, onEvent: () => undefined };
    expect(await codeOf(client.watch(widgets, { options, handlers }, new AbortController().signal))).toBe("EXPIRED");
  });
});
