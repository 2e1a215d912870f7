import type { Report } from "./drivers/driver.ts";

export interface Step {
  readonly title: string;
  readonly run: (report: Report) => Promise<string | void>;
}

/** Where progress goes: a terminal that is rewritten, or plain lines for logs. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: number;
  write(text: string): void;
}

/** `3.2 s`, `1 m 04 s`. */
export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} m ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}

const refreshMs = 200;
/** Without a terminal, progress inside a step is told this often at most. */
const plainEveryMs = 10_000;
const titleWidth = 34;

function terminalLine(screen: Screen, title: string, startedAt: number): { report: Report; stop: () => void } {
  let detail = "";
  const draw = (): void => {
    const text = ` …  ${title.padEnd(titleWidth)} ${formatDuration(performance.now() - startedAt).padStart(9)}  ${detail}`;
    screen.write(`\r\u001B[2K${text.slice(0, Math.max(20, screen.columns - 1))}`);
  };
  const timer = setInterval(draw, refreshMs);
  const stop = (): void => {
    clearInterval(timer);
    screen.write("\r\u001B[2K");
  };
  draw();
  return { report: (line) => void (detail = line), stop };
}

function plainLine(screen: Screen, title: string, startedAt: number): { report: Report; stop: () => void } {
  let toldAt = Number.NEGATIVE_INFINITY;
  screen.write(` …  ${title}\n`);
  const report = (line: string): void => {
    const now = performance.now();
    if (now - toldAt < plainEveryMs) return;
    toldAt = now;
    screen.write(`      ${formatDuration(now - startedAt).padStart(9)}  ${line}\n`);
  };
  return { report, stop: () => undefined };
}

/**
 * Runs steps one after the other, each with its elapsed time. The text a step returns stands behind its line.
 *
 * @throws what a step throws, after its line was marked as failed
 */
export async function runSteps(steps: readonly Step[], screen: Screen): Promise<void> {
  for (const step of steps) {
    const startedAt = performance.now();
    const line = (screen.isTerminal ? terminalLine : plainLine)(screen, step.title, startedAt);
    const close = (mark: string, note: string): void => {
      line.stop();
      screen.write(
        `${mark} ${step.title.padEnd(titleWidth)} ${formatDuration(performance.now() - startedAt).padStart(9)}${note ? `  ${note}` : ""}\n`,
      );
    };
    try {
      close(" ok ", (await step.run(line.report)) ?? "");
    } catch (error) {
      close("FAIL", "");
      throw error;
    }
  }
}
