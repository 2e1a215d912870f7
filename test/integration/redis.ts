import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { RestartableProcess } from "../suites/restartable-process.ts";
import { freePort } from "./order-path/postgres.ts";

/** A Redis of the test's own: own port on loopback, nothing on disk. */
export interface TestRedis {
  readonly url: string;
  /** Starts it again after `stop`, empty, on the same port. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops it and removes its directory. */
  remove(): Promise<void>;
}

const binaries = ["/usr/bin/redis-server", "/usr/bin/valkey-server", "/usr/local/bin/redis-server"];

/** Where Debian's packages put the server; undefined when there is none and none can be installed. */
function redisBinary(): string | undefined {
  const found = binaries.find((file) => existsSync(file));
  if (found || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return found;
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], {
    stdio: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return binaries.find((file) => existsSync(file));
}

/** Why tests with a real Redis cannot run here, or undefined when they can. */
export function redisMissing(): string | undefined {
  return redisBinary() === undefined ? "no Redis server: install Debian's redis-server package" : undefined;
}

export async function startRedis(): Promise<TestRedis> {
  const binary = redisBinary();
  if (binary === undefined) throw new Error(redisMissing());
  const directory = mkdtempSync(path.join(tmpdir(), "bellwether-redis-"));
  const port = await freePort();
  const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory];
  const server = new RestartableProcess(
    () => spawn(binary, options, { stdio: "ignore" }),
    () => accepts(port),
  );
  await server.start();
  return {
    url: `redis://127.0.0.1:${port}`,
    start: () => server.start(),
    stop: () => server.stop(),
    remove: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
