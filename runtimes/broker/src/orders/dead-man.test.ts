import { describe, expect, test } from "vitest";
import { type DeadManView, deadManStep } from "./dead-man.ts";

const view: DeadManView = {
  nowMs: 1_000_000,
  armedAtMs: undefined,
  timeoutMs: 60_000,
  working: 1,
  protectiveLegs: 0,
  riskSilent: false,
};

describe("the venue's dead-man switch", () => {
  test.each<{ when: string; change: Partial<DeadManView>; step: string }>([
    { when: "an order waits", change: {}, step: "arm" },
    { when: "it was armed a moment ago", change: { armedAtMs: 995_000 }, step: "leave" },
    { when: "a third of its time is over", change: { armedAtMs: 980_000 }, step: "arm" },
    { when: "nothing waits", change: { working: 0 }, step: "leave" },
    { when: "nothing waits any more", change: { working: 0, armedAtMs: 995_000 }, step: "disarm" },
    { when: "a protective stop rests there", change: { protectiveLegs: 1, armedAtMs: 995_000 }, step: "disarm" },
    { when: "a protective stop rests there and it is off", change: { protectiveLegs: 1 }, step: "leave" },
    { when: "it ran out while a stop rests there", change: { protectiveLegs: 1, armedAtMs: 900_000 }, step: "leave" },
    { when: "risk is silent: it is left to run out", change: { armedAtMs: 970_000, riskSilent: true }, step: "leave" },
  ])("when $when: $step", ({ change, step }) => {
    expect(deadManStep({ ...view, ...change })).toBe(step);
  });
});
