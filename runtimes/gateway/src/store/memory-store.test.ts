import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { expect, test } from "vitest";
import { MemoryStore } from "./memory-store.ts";

const clock = new ManualClock();
const storeOf = (maxEntries: number, maxCharacters = 1_000): MemoryStore => new MemoryStore({ maxEntries, maxCharacters }, clock);

test("forgets what is past its time", async () => {
  const store = storeOf(10);
  await store.set("a", "1", 1_000);
  await clock.advance(999);
  expect(await store.get("a")).toBe("1");
  await clock.advance(1);
  expect(await store.get("a")).toBeUndefined();
});

test("of two that take, one gets it", async () => {
  const store = storeOf(10);
  await store.set("a", "1", 1_000);
  expect(await Promise.all([store.take("a"), store.take("a")])).toEqual(["1", undefined]);
});

test("drops what was not used for longest when there are too many", async () => {
  const store = storeOf(2);
  await store.set("a", "1", 1_000);
  await store.set("b", "2", 1_000);
  await store.get("a");
  await store.set("c", "3", 1_000);
  expect([await store.get("a"), await store.get("b"), await store.get("c")]).toEqual(["1", undefined, "3"]);
});

test("never holds more characters than it may, and takes nothing that alone is more", async () => {
  const store = storeOf(10, 20);
  await store.set("a", "x".repeat(12), 1_000);
  await store.set("b", "x".repeat(12), 1_000);
  expect([await store.get("a"), (await store.get("b"))?.length]).toEqual([undefined, 12]);
  await store.set("b", "x".repeat(50), 1_000);
  expect(await store.get("b")).toBeUndefined();
});
