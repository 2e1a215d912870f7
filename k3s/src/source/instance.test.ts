import { expect, test } from "vitest";
import { judgeInstance } from "./instance.ts";

const running = { recorded: true, sameBoot: true, processesRecorded: 8, processesAlive: 8 };

test.each([
  { when: "nothing is recorded", facts: { ...running, recorded: false }, is: "none" },
  { when: "every process lives", facts: running, is: "running" },
  { when: "one process has died", facts: { ...running, processesAlive: 7 }, is: "running" },
  {
    when: "up was interrupted before its first process",
    facts: { ...running, processesRecorded: 0, processesAlive: 0 },
    is: "running",
  },
  { when: "all processes are gone", facts: { ...running, processesAlive: 0 }, is: "stale" },
  { when: "the machine was started anew", facts: { ...running, sameBoot: false }, is: "stale" },
])("an instance is $is when $when", ({ facts, is }) => {
  expect(judgeInstance(facts)).toBe(is);
});
