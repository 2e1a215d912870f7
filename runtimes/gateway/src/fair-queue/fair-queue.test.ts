import { seededRandom } from "@bellwether/service-kit/random";
import { describe, expect, test } from "vitest";
import { FairQueue, type QueuedRequest } from "./fair-queue.ts";

const options = { slots: 1, maxQueued: 4, concurrentPerStrategy: 2 };
const request = (id: string, strategy: string, more: Partial<QueuedRequest> = {}): QueuedRequest => ({
  id,
  strategy,
  weight: 1,
  cost: 1,
  deadlineMs: 1_000_000,
  ...more,
});

/** Runs everything, one slot after the other, and says in which order requests started. */
function drain(queue: FairQueue, nowMs = 0): string[] {
  const order: string[] = [];
  for (let { started } = queue.start(nowMs); started.length > 0; { started } = queue.start(nowMs)) {
    for (const { id } of started) order.push(id);
    for (const { id } of started) queue.leave(id);
  }
  return order;
}

describe("a fair queue", () => {
  test("takes turns between strategies, however many requests one of them sends", () => {
    const queue = new FairQueue({ ...options, maxQueued: 10 });
    for (const id of ["a1", "a2", "a3", "b1", "b2"]) queue.enter(request(id, id.charAt(0)), 0);
    expect(drain(queue)).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  });

  test("gives twice the share for twice the weight", () => {
    const queue = new FairQueue({ ...options, maxQueued: 100 });
    for (let index = 0; index < 30; index++) {
      queue.enter(request(`a${index}`, "a", { weight: 2 }), 0);
      queue.enter(request(`b${index}`, "b"), 0);
    }
    const first = drain(queue).slice(0, 30);
    expect(first.filter((id) => id.startsWith("a")).length).toBe(20);
  });

  test("counts work, not requests", () => {
    const queue = new FairQueue({ ...options, maxQueued: 100 });
    for (let index = 0; index < 8; index++) {
      queue.enter(request(`a${index}`, "a", { cost: 4 }), 0);
      queue.enter(request(`b${index}`, "b", { cost: 1 }), 0);
    }
    const first = drain(queue).slice(0, 10);
    expect(first.filter((id) => id.startsWith("b")).length).toBe(8);
  });

  test("charges what a request really took", () => {
    const queue = new FairQueue({ ...options, maxQueued: 100 });
    queue.enter(request("a1", "a"), 0);
    queue.start(0);
    for (const id of ["a2", "b1", "b2", "b3"]) queue.enter(request(id, id.charAt(0)), 0);
    queue.leave("a1", 3);
    expect(drain(queue)).toEqual(["b1", "b2", "b3", "a2"]);
  });

  test("starts no more of one strategy at once than it may, and lets others pass", () => {
    const queue = new FairQueue({ slots: 4, maxQueued: 10, concurrentPerStrategy: 2 });
    for (const id of ["a1", "a2", "a3", "b1"]) queue.enter(request(id, id.charAt(0)), 0);
    expect(queue.start(0).started.map(({ id }) => id)).toEqual(["a1", "b1", "a2"]);
    queue.leave("a1");
    expect(queue.start(0).started.map(({ id }) => id)).toEqual(["a3"]);
  });

  test("saves no claim up for a strategy that was idle", () => {
    const queue = new FairQueue({ ...options, maxQueued: 100 });
    for (let index = 0; index < 20; index++) queue.enter(request(`a${index}`, "a"), 0);
    for (let index = 0; index < 10; index++) for (const { id } of queue.start(0).started) queue.leave(id);
    for (const id of ["b1", "b2", "b3"]) queue.enter(request(id, "b"), 0);
    expect(
      drain(queue)
        .slice(0, 6)
        .filter((id) => id.startsWith("b")).length,
    ).toBe(3);
  });

  test("tells how long a request waited", () => {
    const queue = new FairQueue(options);
    queue.enter(request("a1", "a"), 100);
    expect(queue.start(350).started).toEqual([{ id: "a1", waitedMs: 250 }]);
  });
});

