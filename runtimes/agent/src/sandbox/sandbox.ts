import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Cancel, Clock } from "@bellwether/service-kit/clock";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { Logger } from "@bellwether/service-kit/logger";
import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import { TradingError, type TradingErrorCode, tradingErrorCodes } from "@bellwether/trading/trading-error";
import { AgentError, type AgentErrorCode, agentErrors } from "../errors.ts";
import { type AnswerMessage, type CallMessage, beatEveryMs, isChildMessage } from "./protocol.ts";
import { parseWish, serveWish } from "./serve-models.ts";
import { TimeLimit } from "./time-limit.ts";
import { type ChildEntry, childEntry, nodeArguments } from "./node-arguments.ts";

export interface SandboxOptions {
  /** Wall time one callback of the program may take. */
  readonly callTimeoutMs: number;
  /** V8 heap; what lies outside it (array buffers) is held to the same figure by watching the process. */
  readonly memoryMiB: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly entry?: ChildEntry;
  /** What answers the program's questions to models. Default: nothing. */
  readonly models?: ModelPort | undefined;
}

interface Pending {
  readonly id: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Wishes under way at once; a program that has more runs in circles. */
const mostWishes = 64;
const startTimeoutMs = 30_000;
const memoryCheckMs = 50;
/** Code, stacks and V8's young generation, on top of the program's own limit. */
const memorySlackBytes = 48 * 1024 * 1024;
const longestOutputLine = 1000;
const mostOutputLines = 1000;
const pageBytes = 4096;

/**
 * The process a source program runs in. It has no environment, no way to files, processes, threads or the network, and
 * dies when a call takes too long or it grows too large; the agent around it lives on to say why.
 */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #child: ChildProcess;
  #pending: Pending | undefined;
  #lastId = 0;
  #failure: AgentError | undefined;
  #baselineRssBytes = 0;
  #stopWatching: Cancel = () => undefined;
  /** Of the call under way: the program's own time, not what the host takes to answer it. */
  #limit: TimeLimit | undefined;
  #lastErrorLine = "";
  #wishes = 0;
  readonly #exited: Promise<void>;

