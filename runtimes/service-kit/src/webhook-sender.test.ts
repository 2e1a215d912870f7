import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Clock, systemClock } from "./clock.ts";
import { createLogger } from "./logger.ts";
import { seededRandom } from "./random.ts";
import { WebhookReceiver } from "./testing/webhook-receiver.ts";
import { type WebhookOutcome, WebhookSender, type WebhookSenderOptions, pauseAfterMs } from "./webhook-sender.ts";
import { parseWebhookUrl } from "./webhook-url.ts";

/** Real I/O, but pauses are over at once; what was waited for is in `pauses`. */
function hurriedClock(): { clock: Clock; pauses: number[] } {
  const pauses: number[] = [];
  const clock: Clock = {
    nowMs: () => 1_700_000_000_000,
    setTimeout: (fn, delayMs) => {
      pauses.push(delayMs);
      return systemClock.setTimeout(fn, 0);
    },
    sleep: (delayMs, signal) => systemClock.sleep(delayMs, signal),
  };
  return { clock, pauses };
}

let receiver: WebhookReceiver;
let sender: WebhookSender | undefined;
let logged = "";
let outcomes: string[] = [];

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  logged = "";
  outcomes = [];
});
afterEach(async () => {
  await sender?.close();
  await receiver.stop();
});

function start(change: Partial<WebhookSenderOptions> = {}): { sender: WebhookSender; pauses: number[] } {
  const { clock, pauses } = hurriedClock();
  const destination = new Writable({
    write: (chunk: Buffer, _, done) => {
      logged += chunk.toString("utf8");
      done();
    },
  });
  sender = new WebhookSender({
    readUrl: async () => receiver.url,
    clock,
    random: seededRandom(1),
    log: createLogger({ name: "test", level: "trace", destination }),
    onOutcome: (outcome: WebhookOutcome, id: string) => outcomes.push(`${outcome} ${id}`),
    ...change,
  });
  return { sender, pauses };
}

const bodies = (): unknown[] => receiver.taken.map(({ body }) => body);
const patiently = { timeout: 20_000, interval: 10 };

