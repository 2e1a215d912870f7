import { expect, test } from "vitest";
import { formatCpuList } from "./cpu-list.ts";

test.each([
  [[], ""],
  [[2], "2"],
  [[3, 2], "2-3"],
  [[0, 2, 3, 4, 7, 8], "0,2-4,7-8"],
  [[1, 1, 2], "1-2"],
  [[10, 9, 2], "2,9-10"],
])("%j is written %s", (cpus, text) => {
  expect(formatCpuList(cpus)).toBe(text);
});
