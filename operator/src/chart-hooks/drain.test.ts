import type { KubernetesClient, KubernetesObject, ObjectRef, Resource } from "@bellwether/kubernetes";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { describe, expect, test } from "vitest";
import { drain } from "./drain.ts";

interface Held {
  readonly kind: string;
  readonly name: string;
  /** Wall time at which the operator lets it go after its deletion; undefined: never. */
  readonly goesAfterMs: number | undefined;
  deletedAtMs?: number;
  released?: boolean;
}

/** An API server with finalizers: a deleted object stays until its operator (or the drain) lets it go. */
function world(held: Held[], clock: ManualClock) {
  const order: string[] = [];
  const isThere = ({ deletedAtMs, goesAfterMs, released }: Held): boolean =>
    !released && (deletedAtMs === undefined || goesAfterMs === undefined || clock.nowMs() < deletedAtMs + goesAfterMs);
  const find = (resource: Resource, ref: ObjectRef) =>
    held.find(({ kind, name }) => kind === resource.kind && name === ref.name)!;
  const client = {
    list: async (resource: Resource) => ({
      resourceVersion: "1",
      items: held.filter((object) => object.kind === resource.kind && isThere(object)).map((object) => asObject(object)),
    }),
    delete: async (resource: Resource, ref: ObjectRef) => {
      const object = find(resource, ref);
      object.deletedAtMs ??= clock.nowMs();
      order.push(`${object.kind} ${object.name}`);
      return true;
    },
    patch: async (resource: Resource, { ref, patch }: { ref: ObjectRef; patch: { metadata: { finalizers: string[] } } }) => {
      expect(patch.metadata.finalizers).toEqual(["other.example/keep"]);
      find(resource, ref).released = true;
    },
  };
  return { client: client as unknown as KubernetesClient, order };
}

const asObject = ({ kind, name, deletedAtMs }: Held): KubernetesObject => ({
  apiVersion: "bellwether.dev/v1alpha1",
  kind,
  metadata: {
    name,
    namespace: "bellwether",
    finalizers: ["bellwether.dev/working-orders", "other.example/keep"],
    ...(deletedAtMs === undefined ? {} : { deletionTimestamp: "2026-01-01T00:00:00Z" }),
  },
});

async function drained(held: Held[], timeoutMs = 100_000) {
  const clock = new ManualClock(0);
  const { client, order } = world(held, clock);
  const outcome: { released?: readonly string[] } = {};
  const running = drain(client, { namespaces: [], timeoutMs, clock, report: () => undefined }).then(
    (names) => void (outcome.released = names),
  );
  for (let step = 0; step < 1000 && outcome.released === undefined; step++) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
  }
  await running;
  return { ...outcome, order, elapsedMs: clock.nowMs() };
}

describe("the drain before an uninstall", () => {
  test("ends at once when there is nothing", async () => {
    expect(await drained([])).toMatchObject({ released: [], order: [] });
  });

  test("deletes policies only when every strategy is gone", async () => {
    const { released, order } = await drained([
      { kind: "RiskPolicy", name: "p", goesAfterMs: 2000 },
      { kind: "Strategy", name: "a", goesAfterMs: 5000 },
      { kind: "Strategy", name: "b", goesAfterMs: 1000 },
    ]);
    expect(released).toEqual([]);
    expect(order).toEqual(["Strategy a", "Strategy b", "RiskPolicy p"]);
  });

  test("deletes routes of language models last", async () => {
    const { order } = await drained([
      { kind: "LlmRoute", name: "r", goesAfterMs: 0 },
      { kind: "RiskPolicy", name: "p", goesAfterMs: 2000 },
      { kind: "Strategy", name: "a", goesAfterMs: 1000 },
    ]);
    expect(order).toEqual(["Strategy a", "RiskPolicy p", "LlmRoute r"]);
  });

  test("takes our finalizer, and no other, from what nobody lets go, and still has time for the policies", async () => {
    const { released, order, elapsedMs } = await drained([
      { kind: "Strategy", name: "stuck", goesAfterMs: undefined },
      { kind: "RiskPolicy", name: "p", goesAfterMs: 3000 },
    ]);
    expect(released).toEqual(["Strategy bellwether/stuck"]);
    expect(order).toEqual(["Strategy stuck", "RiskPolicy p"]);
    expect(elapsedMs).toBeLessThan(100_000);
  });
});