describe("the webhook sender", () => {
  test("posts JSON in order", async () => {
    const { sender } = start();
    for (const id of ["a", "b", "c"]) sender.post({ id, body: { id } });
    await vi.waitFor(() => expect(bodies()).toEqual([{ id: "a" }, { id: "b" }, { id: "c" }]), patiently);
    expect(receiver.taken[0]).toMatchObject({ path: "/services/T000/B000/very-secret-part", contentType: "application/json" });
    await vi.waitFor(() => expect(outcomes).toEqual(["sent a", "sent b", "sent c"]), patiently);
  });

  test("posts an id once, however often it is told", async () => {
    const { sender } = start();
    sender.post({ id: "a", body: 1 });
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes).toEqual(["sent a"]), patiently);
    sender.post({ id: "a", body: 1 });
    sender.post({ id: "b", body: 2 });
    await vi.waitFor(() => expect(outcomes).toEqual(["sent a", "sent b"]), patiently);
    expect(bodies()).toEqual([1, 2]);
  });

  test.each([
    { what: "500", fault: { status: 500 } },
    { what: "429", fault: { status: 429 } },
    { what: "a reset", fault: "reset" },
  ] as const)("tries again after $what, and goes on with the next", async ({ fault }) => {
    const { sender, pauses } = start();
    receiver.failNext(fault, fault);
    sender.post({ id: "a", body: 1 });
    sender.post({ id: "b", body: 2 });
    await vi.waitFor(() => expect(outcomes).toEqual(["retried a", "retried a", "sent a", "sent b"]), patiently);
    expect(bodies()).toEqual([1, 2]);
    expect(pauses[1]).toBeGreaterThan(pauses[0]!);
  });

  test("tries again when no answer comes in time", async () => {
    const { sender } = start({ timeoutMs: 200 });
    receiver.failNext("hang");
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes.at(-1)).toBe("sent a"), patiently);
    expect(outcomes[0]).toBe("retried a");
  });

  test("a lost answer is posted again: told twice is better than never", async () => {
    const { sender } = start();
    receiver.failNext("lost");
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes).toEqual(["retried a", "sent a"]), patiently);
    expect(bodies()).toEqual([1, 1]);
  });

  test("waits as long as it is asked to, up to five minutes", async () => {
    const { sender, pauses } = start();
    const inTwoMinutes = new Date(1_700_000_000_000 + 120_000).toUTCString();
    receiver.failNext(
      { status: 429, headers: { "retry-after": "60" } },
      { status: 503, headers: { "retry-after": inTwoMinutes } },
      { status: 503, headers: { "retry-after": "86400" } },
    );
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes.at(-1)).toBe("sent a"), patiently);
    expect(pauses).toEqual([60_000, 120_000, 300_000]);
  });

  test.each([301, 400, 403, 404, 410])("does not try %i again, and goes on with the next", async (status) => {
    const { sender } = start();
    receiver.failNext({ status, headers: { location: "http://127.0.0.1:1/elsewhere" } });
    sender.post({ id: "a", body: 1 });
    sender.post({ id: "b", body: 2 });
    await vi.waitFor(() => expect(outcomes).toEqual(["refused a", "sent b"]), patiently);
  });

  test("gives up after so many attempts", async () => {
    const { sender } = start({ maxAttempts: 3 });
    receiver.failNext({ status: 500 }, { status: 500 }, { status: 500 });
    sender.post({ id: "a", body: 1 });
    sender.post({ id: "b", body: 2 });
    await vi.waitFor(() => expect(outcomes).toEqual(["retried a", "retried a", "abandoned a", "sent b"]), patiently);
  });

  test("keeps a bounded number, drops the oldest that waits, and never makes the caller wait", async () => {
    let release: (url: string) => void = () => undefined;
    const url = new Promise<string>((resolve) => (release = resolve));
    const { sender } = start({ maxQueued: 3, readUrl: () => url });
    for (const id of ["a", "b", "c", "d", "e"]) sender.post({ id, body: id });
    expect(sender.waiting).toBe(3);
    expect(outcomes).toEqual(["dropped b", "dropped c"]);
    release(receiver.url);
    await vi.waitFor(() => expect(bodies()).toEqual(["a", "d", "e"]), patiently);
  });

  test("reads the URL anew for each attempt: a corrected Secret heals it", async () => {
    const urls = ["", "not a url", receiver.url];
    const { sender } = start({ readUrl: async () => urls.shift() ?? receiver.url });
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes).toEqual(["retried a", "retried a", "sent a"]), patiently);
    expect(logged).toContain("the webhook's URL is empty");
  });

  test("sends name and password of the URL as a header", async () => {
    const { sender } = start({ readUrl: async () => receiver.url.replace("http://", "http://ada:s%3Fcret@") });
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(receiver.taken).toHaveLength(1), patiently);
    expect(receiver.taken[0]?.authorization).toBe(`Basic ${Buffer.from("ada:s?cret").toString("base64")}`);
  });

  test("no part of the URL reaches a log, whatever goes wrong", async () => {
    const nobody = receiver.url.replace(/:\d+/, ":1").replace("http://", "http://ada:canary-password@");
    const urls = [
      nobody,
      "canary-word very-secret-part",
      "ftp://canary/very-secret-part",
      receiver.url,
      receiver.url,
      receiver.url,
    ];
    const { sender } = start({ readUrl: async () => urls.shift() ?? receiver.url });
    receiver.failNext({ status: 500 }, "reset");
    for (const id of ["a", "b"]) sender.post({ id, body: 1 });
    await vi.waitFor(() => expect(outcomes.filter((outcome) => outcome.startsWith("sent"))).toHaveLength(2), patiently);
    expect(logged).not.toBe("");
    for (const secret of ["very-secret-part", "canary", "services", "127.0.0.1"]) expect(logged).not.toContain(secret);
  });

  test("ends at once, in the middle of a pause too", async () => {
    const forever: Clock = { ...hurriedClock().clock, setTimeout: () => () => undefined };
    const { sender } = start({ clock: forever });
    receiver.failNext({ status: 500 });
    sender.post({ id: "a", body: 1 });
    await vi.waitFor(() => expect(outcomes).toEqual(["retried a"]), patiently);
    await sender.close();
    sender.post({ id: "b", body: 2 });
    expect(sender.waiting).toBe(1);
    expect(receiver.taken).toEqual([]);
  });
});

