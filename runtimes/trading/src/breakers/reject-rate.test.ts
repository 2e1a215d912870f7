import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = { type: "RejectRate", threshold: 0.5, windowMs: 300_000, cooldownMs: 900_000, action: "Halt" };
const order = (minute: number, rejected: boolean, account = "paper"): Look => [minute, { kind: "order", account, rejected }];
/** `+` was taken, `-` was refused; one every six seconds. */
const orders = (marks: string): Look[] => marks.split("").map((mark, index) => order(index / 10, mark === "-"));
const last = (looks: readonly Look[]): string | undefined => summaries(config, looks).at(-1);

describe("RejectRate 0.50 in 5 minutes", () => {
  test.each([
    { when: "four orders were all refused", looks: orders("----"), then: "Armed -" },
    { when: "two of five were refused", looks: orders("+-+-+"), then: "Armed 0.4" },
    { when: "three of six were refused", looks: orders("+-+-+-"), then: "Tripped 0.5" },
    {
      when: "the refused ones are of another account",
      looks: [...orders("+++++"), order(1, true, "other"), order(1, true, "other")],
      then: "Armed 0",
    },
    {
      when: "the refused ones are long ago",
      looks: [...orders("---"), ...[6, 6.1, 6.2, 6.3, 6.4].map((minute) => order(minute, false))],
      then: "Armed 0",
    },
  ])("$when", ({ looks, then }) => {
    expect(last(looks)).toBe(then);
  });

  test("counts from nothing after the trip, and arms itself after the cooldown", () => {
    const looks = [...orders("-----"), [0.5] as const, [15.3] as const, [15.4] as const];
    expect(summaries(config, looks).slice(4)).toEqual(["Tripped 1", "CoolingDown 1", "CoolingDown 1", "Armed -"]);
  });
});
