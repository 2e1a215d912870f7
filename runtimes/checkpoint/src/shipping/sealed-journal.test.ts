import { expect, test } from "vitest";
import { Envelope } from "../format/envelope.ts";
import { KeyRing } from "../format/key-ring.ts";
import { MemoryCopy } from "../testing/memory-copy.ts";
import { sealedJournal, sealedTarget } from "./sealed-journal.ts";

const envelope = new Envelope(new KeyRing({ current: Buffer.alloc(32, 7) }));
const key = "journal/series/0000000001";
const segment = Buffer.from("what was traded");

async function shippedTo(...copies: MemoryCopy[]): Promise<void> {
  for (const copy of copies) await sealedTarget(copy, envelope).put(key, segment);
}

async function keysOf(copies: readonly MemoryCopy[]): Promise<string[]> {
  const keys: string[] = [];
  for await (const listed of sealedJournal(copies, envelope).list("journal/series/")) keys.push(listed.key);
  return keys;
}

test("a segment is stored sealed, and taken from the first copy that has it unharmed", async () => {
  const [first, second] = [new MemoryCopy("first"), new MemoryCopy("second")];
  await shippedTo(first, second);
  expect(first.objects.get(key)?.bytes.includes("traded")).toBe(false);
  first.damage(key, (bytes) => bytes.fill(0, 40));
  const journal = sealedJournal([first, second], envelope);
  expect(await journal.get(key)).toEqual(segment);
  expect(await keysOf([first, second])).toEqual([key]);
  expect(await journal.get("journal/series/0000000002")).toBeUndefined();
});

test("a copy that is away is passed over; where all are, nobody says that nothing was shipped", async () => {
  const [away, other] = [new MemoryCopy("away"), new MemoryCopy("other")];
  await shippedTo(away, other);
  away.unreachable = true;
  expect(await keysOf([away, other])).toEqual([key]);
  expect(await sealedJournal([away, other], envelope).get(key)).toEqual(segment);
  other.unreachable = true;
  await expect(keysOf([away, other])).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
  await expect(sealedJournal([away, other], envelope).get(key)).rejects.toMatchObject({ code: "CONTENT_LOST" });
});

test("a copy that does not give back what it was given has shipped nothing", async () => {
  const copy = new MemoryCopy("forgetful");
  const get = copy.get.bind(copy);
  copy.get = async (name) => (await get(name))?.subarray(1);
  await expect(sealedTarget(copy, envelope).put(key, segment)).rejects.toMatchObject({ code: "COPY_READ_BACK_DIFFERS" });
});
