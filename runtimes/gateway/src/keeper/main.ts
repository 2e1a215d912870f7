import process from "node:process";
import {
  type Lifetime,
  Metrics,
  TokenVerifier,
  createLogger,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { keeperConfig } from "../config.ts";
import { createKeeperApi } from "./keeper-api.ts";
import { Keeper } from "./keeper.ts";
import { RealOllama } from "./local-ollama.ts";
import { OllamaServer } from "./ollama-server.ts";
import { readProcesses, runnerIn } from "./runner.ts";

/*
 * The first process of an Ollama pod: starts Ollama, brings its one model, keeps it loaded, and tells the operator with how many threads it computes on which
 * cores. Ends when Ollama ends.
 */
const config = loadConfig(keeperConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "ollama-keeper", level: config.logLevel });
const clock = systemClock;

runService(main, { log, graceMs: 20_000 });

async function main(lifetime: Lifetime): Promise<void> {
  const server = new OllamaServer(config, (line) => log.debug({ line }, "ollama"));
  lifetime.onShutdown(() => server.stop());
  void server.ended.then(() => {
    if (lifetime.signal.aborted) return;
    log.fatal({ lastWords: server.lastWords }, "Ollama has ended");
    process.exit(1);
  });
  const ollama = new RealOllama(config, (input, init) => globalThis.fetch(input, init));
  const runner = () => runnerIn(readProcesses());
  const keeper = new Keeper({ ollama, runner, lookMs: config.lookMs, clock, log });
  const metrics = new Metrics().collectProcess();
  const checks = { live: () => [keeper.live()], ready: () => [keeper.ready()] };
  const health = await startHealthServer({ port: config.healthPort, metrics, log, ...checks });
  lifetime.onShutdown(() => health.close());
  const { issuer, audience, jwksFile, statusReaders } = config;
  const verifier = new TokenVerifier({ issuer, audience, jwksFile, clock });
  const api = createKeeperApi({ verifier, statusReaders, status: () => keeper.status(), log });
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(() => api.close());
  const keeping = keeper.run(lifetime.signal);
  lifetime.onShutdown(() => keeping);
}
