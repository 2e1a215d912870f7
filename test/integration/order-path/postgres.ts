import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";

/** A Postgres of the test's own: own data directory, own port on loopback, durable settings as in production. */
export interface TestPostgres {
  readonly riskDsn: string;
  readonly brokerDsn: string;
  readonly gatewayDsn: string;
  readonly superuserDsn: string;
  /** Starts it again after `stop` or `kill`, on the same port and data. */
  start(): void;
  stop(): void;
  /** As a power cut: SIGQUIT to the postmaster, which ends every backend without a checkpoint; recovery runs at the next start. */
  kill(): void;
  /** Empties the database: all schemas are dropped. */
  reset(): Promise<void>;
  /** Stops it and removes the data. */
  remove(): void;
}

/** Where Debian's packages put the server; undefined when there is none and none can be installed. */
export function postgresBinaries(): string | undefined {
  const found = newestInstalled();
  if (found || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return found;
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "postgresql"], {
    stdio: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return newestInstalled();
}

/** Why tests with a real Postgres cannot run here, or undefined when they can. */
export function postgresMissing(): string | undefined {
  return postgresBinaries() === undefined ? "no Postgres server: install Debian's postgresql package" : undefined;
}

function newestInstalled(): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).filter((version) => existsSync(join(root, version, "bin/initdb")));
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(root, newest, "bin");
}

interface DataDirectory {
  /** To be removed with everything in it. */
  readonly directory: string;
  readonly data: string;
  /** Runs one of Postgres' programs. @throws with what it wrote */
  readonly run: (command: string, args: readonly string[]) => void;
}

/** Where an initialised data directory is, if somebody has made one for all tests of a run (test/integration/prepare.ts). */
export const dataTemplateVariable = "BELLWETHER_TEST_POSTGRES_DATA";

/** An initialised data directory of its own: a copy of the run's, or a new one. @throws when there is no Postgres */
export function makeDataDirectory(): DataDirectory {
  const binaries = postgresBinaries();
  if (!binaries) throw new Error(postgresMissing());
  const directory = mkdtempSync(join(tmpdir(), "bellwether-pg-"));
  const asRoot = process.getuid?.() === 0;
  if (asRoot) execFileSync("chown", ["postgres:postgres", directory]);
  const data = join(directory, "data");
  // Postgres refuses to run as root.
  const run = (command: string, args: readonly string[]): void => {
    const [file, list] = asRoot
      ? ["runuser", ["-u", "postgres", "--", join(binaries, command), ...args]]
      : [join(binaries, command), args];
    const result = spawnSync(file, list, { stdio: ["ignore", "ignore", "pipe"], cwd: directory, encoding: "utf8" });
    if (result.status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${result.stderr}`);
  };
  const template = process.env[dataTemplateVariable];
  if (template === undefined)
    run("initdb", ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]);
  else execFileSync("cp", ["-a", template, data]);
  return { directory, data, run };
}

export async function startPostgres(): Promise<TestPostgres> {
  const { directory, data, run } = makeDataDirectory();
  const port = await freePort();
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory} -c fsync=on -c synchronous_commit=on -c shared_buffers=32MB -c max_connections=60`;
  const start = (): void => run("pg_ctl", ["-D", data, "-w", "-t", "30", "-l", join(directory, "log"), "-o", settings, "start"]);
  const halt = (mode: "fast" | "immediate"): void => {
    if (!existsSync(join(data, "postmaster.pid"))) return;
    run("pg_ctl", ["-D", data, "-w", "-t", "30", "-m", mode, "stop"]);
  };
  start();
  const dsn = (user: string, database = "bellwether"): string => `postgres://${user}@127.0.0.1:${port}/${database}`;
  await withClient(dsn("postgres", "postgres"), async (client) => {
    await client.query("create role bellwether_risk login");
    await client.query("create role bellwether_broker login");
    await client.query("create role bellwether_gateway login");
    await client.query("create database bellwether");
  });
  const reset = (): Promise<void> => withClient(dsn("postgres"), createSchemas);
  await reset();
  return {
    riskDsn: dsn("bellwether_risk"),
    brokerDsn: dsn("bellwether_broker"),
    gatewayDsn: dsn("bellwether_gateway"),
    superuserDsn: dsn("postgres"),
    start,
    stop: () => halt("fast"),
    kill: () => halt("immediate"),
    reset,
    remove: () => {
      halt("immediate");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What the chart's init script does: a role and a schema for each service, nothing else in common. */
async function createSchemas(client: Client): Promise<void> {
  for (const name of ["risk", "broker", "gateway"]) {
    await client.query(`drop schema if exists ${name} cascade`);
    await client.query(`create schema ${name} authorization bellwether_${name}`);
  }
}

export async function withClient(connectionString: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Rows of a query as text values, for assertions. */
export async function rowsOf(
  connectionString: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  let rows: Record<string, unknown>[] = [];
  await withClient(
    connectionString,
    async (client) => void (rows = (await client.query(sql, [...values])).rows as Record<string, unknown>[]),
  );
  return rows;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
