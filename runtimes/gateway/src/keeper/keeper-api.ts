import { type Logger, type TokenVerifier, createApiServer, requireCaller } from "@bellwether/service-kit";
import type { FastifyInstance } from "fastify";
import type { KeeperStatus } from "../config.ts";

export interface KeeperApiOptions {
  readonly verifier: Pick<TokenVerifier, "verify">;
  readonly statusReaders: readonly string[];
  readonly status: () => KeeperStatus;
  readonly log: Logger;
}

/** All that a keeper tells, and the operator is the only one it tells. */
export function createKeeperApi({ verifier, statusReaders, status, log }: KeeperApiOptions): FastifyInstance {
  const server = createApiServer({ log, verifier });
  server.get("/v1/status", async (request) => {
    requireCaller(request, statusReaders);
    return status();
  });
  return server;
}
