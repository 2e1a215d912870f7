import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = { type: "VenueStale", threshold: undefined, windowMs: 120_000, cooldownMs: 60_000, action: "Halt" };
const look = (minute: number, fresh: Record<string, boolean>): Look => [minute, { kind: "venues", fresh }];

describe("VenueStale after 2 minutes", () => {
  test.each([
    { when: "prices stay fresh", looks: [look(0, { a: true }), look(5, { a: true })], then: ["Armed 0", "Armed 0"] },
    { when: "a venue is stale for less", looks: [look(0, { a: true }), look(1.9, { a: false })], then: ["Armed 0", "Armed 114"] },
    {
      when: "a venue is stale for that long",
      looks: [look(0, { a: true }), look(2, { a: false })],
      then: ["Armed 0", "Tripped 120"],
    },
    { when: "nobody looks at all", looks: [look(0, { a: true }), [3] as const], then: ["Armed 0", "Tripped 180"] },
    {
      when: "one of two is stale",
      looks: [look(0, { a: true, b: true }), look(2, { a: true, b: false })],
      then: ["Armed 0", "Tripped 120"],
    },
    { when: "one never was fresh", looks: [look(0, { a: false }), look(2, { a: false })], then: ["Armed 0", "Tripped 120"] },
    {
      when: "the stale one leaves the policy",
      looks: [look(0, { a: true, b: true }), look(5, { a: true })],
      then: ["Armed 0", "Armed 0"],
    },
  ])("$when", ({ looks, then }) => {
    expect(summaries(config, looks)).toEqual(then);
  });

  test("resumes by itself a minute after prices are fresh again", () => {
    const looks = [
      look(0, { a: true }),
      look(4, { a: false }),
      look(5, { a: true }),
      look(5.9, { a: true }),
      look(6, { a: true }),
    ];
    expect(summaries(config, looks).slice(1)).toEqual(["Tripped 240", "CoolingDown 240", "CoolingDown 240", "Armed -"]);
  });
});
