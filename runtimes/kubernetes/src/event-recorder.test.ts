import { beforeEach, describe, expect, test } from "vitest";
import { type Event, events } from "./builtin-resources.ts";
import { KubernetesError } from "./errors.ts";
import { EventRecorder } from "./event-recorder.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { storedWidget, surroundings } from "./testing/fixtures.ts";

let around: ReturnType<typeof surroundings>;
let cluster: FakeCluster;
let recorder: EventRecorder;

const text = { type: "Warning", reason: "NameTaken", action: "Apply", note: "taken" } as const;
const object = storedWidget("a", {});

beforeEach(() => {
  around = surroundings();
  cluster = new FakeCluster(() => around.clock.nowMs());
  recorder = new EventRecorder({ client: cluster, ...around, controller: "bellwether.dev/test", instance: "pod-1" });
});

const all = (): Event[] => cluster.all(events);

describe("the event recorder", () => {
  test("writes an event with what the API requires", async () => {
    recorder.record(object, text);
    await recorder.flush();
    expect(all()).toMatchObject([
      {
        ...text,
        metadata: { namespace: "test" },
        reportingController: "bellwether.dev/test",
        reportingInstance: "pod-1",
        regarding: { kind: "Widget", name: "a", namespace: "test", uid: "uid-a" },
      },
    ]);
  });

  test("counts the same event in a series, written at most every five minutes", async () => {
    for (let round = 0; round < 700; round++) {
      recorder.record(object, text);
      await recorder.flush();
      await around.clock.advance(1000);
    }
    expect(all()).toHaveLength(1);
    expect(all()[0]?.series?.count).toBe(601);
    expect(cluster.writes).toHaveLength(3);
  });

  test("writes few events about one object, however different they are, and again after a while", async () => {
    for (let index = 0; index < 100; index++) recorder.record(object, { ...text, note: `note ${index}` });
    await recorder.flush();
    expect(all()).toHaveLength(25);
    await around.clock.advance(300_000);
    recorder.record(object, { ...text, note: "later" });
    await recorder.flush();
    expect(all()).toHaveLength(26);
  });

  test("keeps quiet when the API server refuses, and goes on", async () => {
    cluster.failNext("create", new KubernetesError("FORBIDDEN", "no"));
    recorder.record(object, text);
    recorder.record(object, { ...text, note: "second" });
    await recorder.flush();
    expect(all().map(({ note }) => note)).toEqual(["second"]);
  });

  test("writes what happened once a single time, with the time it happened, also when another process has written it", async () => {
    await around.clock.advance(60_000);
    const once = { id: "halt-1", atMs: around.clock.nowMs() - 30_000 };
    const second = new EventRecorder({ client: cluster, ...around, controller: "bellwether.dev/test", instance: "pod-2" });
    for (const each of [recorder, recorder, second]) each.record(object, { ...text, once });
    await Promise.all([recorder.flush(), second.flush()]);
    expect(all()).toMatchObject([{ note: "taken", reportingInstance: "pod-1" }]);
    expect(Date.parse(all()[0]?.eventTime ?? "")).toBe(once.atMs);
    expect(all()[0]).not.toHaveProperty("once");
  });

  test("leaves out what happened so long ago that the cluster has forgotten it", async () => {
    await around.clock.advance(7_200_000);
    recorder.record(object, { ...text, once: { id: "old", atMs: around.clock.nowMs() - 3_600_000 } });
    await recorder.flush();
    expect(all()).toEqual([]);
  });

  test("tells what happened once again when the API server did not take it", async () => {
    const happened = { ...text, once: { id: "halt-1", atMs: around.clock.nowMs() } };
    cluster.failNext("create", new KubernetesError("UNREACHABLE", "away"));
    recorder.record(object, happened);
    await recorder.flush();
    recorder.record(object, happened);
    await recorder.flush();
    expect(all()).toHaveLength(1);
  });

  test("starts a new event when the old one has expired in the cluster", async () => {
    recorder.record(object, text);
    await recorder.flush();
    cluster.remove(events, { namespace: "test", name: all()[0]!.metadata.name! });
    await around.clock.advance(301_000);
    recorder.record(object, text);
    await recorder.flush();
    recorder.record(object, text);
    await recorder.flush();
    expect(all()).toHaveLength(1);
  });
});
