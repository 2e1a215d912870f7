import { describe, expect, test } from "vitest";
import { CachedClient } from "./cached-client.ts";
import { Informer } from "./informer.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { type Widget, settle, surroundings, widget, widgets } from "./testing/fixtures.ts";

async function running(
  scope: {
    readonly namespaces?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly fieldSelector?: string;
  },
  body: (informer: Informer<Widget>, cluster: FakeCluster) => Promise<void>,
): Promise<void> {
  const around = surroundings();
  const cluster = new FakeCluster(() => around.clock.nowMs());
  const informer = new Informer({ client: cluster, resource: widgets, ...around, ...scope });
  const stop = new AbortController();
  const end = informer.run(stop.signal);
  await settle(around.clock);
  await body(informer, cluster);
  stop.abort(new Error("end of test"));
  await end;
}

describe("an informer", () => {
  test("watches each of its namespaces and no other", async () => {
    await running({ namespaces: ["one", "two"] }, async (informer, cluster) => {
      for (const namespace of ["one", "two", "three"]) cluster.put(widgets, widget("a", 1, { namespace }));
      expect([...informer.cache.list()].map(({ metadata }) => metadata.namespace)).toEqual(["one", "two"]);
      expect(cluster.openWatches).toBe(2);
    });
  });

  test.each([
    ["an own write that its labels select is in the cache at once", { labels: { a: "b" } }, { labels: { a: "b" } }, true],
    ["one that they do not select is not", { labels: { a: "b" } }, { labels: { a: "c" } }, false],
    ["nor is one of another namespace", { namespaces: ["other"] }, {}, false],
    ["nor one that only the server's field selector could judge", { fieldSelector: "metadata.name=b" }, {}, false],
  ])("%s", async (...[, scope, metadata, cached]) => {
    await running(scope, async (informer, cluster) => {
      const client = new CachedClient(cluster, [informer]);
      await client.apply(widgets, widget("a", 1, metadata));
      expect(informer.cache.get("test/a") !== undefined).toBe(cached);
    });
  });

  test("an own write under a field selector shows once the watch has brought the object", async () => {
    await running({ fieldSelector: "metadata.name=a" }, async (informer, cluster) => {
      cluster.put(widgets, widget("a", 1));
      const client = new CachedClient(cluster, [informer]);
      const written = await client.apply(widgets, widget("a", 2));
      expect(informer.cache.get("test/a")?.metadata.resourceVersion).toBe(written.metadata.resourceVersion);
    });
  });
});
