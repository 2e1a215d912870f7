import { expect, test } from "vitest";
import { addCounts, countsOf, failuresOf, skipsWithoutPermission, type VitestReport } from "./counts.ts";

const report = (...statuses: string[]): VitestReport => ({
  testResults: [
    { name: "a.test.ts", assertionResults: statuses.map((status, index) => ({ status, fullName: `test ${index}` })) },
  ],
});

test("counts every state that is neither passed nor failed as skipped", () => {
  expect(countsOf(report("passed", "failed", "skipped", "pending", "todo"))).toEqual({ passed: 1, failed: 1, skipped: 3 });
});

test("adds suites up", () => {
  expect(addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 })).toEqual({
    passed: 11,
    failed: 22,
    skipped: 33,
  });
});

test("names the skips that no list permits", () => {
  const permitted = [{ test: "test 1", reason: "because" }];
  expect(skipsWithoutPermission(report("passed", "skipped", "skipped"), permitted)).toEqual(["test 2"]);
});

test("says of a failed test its name, its file and the first lines of the reason", () => {
  const failed = { status: "failed", fullName: "adds", failureMessages: ["Error: one\n  at two"] };
  expect(failuresOf({ testResults: [{ name: "a.test.ts", assertionResults: [failed] }] })).toEqual([
    "adds (a.test.ts)\n    Error: one\n      at two",
  ]);
});
