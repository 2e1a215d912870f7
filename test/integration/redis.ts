import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./order-path/postgres.ts";

/** Redis, or Valkey, whichever this machine has. */
const binary = ["valkey-server", "redis-server"].find((name) => spawnSync(name, ["--version"]).status === 0);

/** Why tests with a real Redis cannot run here, or undefined when they can. */
export function redisMissing(): string | undefined {
  return binary === undefined ? "no Redis: install Debian's redis-server or valkey-server" : undefined;
}

/** A Redis of the test's own on a port of loopback, that keeps nothing. */
export class TestRedis {
  readonly url: string;
  readonly #port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), "bellwether-redis-"));
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  static async start(): Promise<TestRedis> {
    const redis = new TestRedis(await freePort());
    await redis.start();
    return redis;
  }

  /** Starts it again after `kill`, empty, on the same port. */
  async start(): Promise<void> {
    if (binary === undefined) throw new Error(redisMissing());
    const settings = ["--port", String(this.#port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const child = spawn(binary, settings, { cwd: this.#directory, stdio: ["ignore", "pipe", "ignore"] });
    this.#process = child;
    for await (const text of child.stdout.setEncoding("utf8") as AsyncIterable<string>)
      if (text.includes("Ready to accept connections")) return;
    throw new Error("Redis has ended before it was ready");
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
