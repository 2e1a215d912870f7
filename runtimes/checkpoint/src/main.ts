import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type Lifetime,
  Metrics,
  createLogger,
  loadConfig,
  messageOf,
  runService,
  startHealthServer,
  systemClock,
  systemRandom,
} from "@bellwether/service-kit";
import { commands, isCommandName, usage } from "./commands/index.ts";
import { type Finished, runCommand, shortened } from "./commands/run-command.ts";
import { checkpointConfig } from "./config.ts";
import { openCopies } from "./copies/open-copy.ts";
import { Envelope } from "./format/envelope.ts";
import { KeyRing, parseKey } from "./format/key-ring.ts";
import { CheckpointMetrics } from "./metrics.ts";
import { openSources } from "./open-sources.ts";

/*
 * BELLWETHER_CONFIG=/etc/bellwether/config.json node main.ts COMMAND [--all] [--snapshot ID] [--request ID]
 *
 * The result is one line of JSON on standard output, logs go to standard error. Exit code 0: it says `"ok":true`; 1: it does not; 2: wrong usage.
 */
const { positionals, values } = parseUsage();
const [name = ""] = positionals;
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
if (!isCommandName(name) || positionals.length !== 1)
  refuse(name === "" ? "which command?" : `no command '${positionals.join(" ")}'`);

const config = loadConfig(checkpointConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "checkpoint", level: config.logLevel, destination: process.stderr });
const clock = systemClock;
const fetch: typeof globalThis.fetch = (input, init) => globalThis.fetch(input, init);
/** A container's termination message is cut at 4 KiB. */
const terminationBytes = 4_096;

runService(main, { log, graceMs: 25_000 });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const figures = new CheckpointMetrics(metrics, config.checkpoint);
  const health = await startHealthServer({ port: config.healthPort, metrics, live: () => [], ready: () => [], log });
  lifetime.onShutdown(() => health.close());
  const copies = openCopies(config, { fetch, clock, random: systemRandom, log });
  lifetime.onShutdown(async () => {
    for (const copy of copies) await copy.close();
  });
  const context = {
    config,
    copies,
    sources: openSources(config, { fetch }),
    envelope: new Envelope(openKeys()),
    clock,
    log,
    run: randomUUID(),
    onProgress: figures.progress.bind(figures),
    onLag: figures.lag.bind(figures),
    signal: lifetime.signal,
  };
  const options = { all: values.all, snapshot: values.snapshot, request: values.request };
  const working = runCommand({ name, command: commands[name as keyof typeof commands] }, context, options).then(tell);
  // Asked to stop, a job lets go of what it holds first; one that did not get to its end must not look as if it had.
  lifetime.onShutdown(async () => {
    if (!(await working).ok) throw new Error("the job has failed");
  });
  const { ok } = await working;
  lifetime.stop(ok ? 0 : 1);
}

async function tell(finished: Finished): Promise<Finished> {
  if (config.terminationFile !== undefined) writeFileSync(config.terminationFile, shortened(finished, terminationBytes));
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(finished)}\n`, resolve));
  return finished;
}

function openKeys(): KeyRing {
  const { encryption } = config;
  if (!encryption) return new KeyRing({ current: undefined });
  const read = (file: string): Buffer => parseKey(readFileSync(file, "utf8"), file);
  const { keyFile, previousKeyFiles, acceptUnencrypted } = encryption;
  return new KeyRing({ current: read(keyFile), previous: previousKeyFiles.map(read), acceptUnencrypted });
}

function parseUsage() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h", default: false },
        all: { type: "boolean", default: false },
        snapshot: { type: "string" },
        request: { type: "string" },
      },
    });
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}
