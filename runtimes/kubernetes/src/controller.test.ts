import { beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { Controller, type Outcome, done, ownersOfKind, requeueAfter, terminal } from "./controller.ts";
import { CachedClient } from "./cached-client.ts";
import { KubernetesError } from "./errors.ts";
import { Informer } from "./informer.ts";
import { statusPatch } from "./status-patch.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { type Widget, settle, surroundings, widget, widgets } from "./testing/fixtures.ts";

let around: ReturnType<typeof surroundings>;
let clock: ManualClock;
let cluster: FakeCluster;
let informer: Informer<Widget>;

beforeEach(() => {
  around = surroundings();
  clock = around.clock;
  cluster = new FakeCluster(() => clock.nowMs());
  informer = new Informer({ client: cluster, resource: widgets, ...around });
});

async function running(
  reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>,
  body: (controller: Controller) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const controller = new Controller({ kind: "Widget", reconcile, ...around }).watch(informer);
  const ends = [informer.run(stop.signal), controller.run(stop.signal)];
  await settle(clock);
  try {
    await body(controller);
  } finally {
    stop.abort(new Error("end of test"));
    await Promise.all(ends);
  }
}

describe("a controller", () => {
  test("reconciles every object that is there at the start, and then what changes", async () => {
    const seen: string[] = [];
    cluster.put(widgets, widget("a"));
    await running(
      async (key) => {
        seen.push(key);
        return done;
      },
      async () => {
        expect(seen).toEqual(["test/a"]);
        cluster.put(widgets, widget("b"));
        await settle(clock);
        cluster.remove(widgets, { namespace: "test", name: "a" });
        await settle(clock);
        expect(seen).toEqual(["test/a", "test/b", "test/a"]);
      },
    );
  });

  test("comes to rest after its own status write: the echo starts no reconcile", async () => {
    let reconciles = 0;
    const client = new CachedClient(cluster, [informer]);
    await running(
      async (key) => {
        reconciles++;
        const live = informer.cache.get(key);
        const patch = statusPatch(live?.status, { size: live?.spec?.size });
        if (live && patch) await client.patchStatus(widgets, live.metadata, patch);
        return done;
      },
      async () => {
        for (let index = 0; index < 150; index++) cluster.put(widgets, widget(`w${index}`, index + 1));
        await settle(clock);
        await clock.advance(600_000);
        expect(reconciles).toBe(150);
        expect(cluster.writes).toHaveLength(150);
      },
    );
  });

  test("repeats a throwing reconcile with growing distance until it succeeds", async () => {
    const times: number[] = [];
    await running(
      async () => {
        times.push(clock.nowMs());
        if (times.length < 5) throw new KubernetesError("CONFLICT", "again");
        return done;
      },
      async (controller) => {
        controller.enqueue("test/a");
        await clock.advance(60_000);
        const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        expect(times).toHaveLength(5);
        expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
      },
    );
  });

  test.each([
    ["done", done, 1],
    ["terminal", terminal("the reference is missing"), 1],
    ["requeueAfter", requeueAfter(10_000), 7],
  ])("after %s reconciles %#", async (_, outcome, expected) => {
    let reconciles = 0;
    await running(
      async () => {
        reconciles++;
        return outcome;
      },
      async (controller) => {
        controller.enqueue("test/a");
        await clock.advance(60_000);
        expect(reconciles).toBe(expected);
      },
    );
  });

  test("takes what is new or changed by somebody although all its workers are busy", async () => {
    const seen: string[] = [];
    const gate = Promise.withResolvers<void>();
    const stop = new AbortController();
    const controller = new Controller({
      kind: "Widget",
      concurrency: 1,
      newsConcurrency: 1,
      ...around,
      reconcile: async (key) => {
        seen.push(key);
        if (key === "test/slow") await gate.promise;
        return done;
      },
    }).watch(informer);
    const ends = [informer.run(stop.signal), controller.run(stop.signal)];
    await settle(clock);
    for (const key of ["test/slow", "test/refresh"]) controller.enqueue(key);
    cluster.put(widgets, widget("new"));
    await settle(clock);
    expect(seen).toEqual(["test/slow", "test/new"]);
    gate.resolve();
    await settle(clock);
    expect(seen).toEqual(["test/slow", "test/new", "test/refresh"]);
    stop.abort(new Error("end of test"));
    await Promise.all(ends);
  });

  test("waits for running work when it is stopped, and its signal says so", async () => {
    const gate = Promise.withResolvers<void>();
    let aborted = false;
    let ended = false;
    const stop = new AbortController();
    const controller = new Controller({
      kind: "Widget",
      ...around,
      reconcile: async (_, signal) => {
        signal.addEventListener("abort", () => (aborted = true));
        await gate.promise;
        ended = true;
        return done;
      },
    });
    const end = controller.run(stop.signal);
    controller.enqueue("test/a");
    await settle(clock);
    stop.abort(new Error("stop"));
    await settle(clock);
    expect([aborted, ended]).toEqual([true, false]);
    gate.resolve();
    await end;
    expect(ended).toBe(true);
  });
});

describe("ownersOfKind", () => {
  const owner = { apiVersion: "bellwether.dev/v1alpha1", kind: "Strategy", name: "s", uid: "1" };
  const keysOf = ownersOfKind<Widget>("Strategy", "bellwether.dev/v1beta1");
  const change = (references: readonly object[], previous: readonly object[] = []) => ({
    type: "modified" as const,
    key: "test/child",
    own: false,
    object: widgetOwnedBy(references),
    previous: widgetOwnedBy(previous),
  });
  const widgetOwnedBy = (ownerReferences: readonly object[]) =>
    ({
      ...widget("child"),
      metadata: { name: "child", namespace: "test", uid: "2", resourceVersion: "1", ownerReferences },
    }) as never;

  test.each([
    ["an owner of the kind, whatever the version of its group", [owner], [], ["test/s"]],
    ["an owner that was lost", [], [owner], ["test/s"]],
    ["an owner of another kind", [{ ...owner, kind: "Pod" }], [], []],
    ["an owner of another group", [{ ...owner, apiVersion: "apps/v1" }], [], []],
  ])("%s", (...[, now, before, keys]) => {
    expect([...keysOf(change(now, before))]).toEqual(keys);
  });
});
