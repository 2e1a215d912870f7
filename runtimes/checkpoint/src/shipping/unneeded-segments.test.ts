import { expect, test } from "vitest";
import { segmentKey } from "./segment.ts";
import { unneededSegments } from "./unneeded-segments.ts";

const graceMs = 1_000;
const nowMs = 10_000;
const place = (series: string, sequence: number) => ({ series, sequence, sha256: "" });
const old = (series: string, sequence: number) => ({ key: segmentKey(series, sequence), modifiedMs: 0 });

test.each([
  { when: "the oldest snapshot was taken before them", kept: [[place("a", 0)], [place("a", 2)]], unneeded: [] },
  { when: "the oldest snapshot holds some of them", kept: [[place("a", 3)], [place("a", 2)]], unneeded: [1, 2] },
  { when: "no snapshot names their series", kept: [[place("b", 0)]], unneeded: [1, 2, 3] },
  { when: "no snapshot is kept", kept: [], unneeded: [1, 2, 3] },
])("segments go when $when: $unneeded", ({ kept, unneeded }) => {
  const stored = [1, 2, 3].map((sequence) => old("a", sequence));
  expect(unneededSegments(stored, kept, { nowMs, graceMs })).toEqual(unneeded.map((sequence) => segmentKey("a", sequence)));
});

test("what a snapshot under way may need, and what is none of ours, stays", () => {
  const young = { ...old("a", 1), modifiedMs: nowMs - graceMs + 1 };
  const foreign = { key: "journal/notes.txt", modifiedMs: 0 };
  expect(unneededSegments([young, foreign], [], { nowMs, graceMs })).toEqual([]);
});
