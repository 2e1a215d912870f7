import { describe, expect, test } from "vitest";
import { triggerOf } from "./triggers.ts";

const at = (text: string): number => Date.parse(text);

describe("a schedule is due", () => {
  test.each([
    { schedule: { kind: "onBar" }, previous: "2026-01-01T00:00:00Z", time: "2026-01-01T00:01:00Z", due: true },
    { schedule: { kind: "every", everyMs: 300_000 }, previous: "2026-01-01T00:04:00Z", time: "2026-01-01T00:05:00Z", due: true },
    { schedule: { kind: "every", everyMs: 300_000 }, previous: "2026-01-01T00:05:00Z", time: "2026-01-01T00:06:00Z", due: false },
    { schedule: { kind: "every", everyMs: 300_000 }, previous: "2026-01-01T00:03:00Z", time: "2026-01-01T00:07:00Z", due: true },
    { schedule: { kind: "every", everyMs: 30_000 }, previous: "2026-01-01T00:01:00Z", time: "2026-01-01T00:02:00Z", due: true },
    {
      schedule: { kind: "cron", cron: "0 9 * * *", timeZone: "UTC" },
      previous: "2026-01-01T08:59:00Z",
      time: "2026-01-01T09:00:00Z",
      due: true,
    },
    {
      schedule: { kind: "cron", cron: "0 9 * * *", timeZone: "America/New_York" },
      previous: "2026-01-01T08:59:00Z",
      time: "2026-01-01T09:00:00Z",
      due: false,
    },
    // The clocks go forward at 02:00 in New York on 2026-03-08: nine o'clock there is 13:00 UTC from then on.
    {
      schedule: { kind: "cron", cron: "0 9 * * *", timeZone: "America/New_York" },
      previous: "2026-03-08T12:59:00Z",
      time: "2026-03-08T13:00:00Z",
      due: true,
    },
    {
      schedule: { kind: "cron", cron: "30 9 * * MON-FRI", timeZone: "UTC" },
      previous: "2026-01-03T09:00:00Z",
      time: "2026-01-03T10:00:00Z",
      due: false,
    },
  ] as const)("$schedule.kind between $previous and $time: $due", ({ schedule, previous, time, due }) => {
    expect(triggerOf(schedule)(at(previous), at(time))).toBe(due);
  });
});
