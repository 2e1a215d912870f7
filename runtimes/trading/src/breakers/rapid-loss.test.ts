import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = { type: "RapidLoss", threshold: 0.03, windowMs: 900_000, cooldownMs: 3_600_000, action: "Flatten" };
const at = (minute: number, equity: number, transfers = 10_000): Look => [minute, { kind: "equity", equity, transfers }];

describe("RapidLoss 0.03 in 15 minutes", () => {
  test.each([
    { when: "nothing is lost", looks: [at(0, 10_000), at(1, 10_050)], then: ["Armed 0", "Armed 0"] },
    {
      when: "just less than the threshold is lost",
      looks: [at(0, 10_000), at(14, 9_700.01)],
      then: ["Armed 0", "Armed 0.029999"],
    },
    { when: "exactly the threshold is lost", looks: [at(0, 10_000), at(14, 9_700)], then: ["Armed 0", "Tripped 0.03"] },
    {
      when: "the loss is counted from the highest of the window",
      looks: [at(0, 10_000), at(5, 10_400), at(9, 10_088)],
      then: ["Armed 0", "Armed 0", "Tripped 0.03"],
    },
    {
      when: "the same is lost, but slowly",
      looks: [at(0, 10_000), at(8, 9_850), at(17, 9_700)],
      then: ["Armed 0", "Armed 0.015", "Armed 0.015228"],
    },
    { when: "money is withdrawn", looks: [at(0, 10_000), at(1, 5_000, 5_000)], then: ["Armed 0", "Armed 0"] },
    { when: "a deposit hides a loss", looks: [at(0, 10_000), at(1, 19_400, 20_000)], then: ["Armed 0", "Tripped 0.03"] },
    { when: "everything is lost", looks: [at(0, 10_000), at(1, 0)], then: ["Armed 0", "Tripped 1"] },
    { when: "nothing was ever there", looks: [at(0, 0, 0), at(1, 0, 0)], then: ["Armed -", "Armed -"] },
  ])("$when", ({ looks, then }) => {
    expect(summaries(config, looks)).toEqual(then);
  });

  test("cools down for an hour, unless as much is lost again, and then begins a new window", () => {
    const looks = [at(0, 10_000), at(1, 9_600), at(2, 9_600), at(60, 9_500), at(61, 9_500), at(62, 9_300)];
    expect(summaries(config, looks)).toEqual([
      "Armed 0",
      "Tripped 0.04",
      "CoolingDown 0.04",
      "CoolingDown 0.04",
      "Armed -",
      "Armed 0",
    ]);
    expect(summaries(config, [at(0, 10_000), at(1, 9_600), at(2, 9_600), at(10, 9_300)]).at(-1)).toBe("Tripped 0.04");
  });
});