describe("a full queue", () => {
  const full = (): FairQueue => {
    const queue = new FairQueue(options);
    queue.enter(request("run", "z"), 0);
    queue.start(0);
    for (const id of ["a1", "a2", "a3", "b1"]) queue.enter(request(id, id.charAt(0)), 0);
    return queue;
  };

  test("refuses the strategy that fills it, with the numbers", () => {
    expect(full().enter(request("a4", "a"), 0)).toEqual({ accepted: false, reason: "QUEUE_FULL", queued: 4, maximum: 4 });
  });

  test("makes room for another one at the cost of the longest, its newest first", () => {
    const queue = full();
    expect(queue.enter(request("c1", "c"), 0)).toEqual({ accepted: true, displaced: "a3" });
    expect(queue.figures()).toMatchObject({ waiting: 4, running: 1 });
  });

  test("is none where a request can start at once", () => {
    const queue = new FairQueue({ slots: 2, maxQueued: 0, concurrentPerStrategy: 1 });
    expect(queue.enter(request("a1", "a"), 0)).toEqual({ accepted: true });
    expect(queue.start(0).started).toHaveLength(1);
    expect(queue.enter(request("a2", "a"), 0)).toMatchObject({ reason: "QUEUE_FULL" });
  });
});

describe("a request in the queue", () => {
  test("is out when its deadline has come, and never starts", () => {
    const queue = new FairQueue(options);
    queue.enter(request("a1", "a", { deadlineMs: 50 }), 0);
    expect(queue.nextDeadlineMs()).toBe(50);
    expect(queue.start(50)).toEqual({ started: [], expired: ["a1"] });
    expect(queue.figures()).toEqual({ running: 0, waiting: 0, strategies: 0 });
  });

  test.each([
    {
      when: "its deadline is past",
      given: request("a9", "a", { deadlineMs: 5 }),
      then: { reason: "DEADLINE_PASSED", lateByMs: 5 },
    },
    { when: "it is in already", given: request("a1", "a"), then: { reason: "ALREADY_IN" } },
  ])("is not taken when $when", ({ given, then }) => {
    const queue = new FairQueue(options);
    queue.enter(request("a1", "a"), 0);
    expect(queue.enter(given, 10)).toMatchObject(then);
  });

  test("may go away while it waits, or twice", () => {
    const queue = new FairQueue(options);
    queue.enter(request("a1", "a"), 0);
    queue.leave("a1");
    queue.leave("a1");
    expect(drain(queue)).toEqual([]);
  });
});

test("over random histories every request ends once, bounds hold, and nothing is remembered at the end", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const below = (bound: number): number => Math.floor(random.next() * bound);
    const limits = { slots: 1 + below(4), maxQueued: below(12), concurrentPerStrategy: 1 + below(3) };
    const queue = new FairQueue(limits);
    const running = new Map<string, string>();
    const waiting = new Set<string>();
    const settle = (ids: readonly string[]): void => ids.forEach((id) => expect(waiting.delete(id), `${seed}: ${id}`).toBe(true));
    for (let step = 0; step < 120; step++) {
      const strategy = `s${below(5)}`;
      const id = `${strategy}-${step}`;
      const entered = queue.enter(
        request(id, strategy, { cost: 1 + below(9), weight: 1 + below(3), deadlineMs: step + 1 + below(30) }),
        step,
      );
      if (entered.accepted) waiting.add(id);
      if (entered.accepted && entered.displaced !== undefined) settle([entered.displaced]);
      const { started, expired } = queue.start(step);
      settle(expired);
      settle(started.map((one) => one.id));
      for (const one of started) running.set(one.id, one.id.split("-")[0]!);
      expect(running.size).toBeLessThanOrEqual(limits.slots);
      for (const name of running.values()) {
        expect([...running.values()].filter((other) => other === name).length).toBeLessThanOrEqual(limits.concurrentPerStrategy);
      }
      expect(queue.figures()).toMatchObject({ running: running.size, waiting: waiting.size });
      for (const one of running.keys()) {
        if (random.next() < 0.5) continue;
        queue.leave(one, 1 + below(20));
        running.delete(one);
      }
    }
    for (const one of running.keys()) queue.leave(one);
    settle(queue.start(10_000).expired);
    queue.start(10_000);
    expect([waiting.size, queue.figures().running, queue.figures().waiting]).toEqual([0, 0, 0]);
  }
});
