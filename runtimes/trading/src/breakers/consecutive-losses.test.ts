import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = {
  type: "ConsecutiveLosses",
  threshold: 3,
  windowMs: 86_400_000,
  cooldownMs: 3_600_000,
  action: "Reduce",
};
const trip = (minute: number, profit: number, scope = "s-1"): Look => [minute, { kind: "roundTrip", scope, profit }];

describe("ConsecutiveLosses 3 in a day", () => {
  test.each([
    { when: "two are lost", looks: [trip(1, -1), trip(2, -1)], then: ["Armed 1", "Armed 2"] },
    { when: "three are lost", looks: [trip(1, -1), trip(2, -0.01), trip(3, -5)], then: ["Armed 1", "Armed 2", "Tripped 3"] },
    {
      when: "a gain lies between",
      looks: [trip(1, -1), trip(2, -1), trip(3, 0.01), trip(4, -1)],
      then: ["Armed 1", "Armed 2", "Armed 0", "Armed 1"],
    },
    {
      when: "nothing is won and nothing lost between",
      looks: [trip(1, -1), trip(2, -1), trip(3, 0), trip(4, -1)],
      then: ["Armed 1", "Armed 2", "Armed 0", "Armed 1"],
    },
    {
      when: "two strategies share them",
      looks: [trip(1, -1), trip(2, -1, "s-2"), trip(3, -1)],
      then: ["Armed 1", "Armed 1", "Armed 2"],
    },
    {
      when: "the first is more than a day ago",
      looks: [trip(1, -1), trip(2, -1), trip(1_442, -1)],
      then: ["Armed 1", "Armed 2", "Armed 1"],
    },
  ])("$when", ({ looks, then }) => {
    expect(summaries(config, looks)).toEqual(then);
  });

  test("counts from nothing after the trip, and arms itself after the cooldown", () => {
    const looks = [trip(1, -1), trip(2, -1), trip(3, -1), trip(4, -1), trip(5, -1), [62] as const, [63] as const];
    expect(summaries(config, looks).slice(2)).toEqual([
      "Tripped 3",
      "CoolingDown 3",
      "CoolingDown 3",
      "CoolingDown 3",
      "Armed -",
    ]);
  });
});
