import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Retention, planOrphans, planRetention } from "./plan.ts";

const at = (time: string): { key: string; takenAtMs: number } => ({ key: time, takenAtMs: Date.parse(`${time}Z`) });
const nowMs = Date.parse("2026-11-22T12:30Z");
const none = { hourly: 0, daily: 0, weekly: 0 };
const clear = { snapshotRunning: false, copyUnknown: false, manifestUnreadable: false };

describe("retention", () => {
  test.each<[string, Retention, readonly string[], readonly string[]]>([
    ["keeps the newest whatever the numbers say", none, ["2026-11-22T12:00", "2026-11-22T11:00"], ["2026-11-22T12:00"]],
    [
      "keeps the newest of each hour, counting hours that have one",
      { ...none, hourly: 3 },
      ["2026-11-22T12:20", "2026-11-22T12:00", "2026-11-22T09:59", "2026-11-22T09:00", "2026-11-21T01:00", "2026-11-20T01:00"],
      ["2026-11-22T12:20", "2026-11-22T09:59", "2026-11-21T01:00"],
    ],
    [
      "keeps the newest of each day",
      { ...none, daily: 2 },
      ["2026-11-22T12:00", "2026-11-21T23:00", "2026-11-21T22:00", "2026-11-20T23:00"],
      ["2026-11-22T12:00", "2026-11-21T23:00"],
    ],
    [
      "keeps the newest of each week, which begins on Monday",
      { ...none, weekly: 2 },
      ["2026-11-22T12:00", "2026-11-16T00:00", "2026-11-15T23:59", "2026-11-09T00:00", "2026-11-08T23:59"],
      ["2026-11-22T12:00", "2026-11-15T23:59"],
    ],
    [
      "keeps what is dated in the future: a clock was wrong",
      none,
      ["2027-01-01T00:00", "2026-12-01T00:00", "2026-11-22T12:00"],
      ["2027-01-01T00:00", "2026-12-01T00:00"],
    ],
  ])("%s", (...[, retention, times, kept]) => {
    const plan = planRetention(times.map(at), retention, nowMs);
    expect(plan.keep.map(({ key }) => key)).toEqual(kept);
    expect(plan.remove.map(({ key }) => key)).toEqual(times.filter((time) => !kept.includes(time)));
  });

  test("removes nothing that another run would keep, and never the newest", () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 90 * 24 * 60 }), { minLength: 1, maxLength: 200 });
    const numbers = fc.record({ hourly: fc.nat(30), daily: fc.nat(10), weekly: fc.nat(6) });
    fc.assert(
      fc.property(minutes, numbers, (ages, retention) => {
        const snapshots = ages.map((age) => ({ key: String(age), takenAtMs: nowMs - age * 60_000 }));
        const { keep, remove } = planRetention(snapshots, retention, nowMs);
        expect(keep.length + remove.length).toBe(snapshots.length);
        expect(keep[0]?.takenAtMs).toBe(nowMs - Math.min(...ages) * 60_000);
        expect(keep.length).toBeLessThanOrEqual(Math.max(1, retention.hourly + retention.daily + retention.weekly));
        expect(planRetention(keep, retention, nowMs).remove).toEqual([]);
      }),
    );
  });
});

describe("orphan chunks", () => {
  const chunk = (id: string, ageMs: number): { key: string; id: string; modifiedMs: number } => ({
    key: `chunks/${id}`,
    id,
    modifiedMs: nowMs - ageMs,
  });
  const facts = { chunks: [chunk("named", 1_000), chunk("old", 1_000), chunk("young", 99)], nowMs, graceMs: 100 };

  test("are collected when nothing names them and they are old enough", () => {
    expect(planOrphans({ ...facts, named: new Set(["named"]) }, clear)).toEqual({ collect: ["chunks/old"] });
  });

  test.each([
    [{ snapshotRunning: true }, "SNAPSHOT_RUNNING"],
    [{ copyUnknown: true }, "COPY_UNKNOWN"],
    [{ manifestUnreadable: true }, "MANIFEST_UNREADABLE"],
  ])("are left while %o", (obstacle, because) => {
    expect(planOrphans({ ...facts, named: new Set() }, { ...clear, ...obstacle })).toEqual({ collect: [], because });
  });
});
