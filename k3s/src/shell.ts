import { type ChildProcess, spawn } from "node:child_process";
import { ClusterError } from "./errors.ts";

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** Called for every line of standard output and standard error as it comes. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
  /** Exit codes that are not an error. Default: 0 only. */
  readonly accept?: readonly number[];
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const keptCharacters = 4_000_000;
const shownLines = 15;

/** Collects text up to a bound; the end is what explains a failure, so the beginning is dropped. */
function collector(onLine: ((line: string) => void) | undefined) {
  let text = "";
  let partial = "";
  return {
    push(chunk: string): void {
      text = (text + chunk).slice(-keptCharacters);
      if (!onLine) return;
      const lines = (partial + chunk).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    },
    text: () => text,
  };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

/**
 * Runs a command to its end without a shell and returns what it wrote.
 *
 * @throws ClusterError COMMAND_FAILED with the command line and the last lines of its output when it cannot be started,
 *   takes longer than `timeoutMs` or ends with a code that is not in `accept`
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    timeout: options.timeoutMs,
    killSignal: "SIGKILL",
  });
  const stdout = collector(options.onLine);
  const stderr = collector(options.onLine);
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => stdout.push(chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => stderr.push(chunk));
  child.stdin?.on("error", () => child.stdin?.destroy());
  child.stdin?.end(options.input);

  const commandLine = [command, ...args].join(" ");
  let code: number;
  try {
    code = await exitOf(child);
  } catch (cause) {
    throw new ClusterError("COMMAND_FAILED", `cannot run ${command}: ${(cause as Error).message}`, {
      context: { commandLine },
      cause,
    });
  }
  if (!(options.accept ?? [0]).includes(code)) {
    const tail = `${stdout.text()}\n${stderr.text()}`.trim().split("\n").slice(-shownLines).join("\n");
    throw new ClusterError("COMMAND_FAILED", `${commandLine.slice(0, 300)} ended with code ${code}:\n${tail}`, {
      context: { commandLine, code },
    });
  }
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** Whether a command of this name is on the PATH (no shell, no side effect). */
export async function hasCommand(command: string): Promise<boolean> {
  return (await findCommand(command)) !== undefined;
}

/** The absolute path of a command, looked up as a shell would, or undefined. */
export async function findCommand(command: string): Promise<string | undefined> {
  const { stdout, code } = await run(
    "/bin/sh",
    ["-c", `PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin" command -v -- ${command}`],
    { accept: [0, 1, 127] },
  );
  return code === 0 ? stdout.trim() : undefined;
}
