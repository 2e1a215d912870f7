import { describe, expect, test } from "vitest";
import { mergeConditions } from "./conditions.ts";

const nowMs = Date.parse("2026-01-02T03:04:05.678Z");
const before = {
  type: "Ready",
  status: "True",
  reason: "Running",
  message: "all well",
  lastTransitionTime: "2026-01-01T00:00:00Z",
} as const;

describe("mergeConditions", () => {
  test("a new condition starts now, in whole seconds", () => {
    const { lastTransitionTime: _, ...desired } = before;
    expect(mergeConditions(undefined, [desired], nowMs)).toEqual([{ ...desired, lastTransitionTime: "2026-01-02T03:04:05Z" }]);
  });

  test("the time stays while the status does, whatever else changes", () => {
    const [after] = mergeConditions(
      [before],
      [{ ...before, reason: "Other", message: "still well", observedGeneration: 2 }],
      nowMs,
    );
    expect(after).toMatchObject({ lastTransitionTime: before.lastTransitionTime, reason: "Other", observedGeneration: 2 });
  });

  test("the time moves when the status does", () => {
    const [after] = mergeConditions([before], [{ ...before, status: "False" }], nowMs);
    expect(after?.lastTransitionTime).toBe("2026-01-02T03:04:05Z");
  });

  test("conditions that are no longer desired go, and the order is by type", () => {
    const old = { ...before, type: "Gone" };
    const after = mergeConditions([old], [{ ...before, type: "Ready" }, { ...before, type: "Admitted" }], nowMs); // prettier-ignore
    expect(after.map(({ type }) => type)).toEqual(["Admitted", "Ready"]);
  });
});
