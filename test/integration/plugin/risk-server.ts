import { TokenVerifier, createApiServer, parseRequest, requireCaller, silentLogger, systemClock } from "@bellwether/service-kit";
import { adoptRequest, haltRequest, ordersQuery, resetBreakerRequest, resumeRequest } from "@bellwether/trading";
import type { FakeRisk } from "kubectl-bellwether/testing/fake-world";

export const cliSubject = "system:serviceaccount:bellwether:bellwether-cli";

/** Risk's control API over HTTP, with the plugin's own fake behind it, and callers judged as risk judges them. */
export function riskServer(risk: FakeRisk, { jwksFile, issuer }: { jwksFile: string; issuer: string }) {
  const verifier = new TokenVerifier({ audience: "risk.bellwether.dev", issuer, jwksFile, clock: systemClock });
  const server = createApiServer({ log: silentLogger, verifier });
  server.addHook("preHandler", async (request) => requireCaller(request, [cliSubject]));
  server.get("/v1/portfolio", () => risk.portfolio());
  server.post("/v1/control/halt", (request) => risk.halt(parseRequest(haltRequest, request.body)));
  server.post("/v1/control/resume", (request) => risk.resume(parseRequest(resumeRequest, request.body)));
  server.post("/v1/control/reset-breaker", (request) => risk.resetBreaker(parseRequest(resetBreakerRequest, request.body)));
  server.post("/v1/control/adopt", (request) => risk.adopt(parseRequest(adoptRequest, request.body)));
  server.get("/v1/orders", (request) => {
    const { strategy, limit, state } = parseRequest(ordersQuery, request.query);
    return risk.orders({ strategy, limit, openOnly: state === "open" });
  });
  server.get("/v1/intents/:id", async (request, reply) => {
    const { id } = request.params as { id: string };
    const found = risk.intents.get(id);
    return found ?? reply.status(404).send({ code: "INTENT_UNKNOWN", message: `no intent ${id}` });
  });
  return server;
}
