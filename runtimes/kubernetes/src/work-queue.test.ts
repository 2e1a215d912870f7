import { beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { surroundings } from "./testing/fixtures.ts";
import { WorkQueue } from "./work-queue.ts";

let clock: ManualClock;
let queue: WorkQueue;

beforeEach(() => {
  const around = surroundings();
  clock = around.clock;
  queue = new WorkQueue({ name: "test", ...around });
});

describe("the work queue", () => {
  test("holds a key once, in the order of its first arrival", async () => {
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(["a", "b", "c"]);
    expect(queue.size).toBe(0);
  });

  test("gives a waiting taker the key at once", async () => {
    const taken = queue.take();
    queue.add("a");
    expect(await taken).toBe("a");
  });

  test("never has a key in work twice, and queues it again when it came meanwhile", async () => {
    queue.add("a");
    await queue.take();
    queue.add("a");
    queue.add("a");
    expect(queue.size).toBe(0);
    queue.done("a");
    expect(queue.size).toBe(1);
    expect(await queue.take()).toBe("a");
    queue.done("a");
    expect(queue.size).toBe(0);
  });

  test("adds a delayed key when its time has come, at the earlier of two times", async () => {
    queue.addAfter("a", 1000);
    queue.addAfter("a", 200);
    queue.addAfter("a", 5000);
    await clock.advance(199);
    expect(queue.size).toBe(0);
    await clock.advance(1);
    expect(queue.size).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test("forgets a pending delay when the key is worked on before", async () => {
    queue.addAfter("a", 1000);
    queue.add("a");
    await queue.take();
    queue.done("a");
    await clock.advance(2000);
    expect(queue.size).toBe(0);
  });

  test("lets a failing key wait twice as long each time, up to the maximum, and starts anew after a success", async () => {
    const waits: number[] = [];
    for (let failure = 0; failure < 20; failure++) {
      queue.addRateLimited("a");
      const from = clock.nowMs();
      while (queue.size === 0) await clock.advance(1000);
      waits.push(clock.nowMs() - from);
      await queue.take();
      queue.done("a");
    }
    expect(waits[0]).toBe(1000);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(150_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(301_000);
    queue.forget("a");
    expect(queue.failuresOf("a")).toBe(0);
  });

  test("gives out what is in the first lane before the rest, whenever it came", async () => {
    for (const key of ["a", "b", "c"]) queue.add(key);
    queue.add("news", "first");
    queue.add("b", "first");
    queue.add("news");
    expect(queue.size).toBe(4);
    const order = [];
    while (queue.size > 0) order.push(await queue.take());
    expect(order).toEqual(["news", "b", "a", "c"]);
  });

  test("keeps a taker of the first lane free for it", async () => {
    const forNews = queue.take("first");
    const forAnything = queue.take();
    queue.add("a");
    expect(await forAnything).toBe("a");
    queue.add("b");
    expect(queue.size).toBe(1);
    queue.add("news", "first");
    expect(await forNews).toBe("news");
    expect(queue.size).toBe(1);
  });

  test("gives a key of the first lane to any taker", async () => {
    const taken = queue.take();
    queue.add("news", "first");
    expect(await taken).toBe("news");
  });

  test("queues a key again in the lane it was added to while it was in work", async () => {
    queue.add("a");
    await queue.take();
    queue.add("a");
    queue.add("a", "first");
    queue.add("b");
    queue.done("a");
    expect([await queue.take(), await queue.take()]).toEqual(["a", "b"]);
  });

  test("once closed gives nothing out and takes nothing in", async () => {
    const taken = Promise.all([queue.take(), queue.take("first")]);
    queue.addAfter("later", 10);
    queue.close();
    queue.add("a");
    await clock.advance(100);
    expect(await taken).toEqual([undefined, undefined]);
    expect(await queue.take()).toBeUndefined();
    expect(queue.size).toBe(0);
  });
});
