import { expect, test } from "vitest";
import { chunkIdOf, chunkKey, isOurs, manifestKey, parseManifestKey } from "./object-keys.ts";

const id = "ab".padEnd(64, "0");

test("a key of a chunk tells its id", () => {
  expect(chunkIdOf(chunkKey(id))).toBe(id);
});

test("a key of a manifest tells its time, its digest and what people call it", () => {
  const takenAtMs = Date.UTC(2026, 10, 22, 1, 2, 3, 4);
  const key = manifestKey(takenAtMs, id);
  expect(key).toBe(`manifests/20261122T010203004Z-${id}`);
  expect(parseManifestKey(key)).toEqual({ key, takenAtMs, contentId: id, id: "20261122t010203004z-ab0000000000" });
});

test.each([
  ["holiday.jpg", false],
  ["chunks/ab/short", false],
  [`chunks/cd/${id}`, false],
  [`manifests/20261399T010203004Z-${id}`, false],
  ["manifests/latest", false],
  [chunkKey(id), true],
  ["journal/0000000100000000", true],
  ["handled/restore-1", true],
])("%s is ours: %s", (key, ours) => {
  expect(isOurs(key)).toBe(ours);
});
