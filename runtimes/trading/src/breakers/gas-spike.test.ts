import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = { type: "GasSpike", threshold: 3, windowMs: 3_600_000, cooldownMs: 900_000, action: "Halt" };
const quote = (minute: number, fee: number, account = "wallet"): Look => [minute, { kind: "fee", account, fee }];
const usual = Array.from({ length: 20 }, (_, minute) => quote(minute, 1_000));
const last = (looks: readonly Look[]): string | undefined => summaries(config, looks).at(-1);

describe("GasSpike 3 over an hour", () => {
  test.each([
    { when: "fewer than ten stretches are known", looks: [...usual.slice(0, 5), quote(6, 90_000)], then: "Armed -" },
    { when: "the fee is as usual", looks: [...usual, quote(20, 1_000)], then: "Armed 1" },
    { when: "it is a little less than three times as high", looks: [...usual, quote(20, 2_999)], then: "Armed 2.999" },
    { when: "it is three times as high", looks: [...usual, quote(20, 3_000)], then: "Tripped 3" },
    { when: "the spike is another account's", looks: [...usual, quote(20, 9_000, "other")], then: "Armed 1" },
    {
      when: "somebody shouts a hundred high quotes in one minute to make them usual",
      looks: [...usual, ...Array.from({ length: 100 }, (_, index) => quote(20 + index / 1_000, 2_500)), quote(20.9, 5_000)],
      then: "Tripped 5",
    },
  ])("$when", ({ looks, then }) => {
    expect(last(looks)).toBe(then);
  });

  test("arms itself a quarter of an hour after the fee has fallen", () => {
    const looks = [...usual, quote(20, 4_000), quote(21, 1_000), [35.9] as const, [36] as const];
    expect(summaries(config, looks).slice(20)).toEqual(["Tripped 4", "CoolingDown 4", "CoolingDown 4", "Armed -"]);
  });
});
