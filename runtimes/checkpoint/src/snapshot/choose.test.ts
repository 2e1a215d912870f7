import { expect, test } from "vitest";
import { type Candidate, chooseNewest } from "./choose.ts";

const sound = { readable: true, missingChunks: 0 } as const;
const candidate = (id: string, takenAtMs: number, found: Candidate["found"] = sound): Candidate => ({
  key: `manifests/${id}`,
  id,
  takenAtMs,
  found,
});
const unreadable = { readable: false, code: "FORMAT_NEWER", message: "a later format" } as const;

test.each([
  ["the newest of those that are whole", [candidate("a", 1), candidate("b", 2)], "manifests/b", []],
  [
    "an older one when the newest lacks chunks everywhere, and says so",
    [candidate("a", 1), candidate("b", 2, { ...sound, missingChunks: 3 })],
    "manifests/a",
    [{ id: "b", code: "CONTENT_LOST", message: "3 of its chunks stand on no copy" }],
  ],
  [
    "an older one when the newest cannot be read, and says so",
    [candidate("a", 1), candidate("b", 2, unreadable)],
    "manifests/a",
    [{ id: "b", code: "FORMAT_NEWER", message: "a later format" }],
  ],
  ["none when there is none", [], undefined, []],
])("chooses %s", (...[, candidates, key, skipped]) => {
  expect(chooseNewest(candidates)).toEqual({ key, skipped });
});
