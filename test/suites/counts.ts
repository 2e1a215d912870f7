/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: TestCounts = { passed: 0, failed: 0, skipped: 0 };

export function addCounts(one: TestCounts, other: TestCounts): TestCounts {
  return { passed: one.passed + other.passed, failed: one.failed + other.failed, skipped: one.skipped + other.skipped };
}

/** Everything that neither passed nor failed was skipped: vitest says skipped, pending, todo or disabled. */
export function countsOf(report: VitestReport): TestCounts {
  const statuses = report.testResults.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === "passed").length;
  const failed = statuses.filter((status) => status === "failed").length;
  return { passed, failed, skipped: statuses.length - passed - failed };
}

export interface PermittedSkip {
  /** A part of the test's full name. */
  readonly test: string;
  readonly reason: string;
}

export function skipsWithoutPermission(report: VitestReport, permitted: readonly PermittedSkip[]): string[] {
  return report.testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status !== "passed" && test.status !== "failed")
    .map((test) => test.fullName)
    .filter((name) => !permitted.some((skip) => name.includes(skip.test)));
}

/** Every failed test with the first lines of its reason: what a reader of a long log looks for at its end. */
export function failuresOf(report: VitestReport): string[] {
  return report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === "failed")
      .map((test) => `${test.fullName} (${file.name})\n${indented(test.failureMessages?.join("\n") ?? "no reason given")}`),
  );
}

/** Of a long reason both ends: what failed, and what the logs said last. */
const linesOfAReason = { first: 6, last: 24 };

function indented(reason: string): string {
  const lines = reason.split("\n");
  const { first, last } = linesOfAReason;
  const shown =
    lines.length <= first + last
      ? lines
      : [...lines.slice(0, first), `… ${lines.length - first - last} lines`, ...lines.slice(-last)];
  return shown.map((line) => `    ${line.slice(0, 600)}`).join("\n");
}
