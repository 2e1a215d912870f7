import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KubernetesError } from "./errors.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { surroundings, widgets } from "./testing/fixtures.ts";
import { WatchLiveness } from "./watch-liveness.ts";

let around: ReturnType<typeof surroundings>;
let probe: FakeCluster;
let blindMs: number;
let liveness: WatchLiveness;
let stop: AbortController;
let end: Promise<void>;

beforeEach(() => {
  around = surroundings();
  probe = new FakeCluster(() => around.clock.nowMs());
  probe.rawAnswers.set("/version", { status: 200, text: "{}" });
  blindMs = 0;
  liveness = new WatchLiveness({ informers: [{ resource: widgets, blindMs: () => blindMs }], probe, ...around });
  stop = new AbortController();
  end = liveness.run(stop.signal);
});

afterEach(async () => {
  stop.abort(new Error("end of test"));
  await end;
});

describe("liveness of the watches", () => {
  test("holds while every watch stands, and while one is blind for a short time", async () => {
    await around.clock.advance(10_000);
    expect(liveness.check().ok).toBe(true);
    blindMs = 59_000;
    await around.clock.advance(10_000);
    expect(liveness.check().ok).toBe(true);
  });

  test("fails when a watch is blind although the API server answers, and recovers", async () => {
    blindMs = 61_000;
    await around.clock.advance(10_000);
    expect(liveness.check()).toMatchObject({ ok: false, message: expect.stringContaining("Widget") as string });
    blindMs = 0;
    await around.clock.advance(10_000);
    expect(liveness.check().ok).toBe(true);
  });

  test("holds when the API server is away: a restart would not help", async () => {
    blindMs = 600_000;
    for (let look = 0; look < 5; look++) probe.failNext("raw", new KubernetesError("UNREACHABLE", "refused"));
    await around.clock.advance(40_000);
    expect(liveness.check().ok).toBe(true);
  });

  test("holds when the API server answers with an error", async () => {
    blindMs = 600_000;
    probe.rawAnswers.set("/version", { status: 503, text: "" });
    await around.clock.advance(10_000);
    expect(liveness.check().ok).toBe(true);
  });
});
