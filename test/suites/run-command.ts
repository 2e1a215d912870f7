import { spawn } from "node:child_process";
import { setPriority } from "node:os";

/** What a command writes while something else tells its own story: kept until it is shown, and shown as it comes from then on. */
export class HeldOutput {
  #held: Buffer[] = [];
  #isShown = false;

  write(chunk: Buffer): void {
    if (this.#isShown) process.stdout.write(chunk);
    else this.#held.push(chunk);
  }

  show(): void {
    process.stdout.write(Buffer.concat(this.#held));
    this.#held = [];
    this.#isShown = true;
  }
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly held?: HeldOutput | undefined;
  /** It takes only processor time that nobody else wants. */
  readonly yields?: boolean;
}

const lowestPriority = 19;

/** Runs a command to its end and returns its exit code. @throws when it cannot be started */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<number> {
  const { cwd, env, held, yields = false } = options;
  return new Promise((resolve, reject) => {
    const stdio = held ? "pipe" : "inherit";
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", stdio, stdio] });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => held?.write(chunk));
    if (yields && child.pid !== undefined) setPriority(child.pid, lowestPriority);
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
