import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deepEqual, statusPatch } from "./status-patch.ts";

describe("statusPatch", () => {
  test.each([
    ["equal states", { a: 1, b: [1] }, { a: 1, b: [1] }, undefined],
    ["an undefined member counts as absent", { a: 1 }, { a: 1, b: undefined }, undefined],
    ["no status yet", undefined, { a: 1 }, { a: 1 }],
    ["a changed member", { a: 1, b: 2 }, { a: 1, b: 3 }, { b: 3 }],
    ["a dropped member", { a: 1, b: 2 }, { a: 1 }, { b: null }],
    ["a nested change", { pnl: { realized: "1", total: "2" } }, { pnl: { realized: "1", total: "3" } }, { pnl: { total: "3" } }],
    ["a list is replaced as a whole", { list: [{ a: 1 }, { a: 2 }] }, { list: [{ a: 1 }] }, { list: [{ a: 1 }] }],
    ["a scalar becomes a map", { a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }],
  ])("%s", (...[, live, desired, patch]) => {
    expect(statusPatch(live, desired)).toEqual(patch);
  });
});

/** RFC 7396. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [member, value] of Object.entries(patch)) {
    if (value === null) delete result[member];
    else result[member] = applyMergePatch(result[member], value);
  }
  return result;
}

test("the patch turns any status into any other", () => {
  // A merge patch cannot carry null as a value, so statuses hold none.
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer()));
  const status = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.oneof(leaf, fc.dictionary(fc.constantFrom("d", "e"), leaf)));
  fc.assert(
    fc.property(status, status, (live, desired) => {
      const patch = statusPatch(live, desired);
      const result = patch === undefined ? live : applyMergePatch(live, patch);
      expect(deepEqual(result, desired)).toBe(true);
      expect(statusPatch(desired, desired)).toBeUndefined();
    }),
  );
});
