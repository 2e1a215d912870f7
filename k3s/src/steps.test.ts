import { describe, expect, test } from "vitest";
import { formatDuration, runSteps, type Screen } from "./steps.ts";

function recordingScreen(isTerminal: boolean): Screen & { text: string } {
  const screen = { isTerminal, columns: 80, text: "", write: (text: string) => void (screen.text += text) };
  return screen;
}

describe("steps without a terminal", () => {
  test("are plain lines: begin, progress, end with the elapsed time and what came of it", async () => {
    const screen = recordingScreen(false);
    await runSteps([{ title: "Building", run: (report) => Promise.resolve(report("etcd")).then(() => "3 images") }], screen);
    expect(screen.text).toMatch(/^ … {2}Building\n\s+0\.0 s {2}etcd\n ok {2}Building\s+0\.0 s {2}3 images\n$/);
    expect(screen.text).not.toContain("\u001B");
  });

  test("tell progress within a step seldom: a log is not a terminal", async () => {
    const screen = recordingScreen(false);
    const run = (report: (line: string) => void): Promise<void> => {
      for (let count = 0; count < 100; count++) report(`package ${count}`);
      return Promise.resolve();
    };
    await runSteps([{ title: "Compiling", run }], screen);
    expect(screen.text.match(/package/g)).toHaveLength(1);
  });

  test("that fail are marked, later ones do not run, and the error is the caller's", async () => {
    const screen = recordingScreen(false);
    const steps = [
      { title: "First", run: () => Promise.reject(new Error("no disk")) },
      { title: "Second", run: () => Promise.resolve() },
    ];
    await expect(runSteps(steps, screen)).rejects.toThrow("no disk");
    expect(screen.text).toMatch(/FAIL First/);
    expect(screen.text).not.toContain("Second");
  });
});

test("on a terminal a step is one line that is rewritten", async () => {
  const screen = recordingScreen(true);
  await runSteps([{ title: "Building", run: () => Promise.resolve() }], screen);
  expect(screen.text.split("\n")).toHaveLength(2);
  expect(screen.text).toContain("\r\u001B[2K");
});

test.each([
  [950, "0.9 s"],
  [12_340, "12.3 s"],
  [64_000, "1 m 04 s"],
])("%i ms read %s", (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});
