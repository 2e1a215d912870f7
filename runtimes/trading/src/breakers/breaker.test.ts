import { describe, expect, test } from "vitest";
import { armed, resetBreaker, stepBreaker, type BreakerConfig, type BreakerKernel, type Memory } from "./breaker.ts";

interface LevelMemory extends Memory {
  readonly level: number;
}

/** Trips on what it is shown. */
const kernel = (change: Partial<BreakerKernel<LevelMemory>> = {}): BreakerKernel =>
  ({
    type: "RapidLoss",
    observes: "price",
    clock: "wall",
    manual: false,
    lasting: false,
    start: { level: 0 },
    take: (memory: LevelMemory, observation: { kind: string; price?: number }) =>
      observation.kind === "price" ? { level: observation.price ?? 0 } : memory,
    measure: ({ level }: LevelMemory) => level,
    renew: () => ({ level: 0 }),
    ...change,
  }) as unknown as BreakerKernel;

const config: BreakerConfig = { type: "RapidLoss", threshold: 3, windowMs: 1_000, cooldownMs: 100, action: "Halt" };

/** `[time, level]` after another; the phases they lead to. */
function phases(under: BreakerKernel, looks: readonly (readonly [timeMs: number, level: number])[]): string[] {
  let state = armed(under, 0);
  return looks.map(([timeMs, level]) => {
    state = stepBreaker(under, { state, observation: { kind: "price", market: "M", price: level } }, { timeMs, config });
    return `${state.phase}${state.untilMs === undefined ? "" : ` until ${state.untilMs}`}`;
  });
}

describe("stepBreaker", () => {
  test.each([
    { when: "the measure stays below the threshold", looks: [[1, 2.99]], then: ["Armed"] },
    { when: "it reaches the threshold", looks: [[1, 3]], then: ["Tripped until 101"] },
    {
      when: "the cooldown passes quietly",
      looks: [
        [1, 3],
        [2, 0],
        [100, 0],
        [101, 0],
      ],
      then: ["Tripped until 101", "CoolingDown until 101", "CoolingDown until 101", "Armed"],
    },
    {
      when: "it is reached again while cooling down",
      looks: [
        [1, 3],
        [2, 0],
        [50, 4],
        [51, 0],
        [101, 0],
        [150, 0],
      ],
      then: [
        "Tripped until 101",
        "CoolingDown until 101",
        "Tripped until 150",
        "CoolingDown until 150",
        "CoolingDown until 150",
        "Armed",
      ],
    },
  ] as { when: string; looks: [number, number][]; then: string[] }[])("an event: $when", ({ looks, then }) => {
    expect(phases(kernel(), looks)).toEqual(then);
  });

  test("a level holds it tripped while it is high; the cooldown begins when it has fallen", () => {
    const looks = [
      [1, 3],
      [90, 5],
      [150, 2],
      [249, 2],
      [250, 2],
    ] as const;
    expect(phases(kernel({ lasting: true }), looks)).toEqual([
      "Tripped",
      "Tripped",
      "CoolingDown until 250",
      "CoolingDown until 250",
      "Armed",
    ]);
  });

  test("one that only a person arms stays tripped for ever", () => {
    const looks = [
      [1, 3],
      [500, 0],
      [5_000_000, 0],
    ] as const;
    expect(phases(kernel({ manual: true, lasting: true }), looks)).toEqual(["Tripped", "Tripped", "Tripped"]);
  });

  test("keeps the worst value while tripped, and counts its trips", () => {
    const under = kernel();
    let state = armed(under, 0);
    for (const [timeMs, price] of [
      [1, 3],
      [2, 7],
      [3, 1],
      [200, 0],
      [201, 4],
    ] as const) {
      state = stepBreaker(under, { state, observation: { kind: "price", market: "M", price } }, { timeMs, config });
      if (timeMs === 3) expect(state).toMatchObject({ value: 7, episode: 1 });
    }
    expect(state).toMatchObject({ phase: "Tripped", value: 4, episode: 2 });
  });

  test("a person's reset arms it from the present, and does nothing to an armed one", () => {
    const under = kernel({ manual: true, lasting: true });
    const fresh = armed(under, 0);
    expect(resetBreaker(under, fresh, 1)).toBe(fresh);
    const tripped = stepBreaker(
      under,
      { state: fresh, observation: { kind: "price", market: "M", price: 9 } },
      { timeMs: 5, config },
    );
    expect(resetBreaker(under, tripped, 9)).toEqual({
      phase: "Armed",
      sinceMs: 9,
      untilMs: undefined,
      value: undefined,
      episode: 1,
      memory: { level: 0 },
    });
  });
});
