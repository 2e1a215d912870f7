import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { leases } from "./builtin-resources.ts";
import { KubernetesError, isKubernetesError } from "./errors.ts";
import { LeaderElection } from "./leader-election.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { settle, surroundings } from "./testing/fixtures.ts";

let around: ReturnType<typeof surroundings>;
let cluster: FakeCluster;
let stops: AbortController[];
let ends: Promise<void>[];

beforeEach(() => {
  around = surroundings();
  cluster = new FakeCluster(() => around.clock.nowMs());
  stops = [];
  ends = [];
});

afterEach(async () => {
  for (const stop of stops) stop.abort(new Error("end of test"));
  for (let round = 0; round < 20; round++) await around.clock.advance(1000);
  await Promise.all(ends);
});

interface Replica {
  readonly election: LeaderElection;
  readonly stop: AbortController;
  /** Terms this replica led, and whether the running one was told to end. */
  terms: number;
  acting: boolean;
}

async function replica(identity: string, client: FakeCluster = cluster): Promise<Replica> {
  const isPredecessor = (holder: string): boolean => holder.split("_")[0] === identity.split("_")[0];
  const election = new LeaderElection({ client, ...around, namespace: "test", name: "operator", identity, isPredecessor });
  const stop = new AbortController();
  const self: Replica = { election, stop, terms: 0, acting: false };
  stops.push(stop);
  ends.push(
    election.run(async (term) => {
      self.terms++;
      self.acting = true;
      await new Promise<void>((resolve) => term.addEventListener("abort", () => resolve()));
      self.acting = false;
    }, stop.signal),
  );
  await settle(around.clock);
  return self;
}

describe("leader election", () => {
  test("of two replicas one leads, and the other takes over soon when the first one stops", async () => {
    const first = await replica("first");
    const second = await replica("second");
    await around.clock.advance(60_000);
    expect([first.acting, second.acting]).toEqual([true, false]);
    first.stop.abort(new Error("stopped"));
    await around.clock.advance(4000);
    expect([first.acting, second.acting]).toEqual([false, true]);
    expect(cluster.read(leases, { namespace: "test", name: "operator" })?.spec).toMatchObject({ holderIdentity: "second" });
  });

  test("an earlier process of the same pod is not waited for, somebody else is", async () => {
    const spec = {
      holderIdentity: "pod-a_1",
      leaseDurationSeconds: 15,
      renewTime: "2026-01-01T00:00:00.000000Z",
      leaseTransitions: 3,
    };
    cluster.put(leases, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "operator", namespace: "test" },
      spec,
    });
    const other = await replica("pod-b_1");
    expect(other.acting).toBe(false);
    const successor = await replica("pod-a_2");
    expect([successor.acting, other.acting]).toEqual([true, false]);
  });

  test("at no time do two replicas act, and a leader that cannot renew stops before another takes over", async () => {
    // The first replica's API calls fail from now on; the second sees a lease that nobody renews.
    const cutOff = new FakeCluster(() => around.clock.nowMs());
    let reachable = true;
    for (const method of ["get", "create", "replace"] as const) {
      Object.assign(cutOff, {
        [method]: (...args: never[]) =>
          reachable
            ? (cluster[method] as (...passed: never[]) => Promise<unknown>)(...args)
            : Promise.reject(new KubernetesError("UNREACHABLE", "cut off")),
      });
    }
    const first = await replica("first", cutOff);
    const second = await replica("second");
    await around.clock.advance(30_000);
    reachable = false;
    let stoppedAtMs: number | undefined;
    let tookOverAtMs: number | undefined;
    const fromMs = around.clock.nowMs();
    for (let step = 0; step < 300; step++) {
      await around.clock.advance(100);
      expect(first.acting && second.acting).toBe(false);
      expect(first.election.isLeading && second.election.isLeading).toBe(false);
      if (!first.acting) stoppedAtMs ??= around.clock.nowMs() - fromMs;
      if (second.acting) tookOverAtMs ??= around.clock.nowMs() - fromMs;
    }
    expect(stoppedAtMs).toBeLessThanOrEqual(10_000);
    expect(tookOverAtMs).toBeGreaterThan(stoppedAtMs ?? 0);
    expect(tookOverAtMs).toBeLessThanOrEqual(20_000);
  });

  test("refuses writes from the moment the lease may be another's, even before anything noticed", async () => {
    const { election } = await replica("first");
    election.assertLeading();
    for (let attempt = 0; attempt < 50; attempt++) cluster.failNext("get", new KubernetesError("UNREACHABLE", "cut off"));
    await around.clock.advance(10_100);
    expect(() => election.assertLeading()).toThrow(KubernetesError);
    await around.clock.advance(200_000);
    election.assertLeading();
  });

  test("takes back its own lease after a restart under the same name at once, and waits for a foreign one to expire", async () => {
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "operator", namespace: "test" } };
    cluster.put(leases, { ...lease, spec: { holderIdentity: "gone", leaseDurationSeconds: 15 } });
    const self = await replica("self");
    await around.clock.advance(14_000);
    expect(self.acting).toBe(false);
    await around.clock.advance(5000);
    expect(self.acting).toBe(true);
  });

  test("assertLeading names the code FENCED", () => {
    const election = new LeaderElection({ client: cluster, ...around, namespace: "test", name: "operator", identity: "x" });
    expect(() => election.assertLeading()).toThrowError(
      expect.toSatisfy((error: unknown) => isKubernetesError(error, "FENCED")) as Error,
    );
  });
});
