import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { KubernetesError } from "./errors.ts";
import { ObjectCache } from "./object-cache.ts";
import { Reflector, type RestartReason } from "./reflector.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { type Widget, settle, surroundings, widget, widgets } from "./testing/fixtures.ts";

let clock: ManualClock;
let cluster: FakeCluster;
let cache: ObjectCache<Widget>;
let reflector: Reflector<Widget>;
let restarts: RestartReason[];
let stop: AbortController;
let running: Promise<void>;

beforeEach(() => {
  const around = surroundings();
  clock = around.clock;
  cluster = new FakeCluster(() => clock.nowMs());
  cache = new ObjectCache<Widget>();
  restarts = [];
  reflector = new Reflector({
    client: cluster,
    resource: widgets,
    cache,
    ...around,
    onRestart: (reason) => restarts.push(reason),
  });
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort(new Error("end of test"));
  await running;
});

async function start(): Promise<void> {
  running = reflector.run(stop.signal);
  await settle(clock);
}

const names = () => [...cache.list()].map(({ metadata }) => metadata.name).sort();

describe("the reflector", () => {
  test("lists page by page, then watches from there", async () => {
    for (let index = 0; index < 1201; index++) cluster.put(widgets, widget(`w${index}`));
    await start();
    await reflector.synced();
    expect(cache.size).toBe(1201);
    cluster.put(widgets, widget("later"));
    expect(cache.get("test/later")).toBeDefined();
    cluster.remove(widgets, { namespace: "test", name: "w7" });
    expect(cache.get("test/w7")).toBeUndefined();
  });

  test("watches again at once after a cut and misses nothing", async () => {
    await start();
    await clock.advance(5000);
    cluster.cutWatches();
    cluster.put(widgets, widget("while-cut"));
    await settle(clock);
    expect(names()).toEqual(["while-cut"]);
    expect(restarts).toEqual(["broken"]);
    expect(reflector.blindMs()).toBe(0);
  });

  test("lists again when its version is forgotten, and drops what went away meanwhile", async () => {
    cluster.put(widgets, widget("stays"));
    cluster.put(widgets, widget("goes"));
    await start();
    await clock.advance(5000);
    cluster.remove(widgets, { namespace: "test", name: "goes" });
    cache.observe({ ...cluster.put(widgets, widget("goes")) });
    cluster.cutWatches();
    cluster.remove(widgets, { namespace: "test", name: "goes" });
    cluster.forgetHistory();
    await clock.advance(1000);
    expect(names()).toEqual(["stays"]);
    expect(restarts).toContain("expired");
  });

  test("waits as long as a throttling server asks", async () => {
    cluster.failNext("list", new KubernetesError("TOO_MANY_REQUESTS", "later", { context: { status: 429, retryAfterMs: 7000 } }));
    await start();
    await clock.advance(6900);
    expect(reflector.hasSynced).toBe(false);
    await clock.advance(200);
    expect(reflector.hasSynced).toBe(true);
  });

  test("never gives up, waits at most ten seconds, and says how long it is blind", async () => {
    for (let failure = 0; failure < 200; failure++) cluster.failNext("list", new KubernetesError("UNREACHABLE", "refused"));
    await start();
    await clock.advance(300_000);
    expect(reflector.blindMs()).toBeGreaterThanOrEqual(300_000);
    await clock.advance(200 * 10_000);
    expect(reflector.hasSynced).toBe(true);
    expect(reflector.blindMs()).toBe(0);
  });

  test("backs off when watches end as soon as they are opened", async () => {
    await start();
    for (let round = 0; round < 100; round++) {
      cluster.endWatches();
      await clock.advance(100);
    }
    expect(restarts.length).toBeLessThan(40);
  });

  test("watches again at once after any number of cuts, as long as each watch brought something", async () => {
    await start();
    for (let round = 0; round < 20; round++) {
      cluster.put(widgets, widget(`w${round}`));
      cluster.cutWatches();
      await clock.advance(60);
      expect(cluster.openWatches).toBe(1);
    }
  });

  test("dials anew when a watch carries not even bookmarks", async () => {
    await start();
    await clock.advance(170_000);
    cluster.bookmark();
    await clock.advance(170_000);
    expect(restarts).toEqual([]);
    await clock.advance(20_000);
    expect(restarts).toEqual(["silent"]);
    expect(cluster.openWatches).toBe(1);
  });

  test("resumes from a bookmark, so that an old version on a quiet kind is no reason to list", async () => {
    await start();
    await clock.advance(5000);
    cluster.put({ ...widgets, plural: "others" }, widget("elsewhere"));
    cluster.bookmark();
    cluster.forgetHistory();
    cluster.cutWatches();
    await settle(clock);
    expect(restarts).toEqual(["broken"]);
    expect(cluster.openWatches).toBe(1);
  });
});
