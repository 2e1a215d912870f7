import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Check } from "./check.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

export interface HealthOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host?: string;
  readonly metrics: Metrics;
  /** A failed one has the kubelet restart the process: only what a restart can mend belongs here. */
  live(): readonly Check[];
  /** A failed one takes the pod out of its Service. */
  ready(): readonly Check[];
  /**
   * What /health/detailed shows besides: dependencies whose absence the service answers for itself (an API that says JOURNAL_UNAVAILABLE must
   * stay in its Service to be heard).
   */
  dependencies?(): readonly Check[];
  readonly log: Logger;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves /livez, /readyz, /health/detailed and /metrics; bare node:http, because probes come every few seconds to every pod. */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log.error({ err: error }, "a health request failed");
      response.destroy();
    });
  });
  server.keepAliveTimeout = 15_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host ?? "0.0.0.0", resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: () => closeServer(server) };
}

async function answer(options: HealthOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  switch (path) {
    case "/livez":
      return sendChecks(response, options.live());
    case "/readyz":
      return sendChecks(response, options.ready());
    case "/health/detailed":
      return sendDetails(response, options);
    case "/metrics":
      response.writeHead(200, { "content-type": options.metrics.registry.contentType });
      response.end(await options.metrics.registry.metrics());
      return;
    default:
      response.writeHead(404, { "content-type": "text/plain" });
      response.end("not found: /livez, /readyz, /health/detailed and /metrics are served here\n");
  }
}

function sendChecks(response: ServerResponse, checks: readonly Check[]): void {
  const failed = checks.filter((check) => !check.ok);
  response.writeHead(failed.length === 0 ? 200 : 503, { "content-type": "text/plain" });
  response.end(failed.length === 0 ? "ok\n" : failed.map((check) => `${check.name}: ${check.message}\n`).join(""));
}

function sendDetails(response: ServerResponse, options: HealthOptions): void {
  const live = options.live();
  const ready = options.ready();
  const dependencies = options.dependencies?.() ?? [];
  const ok = [...live, ...ready, ...dependencies].every((check) => check.ok);
  const shown = (check: Check): object => ({ ...check, sinceMs: undefined, since: new Date(check.sinceMs).toISOString() });
  response.writeHead(ok ? 200 : 503, { "content-type": "application/json" });
  response.end(
    `${JSON.stringify({ ok, live: live.map(shown), ready: ready.map(shown), dependencies: dependencies.map(shown) })}\n`,
  );
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
