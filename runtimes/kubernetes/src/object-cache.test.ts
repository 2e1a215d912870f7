import { beforeEach, describe, expect, test } from "vitest";
import { type CacheChange, ObjectCache } from "./object-cache.ts";
import { type Widget, storedWidget } from "./testing/fixtures.ts";

let cache: ObjectCache<Widget>;
let changes: string[];

beforeEach(() => {
  cache = new ObjectCache<Widget>();
  changes = [];
  cache.subscribe(({ type, key, own, object }: CacheChange<Widget>) =>
    changes.push(`${own ? "own " : ""}${type} ${key}@${object.metadata.resourceVersion}`),
  );
});

const at = (resourceVersion: string, uid = "uid-a") => storedWidget("a", { resourceVersion, uid });

describe("the cache", () => {
  test("never goes back to an older version", () => {
    cache.observe(at("5"));
    cache.observe(at("4"));
    expect(cache.get("test/a")?.metadata.resourceVersion).toBe("5");
    expect(changes).toEqual(["added test/a@5"]);
  });

  test("shows an own write at once and does not announce its echo as news", () => {
    cache.observe(at("5"));
    cache.overlay(at("7"));
    expect(cache.get("test/a")?.metadata.resourceVersion).toBe("7");
    cache.observe(at("7"));
    expect(changes).toEqual(["added test/a@5", "own modified test/a@7"]);
  });

  test("tells an echo that comes before the answer from somebody else's change", () => {
    cache.observe(at("5"));
    const first = cache.beginWrite("test/a");
    cache.observe(at("6"));
    expect(cache.get("test/a")?.metadata.resourceVersion).toBe("6");
    expect(changes).toEqual(["added test/a@5"]);
    first(at("6"));
    const second = cache.beginWrite("test/a");
    cache.observe(at("7"));
    cache.observe(at("8"));
    second(at("8"));
    const failed = cache.beginWrite("test/a");
    cache.observe(at("9"));
    failed();
    expect(changes.slice(1)).toEqual([
      "own modified test/a@6",
      "modified test/a@7",
      "own modified test/a@8",
      "modified test/a@9",
    ]);
  });

  test("announces somebody else's change that lay before an own write, with the newest state", () => {
    cache.observe(at("5"));
    cache.overlay(at("7"));
    cache.observe(at("6"));
    expect(changes.at(-1)).toBe("modified test/a@7");
  });

  test("does not take a replayed old event for news once the echo has come", () => {
    cache.overlay(at("7"));
    cache.observe(at("7"));
    cache.observe(at("6"));
    expect(changes).toEqual(["own added test/a@7"]);
  });

  test("keeps an object that was created anew when the deletion of its predecessor arrives late", () => {
    cache.observe(at("5", "old"));
    cache.overlay(at("9", "new"));
    cache.observeDeleted(at("8", "old"));
    expect(cache.get("test/a")?.metadata.uid).toBe("new");
  });

  test("does not let an older event bring an own deletion back", () => {
    cache.observe(at("5"));
    cache.overlayDeleted("test/a", "uid-a");
    cache.observe(at("6"));
    cache.observeDeleted(at("7"));
    cache.observe(at("8", "another"));
    expect(changes).toEqual(["added test/a@5", "own deleted test/a@5", "added test/a@8"]);
  });

  test("does not bring an object back whose end the watch told before the answer to the write that ended it came", () => {
    cache.observe(at("5"));
    const answered = cache.beginWrite("test/a");
    cache.observeDeleted(at("8"));
    answered(at("7"));
    expect(cache.get("test/a")).toBeUndefined();
    expect(changes.at(-1)).toContain("deleted test/a");
  });

  test("drops after a complete list what it did not name, but not what was written after the list was made", () => {
    for (const [name, resourceVersion] of [["gone", "3"], ["kept", "4"], ["written", "20"]] as const) cache.observe(storedWidget(name, { resourceVersion })); // prettier-ignore
    cache.retain(new Set(["test/kept"]), { resourceVersion: "10" });
    expect([...cache.list()].map(({ metadata }) => metadata.name)).toEqual(["kept", "written"]);
  });

  test("leaves other namespaces alone when one was listed", () => {
    cache.observe(storedWidget("a", { namespace: "other" }));
    cache.retain(new Set(), { resourceVersion: "10", namespace: "test" });
    expect(cache.get("other/a")).toBeDefined();
  });

  test("keeps no managed fields and no last applied configuration", () => {
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", kept: "yes" };
    cache.observe(storedWidget("a", { managedFields: [{}], annotations }));
    expect(cache.get("test/a")?.metadata).not.toHaveProperty("managedFields");
    expect(cache.get("test/a")?.metadata.annotations).toEqual({ kept: "yes" });
  });

  test("follows an object that changes its place in an index", () => {
    cache.addIndex("size", ({ spec }) => [String(spec?.size)]);
    cache.observe(storedWidget("a", { resourceVersion: "1" }, 1));
    cache.observe(storedWidget("a", { resourceVersion: "2" }, 2));
    expect(cache.byIndex("size", "1")).toEqual([]);
    expect(cache.byIndex("size", "2").map(({ metadata }) => metadata.name)).toEqual(["a"]);
    cache.observeDeleted(storedWidget("a", { resourceVersion: "3" }, 2));
    expect(cache.byIndex("size", "2")).toEqual([]);
  });
});
