import { describe, expect, test } from "vitest";
import { hasCode } from "@bellwether/service-kit/coded-error";
import { seededRandom } from "@bellwether/service-kit/random";
import { dumpLike, randomBytes } from "../testing/random-bytes.ts";
import { Envelope } from "./envelope.ts";
import { KeyRing, deriveKeys, parseKey } from "./key-ring.ts";

const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const key = "chunks/ab/abcd";
const rings = [
  ["encrypted", new KeyRing({ current: first })],
  ["not encrypted", new KeyRing({ current: undefined })],
] as const;

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (hasCode(error) ? error.code : String(error)),
  );
}

describe.each(rings)("an object, %s", (_, ring) => {
  const envelope = new Envelope(ring);

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["a few bytes", Buffer.from("state")],
    ["a dump", dumpLike(300_000, seededRandom(1))],
    ["noise", randomBytes(300_000, seededRandom(2))],
  ])("comes back as it was: %s", async (_, content) => {
    const sealed = await envelope.seal(key, content);
    expect((await envelope.open(key, sealed, envelope.contentId(content))).equals(content)).toBe(true);
    expect((await envelope.seal(key, content)).equals(sealed)).toBe(true);
  });

  test("is refused with any one bit flipped, anywhere", async () => {
    const content = Buffer.from("some state, some state, some state");
    const sealed = await envelope.seal(key, content);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(["OBJECT_CORRUPT", "KEY_UNKNOWN", "FORMAT_NEWER"]).toContain(await codeOf(envelope.open(key, flipped)));
    }
  });

  test("is refused cut at any length, or with something after it", async () => {
    const sealed = await envelope.seal(key, Buffer.from("some state"));
    for (let length = 0; length < sealed.length; length++)
      expect(await codeOf(envelope.open(key, sealed.subarray(0, length)))).toBe("OBJECT_CORRUPT");
    expect(await codeOf(envelope.open(key, Buffer.concat([sealed, Buffer.alloc(1)])))).toBe("OBJECT_CORRUPT");
  });

  test("is refused under another key, and when its content is named otherwise", async () => {
    const content = Buffer.from("some state");
    const sealed = await envelope.seal(key, content);
    expect(await codeOf(envelope.open("chunks/ab/other", sealed))).toBe("OBJECT_CORRUPT");
    expect(await codeOf(envelope.open(key, sealed, envelope.contentId(Buffer.from("other"))))).toBe("OBJECT_CORRUPT");
  });

  test("of a later format is told apart from a damaged one", async () => {
    const sealed = await envelope.seal(key, Buffer.from("some state"));
    sealed[4] = 2;
    expect(await codeOf(envelope.open(key, sealed))).toBe("FORMAT_NEWER");
  });
});

describe("keys", () => {
  test("tell nothing of the content in what is stored", async () => {
    const sealed = await new Envelope(new KeyRing({ current: first })).seal(key, Buffer.from("a secret"));
    expect(sealed.includes("secret")).toBe(false);
  });

  test("of older snapshots open them, unknown ones do not", async () => {
    const content = Buffer.from("old state");
    const old = new Envelope(new KeyRing({ current: first }));
    const sealed = await old.seal(key, content);
    const rotated = new Envelope(new KeyRing({ current: second, previous: [first] }));
    expect((await rotated.open(key, sealed, old.contentId(content))).equals(content)).toBe(true);
    expect(await codeOf(new Envelope(new KeyRing({ current: second })).open(key, sealed))).toBe("KEY_UNKNOWN");
  });

  test("keep out what is not encrypted, unless it is asked for", async () => {
    const sealed = await new Envelope(new KeyRing({ current: undefined })).seal(key, Buffer.from("planted"));
    expect(await codeOf(new Envelope(new KeyRing({ current: first })).open(key, sealed))).toBe("KEY_UNKNOWN");
    const accepting = new Envelope(new KeyRing({ current: first, acceptUnencrypted: true }));
    expect(String(await accepting.open(key, sealed))).toBe("planted");
  });

  test("name and cut content differently for different keys", () => {
    const content = Buffer.from("state");
    expect(deriveKeys(first).contentId(content)).not.toBe(deriveKeys(second).contentId(content));
    expect(deriveKeys(first).gear).not.toEqual(deriveKeys(second).gear);
  });

  test.each(["", "short", `${first.toString("base64")}A`, first.toString("hex"), Buffer.alloc(31).toString("base64")])(
    "are refused when they are not 32 bytes in base64: %j",
    (text) => expect(() => parseKey(text, "key")).toThrow(expect.objectContaining({ code: "KEY_INVALID" })),
  );

  test("are read from base64 with a line break after it", () => {
    expect(parseKey(`${first.toString("base64")}\n`, "key").equals(first)).toBe(true);
  });
});
