import { type createApiServer, parseRequest, requireCaller } from "@bellwether/service-kit";
import { adoptRequest, haltRequest, ordersQuery, resetBreakerRequest, resumeRequest } from "@bellwether/trading";
import { z } from "zod";
import type { RiskService } from "../service.ts";

type Server = ReturnType<typeof createApiServer>;

export interface ControlRoutesOptions {
  readonly service: RiskService;
  /** Subjects that may: those of the configuration and the operator. */
  readonly controllers: readonly string[];
}

const intentParameter = z.object({ id: z.string().min(1).max(400) });

/** What people do to the policy and ask of it. Each write is recorded with who and why. */
export function addControlRoutes(server: Server, { service, controllers }: ControlRoutesOptions): void {
  server.post("/v1/control/halt", async (request) => {
    requireCaller(request, controllers);
    const { who, reason, state } = parseRequest(haltRequest, request.body);
    return service.desk.halt({ who, reason }, state);
  });
  server.post("/v1/control/resume", async (request) => {
    requireCaller(request, controllers);
    return service.desk.resume(parseRequest(resumeRequest, request.body));
  });
  server.post("/v1/control/reset-breaker", async (request) => {
    requireCaller(request, controllers);
    const { who, reason, type, account, strategy } = parseRequest(resetBreakerRequest, request.body);
    return service.desk.resetBreaker({ who, reason }, type, { account, strategy });
  });
  server.post("/v1/control/adopt", async (request) => {
    requireCaller(request, controllers);
    const { who, reason, account, seen } = parseRequest(adoptRequest, request.body);
    return service.adopt(account, { who, reason }, seen);
  });
  server.get("/v1/orders", async (request) => {
    requireCaller(request, controllers);
    return service.orders(parseRequest(ordersQuery, request.query));
  });
  server.get("/v1/intents/:id", async (request) => {
    requireCaller(request, controllers);
    return service.intent(parseRequest(intentParameter, request.params).id);
  });
}
