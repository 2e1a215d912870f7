/** Ollama's server as a child of the keeper: one program of the pod ends, and the other with it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { KeeperConfig } from "../config.ts";

const keptLines = 20;

/** What Ollama is told by its environment. Nothing of the keeper's own goes along. */
export function ollamaEnvironment({ threads, parallel, modelsDirectory, ollamaPort }: KeeperConfig): Record<string, string> {
  return {
    HOME: "/tmp",
    PATH: "/usr/local/bin:/usr/bin:/bin",
    OLLAMA_HOST: `0.0.0.0:${ollamaPort}`,
    OLLAMA_MODELS: modelsDirectory,
    // For ever: loading takes longer than answering.
    OLLAMA_KEEP_ALIVE: "-1",
    OLLAMA_MAX_LOADED_MODELS: "1",
    OLLAMA_NUM_PARALLEL: String(parallel),
    OLLAMA_NOHISTORY: "1",
    // Calls say it, too (`num_thread`): threads beyond the pod's cores take turns on them, at a fraction of the speed.
    LLAMA_ARG_THREADS: String(threads),
    GOMAXPROCS: String(threads),
  };
}

export class OllamaServer {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  /** Resolves when it has ended, by itself or because it was stopped. */
  readonly ended: Promise<void>;

  constructor(config: KeeperConfig, onLine: (line: string) => void) {
    this.#child = spawn(config.ollama, ["serve"], { env: ollamaEnvironment(config), stdio: ["ignore", "ignore", "pipe"] });
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", (error) => {
        this.#keep(error.message);
        resolve();
      });
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n").filter((each) => each !== "")) {
        this.#keep(line);
        onLine(line);
      }
    });
  }

  /** The end of its log. */
  get lastWords(): string {
    return this.#lines.slice(-3).join(" | ").slice(0, 600);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    await this.ended;
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > keptLines) this.#lines.shift();
  }
}

/** `ollama create` with a Modelfile: only the program itself reads those. @throws Error with its last words */
export async function createModel(config: KeeperConfig, modelfile: string): Promise<void> {
  const env = { ...ollamaEnvironment(config), OLLAMA_HOST: `127.0.0.1:${config.ollamaPort}` };
  const child = spawn(config.ollama, ["create", config.model, "-f", modelfile], { env, stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = `${words}${text}`.slice(-2_000);
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`ollama create ended with ${code}: ${lastLine(words)}`);
}

/** Without the control sequences that move a terminal's cursor. */
function lastLine(words: string): string {
  // oxlint-disable-next-line no-control-regex
  const plain = words.replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, "");
  return (
    plain
      .trim()
      .split(/[\r\n]+/)
      .at(-1) ?? ""
  ).slice(0, 300);
}
