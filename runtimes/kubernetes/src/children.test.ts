import { beforeEach, describe, expect, test } from "vitest";
import { type EnsureResult, controllerReference, ensureChild } from "./children.ts";
import { isKubernetesError } from "./errors.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { type Widget, storedWidget, widget, widgets } from "./testing/fixtures.ts";

const owner = controllerReference(storedWidget("owner", {}), widgets);
const stranger = { ...owner, uid: "stranger" };
const ref = { namespace: "test", name: "a" };

let cluster: FakeCluster;

beforeEach(() => {
  cluster = new FakeCluster();
});

function ensure(desired: Widget, cacheIsComplete = false): Promise<EnsureResult<Widget>> {
  return ensureChild(cluster, { resource: widgets, desired, live: cluster.read(widgets, ref), owner, cacheIsComplete });
}

describe("ensureChild", () => {
  test("creates the child with its owner, then writes nothing as long as nothing changes", async () => {
    expect((await ensure(widget("a"))).action).toBe("applied");
    expect(cluster.read(widgets, ref)?.metadata.ownerReferences).toEqual([owner]);
    expect((await ensure(widget("a"))).action).toBe("unchanged");
    expect(cluster.writes).toHaveLength(1);
  });

  test("repairs what somebody changed", async () => {
    await ensure(widget("a", 1));
    cluster.put(widgets, { ...cluster.read(widgets, ref)!, spec: { size: 7 } });
    expect((await ensure(widget("a", 1))).action).toBe("applied");
    expect(cluster.read(widgets, ref)?.spec?.size).toBe(1);
  });

  test("removes a field that is no longer desired, which no comparison of values can see", async () => {
    await ensure(widget("a", 1, { labels: { gone: "yes", kept: "yes" } }));
    await ensure(widget("a", 1, { labels: { kept: "yes" } }));
    expect(cluster.read(widgets, ref)?.metadata.labels).toEqual({ kept: "yes" });
  });

  test.each([
    ["unowned", []],
    ["somebody else's", [stranger]],
  ])("refuses an object of that name that is %s, cached or not", async (_, ownerReferences) => {
    cluster.put(widgets, widget("a", 1, { ownerReferences }));
    const taken = (error: unknown) => isKubernetesError(error, "NAME_TAKEN");
    await expect(ensure(widget("a"))).rejects.toSatisfy(taken);
    await expect(ensureChild(cluster, { resource: widgets, desired: widget("a"), live: undefined, owner })).rejects.toSatisfy(
      taken,
    );
    expect(cluster.writes).toEqual([]);
  });

  test("leaves a child alone that is being deleted", async () => {
    await ensure(widget("a", 1, { finalizers: ["test/hold"] }));
    await cluster.delete(widgets, ref);
    expect((await ensure(widget("a", 2))).action).toBe("terminating");
    expect(cluster.read(widgets, ref)?.spec?.size).toBe(1);
  });
});
