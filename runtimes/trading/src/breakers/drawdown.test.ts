import { describe, expect, test } from "vitest";
import { statesOver, summaries, type Look } from "../testing/breaker-fixtures.ts";
import { stepBreaker, type BreakerConfig } from "./breaker.ts";
import { kernelOf, resetBreakers } from "./breaker-set.ts";

const config: BreakerConfig = { type: "Drawdown", threshold: 0.2, windowMs: 86_400_000, cooldownMs: 0, action: "Flatten" };
const day = 1_440;
const at = (minute: number, equity: number, transfers = 10_000): Look => [minute, { kind: "equity", equity, transfers }];

describe("Drawdown 0.20", () => {
  test.each([
    { when: "it falls by less", looks: [at(0, 10_000), at(day, 8_000.01)], then: ["Armed 0", "Armed 0.199999"] },
    {
      when: "it falls by that much over months",
      looks: [at(0, 10_000), at(60 * day, 9_000), at(90 * day, 8_000)],
      then: ["Armed 0", "Armed 0.1", "Tripped 0.2"],
    },
    {
      when: "it falls from a later peak",
      looks: [at(0, 10_000), at(day, 15_000), at(2 * day, 12_000)],
      then: ["Armed 0", "Armed 0", "Tripped 0.2"],
    },
    { when: "money is withdrawn", looks: [at(0, 10_000), at(1, 4_000, 4_000)], then: ["Armed 0", "Armed 0"] },
    { when: "a deposit hides a loss", looks: [at(0, 10_000), at(1, 16_000, 20_000)], then: ["Armed 0", "Tripped 0.2"] },
    {
      when: "all of it comes back",
      looks: [at(0, 10_000), at(1, 7_000), at(9_999, 20_000)],
      then: ["Armed 0", "Tripped 0.3", "Tripped 0.3"],
    },
  ])("$when", ({ looks, then }) => {
    expect(summaries(config, looks)).toEqual(then);
  });

  test("re-arms only by a person, from the equity of that moment", () => {
    const tripped = statesOver(config, [at(0, 10_000), at(1, 7_000)]).at(-1)!;
    const clocks = { marketMs: 120_000, wallMs: 120_000 };
    const [reset] = resetBreakers([{ config, state: tripped }], "Drawdown", clocks);
    expect(reset?.state).toMatchObject({ phase: "Armed", memory: { peak: -3_000 } });
    const step = (equity: number) =>
      stepBreaker(
        kernelOf("Drawdown"),
        { state: reset!.state, observation: { kind: "equity", equity, transfers: 10_000 } },
        { timeMs: 180_000, config },
      );
    expect(step(5_601).phase).toBe("Armed");
    expect(step(5_600).phase).toBe("Tripped");
  });
});
