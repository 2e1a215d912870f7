import type { FastifyInstance } from "fastify";
import {
  type Dependency,
  type Logger,
  type TokenVerifier,
  createApiServer,
  messageOf,
  requireCaller,
} from "@bellwether/service-kit";
import { nodeCpusOf } from "./node-cpus.ts";
import type { PodResources } from "./pod-resources.ts";

export interface ApiOptions {
  readonly node: string;
  readonly operatorSubject: string;
  readonly podResources: Pick<PodResources, "assignments" | "exclusivePool">;
  readonly verifier: TokenVerifier;
  readonly kubelet: Dependency;
  readonly log: Logger;
}

/** `GET /v1/cpus`, for the operator alone. Every call asks the kubelet anew: the answer is what holds now. */
export function createApi(options: ApiOptions): FastifyInstance {
  const { node, operatorSubject, podResources, verifier, kubelet, log } = options;
  const server = createApiServer({ log, verifier, statusOf: { KUBELET_UNREACHABLE: 503, KUBELET_REPLY_INVALID: 502 } });
  server.get("/v1/cpus", async (request) => {
    requireCaller(request, [operatorSubject]);
    try {
      const [pool, assignments] = await Promise.all([podResources.exclusivePool(), podResources.assignments()]);
      kubelet.up();
      return nodeCpusOf(node, pool, assignments);
    } catch (error) {
      kubelet.down(messageOf(error));
      throw error;
    }
  });
  return server;
}
