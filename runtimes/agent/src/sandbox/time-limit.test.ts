import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { beforeEach, expect, test } from "vitest";
import { TimeLimit } from "./time-limit.ts";

let clock: ManualClock;
let isOver: boolean;
let limit: TimeLimit;

beforeEach(() => {
  clock = new ManualClock();
  isOver = false;
  limit = new TimeLimit({ clock, limitMs: 100, onOver: () => (isOver = true) });
});

type Step = "renew" | "pause" | "resume" | number;

test.each<{ when: string; steps: Step[]; over: boolean }>([
  { when: "it was never started", steps: [1000], over: false },
  { when: "it has run to its end", steps: ["resume", 100], over: true },
  { when: "a moment is left", steps: ["resume", 99], over: false },
  { when: "it was renewed in time", steps: ["resume", 99, "renew", 99], over: false },
  { when: "it was renewed and has run to its end again", steps: ["resume", 99, "renew", 100], over: true },
  { when: "it stands still", steps: ["resume", 60, "pause", 1000], over: false },
  { when: "it stood still, and a moment is left", steps: ["resume", 60, "pause", 1000, "resume", 39], over: false },
  { when: "what was left after a pause has passed", steps: ["resume", 60, "pause", 1000, "resume", 40], over: true },
  { when: "it is renewed while it stands still", steps: ["resume", 60, "pause", "renew", 1000, "resume", 99], over: false },
  {
    when: "pauses come again and again",
    steps: Array.from({ length: 11 }, (): Step[] => ["resume", 10, "pause"]).flat(),
    over: true,
  },
])("the time is over or not when $when", async ({ steps, over }) => {
  for (const step of steps) {
    if (typeof step === "number") await clock.advance(step);
    else limit[step]();
  }
  expect(isOver).toBe(over);
});
