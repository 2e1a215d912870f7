import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { isAlive, processStartTime, startTimeOf, stateOf } from "../process-identity.ts";
import { endProcess, fingerprint, processVerdict } from "./supervisor.ts";

const record = { name: "etcd", pid: 1, startTime: "5", fingerprint: "a" };
const component = { name: "etcd", command: "/bin/etcd", args: ["--x"], files: ["/config"] } as const;

describe("what the next up does with a process", () => {
  test.each([
    { when: "it was never started", of: undefined, alive: false, then: "start" },
    { when: "it has died", of: record, alive: false, then: "start" },
    { when: "it runs as wanted", of: record, alive: true, then: "keep" },
    { when: "its command line or files have changed", of: { ...record, fingerprint: "b" }, alive: true, then: "restart" },
  ])("$then when $when", ({ of, alive, then }) => {
    expect(processVerdict(of, "a", alive)).toBe(then);
  });

  test("a changed argument or file is another fingerprint", () => {
    const first = fingerprint(component, () => "one");
    expect(fingerprint(component, () => "one")).toBe(first);
    expect(fingerprint(component, () => "two")).not.toBe(first);
    expect(fingerprint({ ...component, args: ["--y"] }, () => "one")).not.toBe(first);
  });
});

describe("a process is known by pid and start time", () => {
  const stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1";

  test("a bracket in its name does not shift the fields", () => {
    expect(startTimeOf(stat)).toBe("98765");
    expect(stateOf(stat)).toBe("S");
  });

  test.skipIf(process.platform !== "linux")(
    "another start time under the same pid is another process, and is left alone",
    async () => {
      const child = spawn("sleep", ["60"]);
      const pid = child.pid ?? 0;
      const startTime = processStartTime(pid) ?? "";
      await endProcess({ pid, startTime: "1" }, 10);
      expect(isAlive({ pid, startTime })).toBe(true);
      await endProcess({ pid, startTime }, 1_000);
      expect(isAlive({ pid, startTime })).toBe(false);
    },
  );
});