  private constructor(options: SandboxOptions) {
    this.#options = options;
    const command = [...nodeArguments(options.entry ?? childEntry(), options.memoryMiB)];
    const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
    this.#child = spawn(process.execPath, command, { env: {}, stdio: [...stdio], serialization: "advanced" });
    this.#exited = new Promise((resolve) => this.#child.once("close", () => resolve()));
    this.#child.on("message", (message) => this.#onMessage(message));
    this.#child.on("error", (error) => this.#fail("PROGRAM_EXITED", `the program's process cannot be started: ${error.message}`));
    this.#child.once("close", (code, signal) => this.#onExit(code, signal));
    this.#readLines(this.#child.stdout, (line) => options.log.info({ program: true }, line));
    this.#readLines(this.#child.stderr, (line) => {
      if (/heap out of memory|Allocation failed/.test(line)) this.#fail("PROGRAM_OUT_OF_MEMORY", this.#memoryMessage());
      if (this.#lastErrorLine === "") this.#lastErrorLine = line;
    });
  }

  /** @throws AgentError PROGRAM_EXITED, PROGRAM_TIMEOUT when the process does not come up */
  static async start(options: SandboxOptions): Promise<Sandbox> {
    const sandbox = new Sandbox(options);
    const ready = sandbox.#expect(0, startTimeoutMs, "start");
    sandbox.#baselineRssBytes = Number(await ready);
    sandbox.#watchMemory();
    return sandbox;
  }

  /** Process id, for measurements. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Calls a method of the child. One at a time.
   *
   * @param what names the call in messages, e.g. `onBar`
   * @throws AgentError with one of the program's faults
   */
  call(method: string, payload: unknown, what: string): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    const reply = this.#expect(id, this.#options.callTimeoutMs, what);
    const message: CallMessage = { type: "call", id, method, payload };
    // A channel that is gone shows as the process' exit.
    this.#child.send(message, () => undefined);
    return reply;
  }

  async close(): Promise<void> {
    this.#fail("PROGRAM_EXITED", "the program was stopped");
    await this.#exited;
  }

  #expect(id: number, timeoutMs: number, what: string): Promise<unknown> {
    if (this.#pending) throw new TypeError(`call ${what} began before call ${this.#pending.id} ended`);
    return new Promise((resolve, reject) => {
      this.#pending = { id, resolve, reject };
      // A beat may be as old as the next one is due.
      const limit = { clock: this.#options.clock, limitMs: timeoutMs + beatEveryMs };
      const onOver = (): void => this.#fail("PROGRAM_TIMEOUT", `${what} did not return within ${timeoutMs} ms`);
      this.#limit = new TimeLimit({ ...limit, onOver });
      if (this.#wishes === 0) this.#limit.resume();
    });
  }

  #onMessage(message: unknown): void {
    if (!isChildMessage(message)) return this.#fail("PROGRAM_MISBEHAVED", "the program's process sent something unexpected");
    switch (message.type) {
      case "ready":
        return this.#settle(0, (pending) => pending.resolve(message.rssBytes));
      case "reply":
        return this.#settle(message.id, (pending) => pending.resolve(message.value));
      case "fault":
        return this.#settle(message.id, (pending) => pending.reject(faultOf(message)));
      case "beat":
        return this.#limit?.renew();
      case "wish":
        return this.#onWish(message.id, message.json);
      case "failed":
        return this.#fail("PROGRAM_THREW", message.message);
    }
  }

  #onWish(id: number, json: string): void {
    const wish = parseWish(json);
    if (!wish) return this.#fail("PROGRAM_MISBEHAVED", "the program asked the models something that is no question");
    if (this.#wishes >= mostWishes) return this.#fail("PROGRAM_MISBEHAVED", `the program asks ${mostWishes} questions at once`);
    this.#wishes++;
    this.#limit?.pause();
    serveWish(this.#options.models ?? noModels, wish).then(
      (value) => {
        this.#wishes--;
        if (this.#pending && this.#wishes === 0) this.#limit?.resume();
        const answer: AnswerMessage = { type: "answer", id, value };
        this.#child.send(answer, () => undefined);
      },
      // Recorded answers that lack one end the run: the program is not to make something of it.
      (error: unknown) => this.#end(error instanceof AgentError ? error : new AgentError("MODEL_SILENT", messageOf(error))),
    );
  }

  #settle(id: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending;
    if (pending?.id !== id) return this.#fail("PROGRAM_MISBEHAVED", "the program's process answered a call nobody made");
    this.#pending = undefined;
    this.#limit?.pause();
    settle(pending);
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    // V8 ends a process whose heap is full with SIGABRT; a container's memory limit does it with SIGKILL.
    if (signal === "SIGABRT" || signal === "SIGKILL") return this.#fail("PROGRAM_OUT_OF_MEMORY", this.#memoryMessage());
    const why = this.#lastErrorLine === "" ? "" : `: ${this.#lastErrorLine}`;
    this.#fail("PROGRAM_EXITED", `the program's process ended with ${signal ?? `code ${code}`}${why}`);
  }

  /** The first failure counts: what follows (a kill, a broken channel) is its consequence. */
  #fail(code: AgentErrorCode, message: string): void {
    this.#end(new AgentError(code, message));
  }

  #end(failure: AgentError): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#limit?.pause();
    this.#stopWatching();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(this.#failure);
    this.#child.kill("SIGKILL");
  }

  #memoryMessage(): string {
    return `the program needs more than ${this.#options.memoryMiB} MiB of memory`;
  }

  /** V8's limit does not count array buffers; without /proc (not Linux) it is the only one. */
  #watchMemory(): void {
    const limitBytes = this.#baselineRssBytes + this.#options.memoryMiB * 1024 * 1024 + memorySlackBytes;
    const check = async (): Promise<void> => {
      const fields = await readFile(`/proc/${this.#child.pid}/statm`, "utf8").catch(() => "");
      if (this.#failure) return;
      const rssBytes = Number(fields.split(" ")[1] ?? 0) * pageBytes;
      if (rssBytes > limitBytes) return this.#fail("PROGRAM_OUT_OF_MEMORY", this.#memoryMessage());
      schedule();
    };
    const schedule = (): void => {
      this.#stopWatching = this.#options.clock.setTimeout(() => void check(), memoryCheckMs);
    };
    schedule();
  }

  /** What the program prints goes to the log, up to a bound; what is beyond is read and dropped, or the pipe would block it. */
  #readLines(stream: Readable | null, take: (line: string) => void): void {
    if (!stream) return;
    let lines = 0;
    createInterface({ input: stream }).on("line", (line) => {
      lines++;
      if (lines < mostOutputLines) take(line.slice(0, longestOutputLine));
      else if (lines === mostOutputLines) take("further output of the program is dropped");
    });
  }
}

/** The engine over there tells of its own faults (a dataset, an option); everything else is the program's. */
function faultOf({ code, message }: { code: string; message: string }): Error {
  if (code in tradingErrorCodes) return new TradingError(code as TradingErrorCode, message);
  return new AgentError(code in agentErrors ? (code as AgentErrorCode) : "PROGRAM_THREW", message);
}