describe("the health of a webhook", () => {
  test("is what came of the last message", async () => {
    const { sender: posting } = start();
    expect(posting.check()).toMatchObject({ name: "webhook", ok: true, message: "nothing was posted yet" });
    posting.post({ id: "a", body: {} });
    await vi.waitFor(() => expect(outcomes).toEqual(["sent a"]), patiently);
    expect(posting.check()).toMatchObject({ ok: true, message: "takes messages" });
  });

  test("names a wrong address, or one that is not there, before anything is to be told", async () => {
    const { sender: wrong } = start({ readUrl: async () => "https://canary.test:8443/x", ports: [443] });
    await wrong.inspect();
    expect(wrong.check()).toMatchObject({ ok: false, message: expect.stringContaining("must have port 443") });
    expect(JSON.stringify(wrong.check())).not.toContain("canary");
    const { sender: missing } = start({ readUrl: () => Promise.reject(Object.assign(new Error("canary"), { code: "ENOENT" })) });
    await missing.inspect();
    expect(missing.check()).toMatchObject({ ok: false, message: "the webhook's URL cannot be read: ENOENT" });
  });

  test("is well again as soon as the address is", async () => {
    const secret = { text: "" };
    const { sender: mended } = start({ readUrl: async () => secret.text });
    await mended.inspect();
    expect(mended.check()).toMatchObject({ ok: false, message: expect.stringContaining("is empty") });
    secret.text = receiver.url;
    await mended.inspect();
    expect(mended.check()).toMatchObject({ ok: true });
  });
});

describe("the pause between attempts", () => {
  test("doubles from a second to five minutes, less up to a quarter", () => {
    const late = { next: () => 0 };
    const early = { next: () => 0.999_999 };
    expect([1, 2, 3, 9, 10, 11, 1_000].map((attempts) => pauseAfterMs(attempts, late))).toEqual([
      1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000,
    ]);
    expect(pauseAfterMs(1, early)).toBe(750);
  });
});

describe("the URL of a webhook", () => {
  test.each([
    { text: "", says: "is empty" },
    { text: "   ", says: "is empty" },
    { text: "canary word", says: "is not a URL" },
    { text: "ftp://canary/x", says: "must begin with https:// or http://" },
    { text: `https://x/${"canary".repeat(400)}`, says: "longer than 2000" },
  ])("says what is wrong and not the value: $says", ({ text, says }) => {
    expect(() => parseWebhookUrl(text)).toThrow(says);
    expect(() => parseWebhookUrl(text)).not.toThrow("canary");
  });

  test.each([
    { text: "https://canary.test:8443/x", ports: [443], says: "must have port 443: the network" },
    { text: "http://canary.test/x", ports: [443, 8443], says: "must have port 443 or 8443" },
  ])("says which ports can be reached: $says", ({ text, ports, says }) => {
    expect(() => parseWebhookUrl(text, ports)).toThrow(says);
    expect(() => parseWebhookUrl(text, ports)).not.toThrow(/canary|:8443/);
  });

  test.each([
    { text: "https://hooks.test/x", ports: [443] },
    { text: "https://hooks.test:443/x", ports: [443] },
    { text: "http://hooks.test/x", ports: [80] },
    { text: "https://hooks.test:8443/x", ports: [443, 8443] },
    { text: "http://127.0.0.1:4711/x", ports: undefined },
  ])("$text passes where $ports can be reached", ({ text, ports }) => {
    expect(parseWebhookUrl(text, ports).href).toBe(new URL(text).href);
  });

  test("may end with a line break, as files do", () => {
    expect(parseWebhookUrl("https://hooks.example.test/a\n").href).toBe("https://hooks.example.test/a");
  });
});
