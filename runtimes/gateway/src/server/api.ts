import {
  type Clock,
  type ErrorBody,
  type Logger,
  type TokenVerifier,
  createApiServer,
  parseRequest,
} from "@bellwether/service-kit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AnswerNotes } from "../answering/answer.ts";
import type { Gateway } from "../answering/gateway.ts";
import type { RouteModel } from "../answering/route-model.ts";
import { gatewayStatus } from "../errors.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { Redactor } from "../redaction.ts";
import type { Tenants } from "../tenants/tenant.ts";
import { chatRequest } from "./chat-request.ts";
import { wireCompletion } from "./chat-wire.ts";
import { openAiError } from "./error-form.ts";
import { streamAnswer } from "./stream-answer.ts";

export interface ApiOptions {
  readonly gateway: Gateway;
  readonly models: readonly RouteModel[];
  readonly verifier: Pick<TokenVerifier, "verify">;
  readonly tenants: Tenants;
  readonly observed: GatewayMetrics;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly maxBodyBytes: number;
  readonly idleTimeoutMs: number;
}

/** The route's HTTP interface, in OpenAI's form. */
export function createGatewayApi(options: ApiOptions): FastifyInstance {
  const { log, verifier, maxBodyBytes, redactor } = options;
  const errorBody = (status: number, error: ErrorBody): object =>
    JSON.parse(redactor.redact(JSON.stringify(openAiError(status, error)))) as object;
  const server = createApiServer({ log, verifier, maxBodyBytes, statusOf: gatewayStatus, errorBody });
  server.post("/v1/chat/completions", (request, reply) => chat(options, { request, reply }));
  server.get("/v1/models", async (request) => {
    options.tenants.of(request.caller);
    return { object: "list", data: ["auto", ...options.models.map(({ name }) => name)].map(wireModel) };
  });
  return server;
}

function wireModel(id: string): object {
  return { id, object: "model", created: 0, owned_by: "bellwether" };
}

async function chat(options: ApiOptions, { request, reply }: { request: FastifyRequest; reply: FastifyReply }): Promise<unknown> {
  const { gateway, clock, newId } = options;
  const tenant = options.tenants.of(request.caller);
  const asked = parseRequest(chatRequest, request.body);
  const caller = { tenant, gone: hangUp(reply) };
  const stamp = { id: `chatcmpl-${newId()}`, createdMs: clock.nowMs() };
  if (asked.stream !== true) {
    const answer = await gateway.complete(asked, caller);
    return reply.headers(noteHeaders(answer.notes)).send(wireCompletion(answer, stamp));
  }
  const answer = await gateway.stream(asked, caller);
  reply.hijack();
  await streamAnswer(reply.raw, answer, {
    stamp,
    includeUsage: asked.stream_options?.include_usage === true,
    headers: noteHeaders(answer.notes),
    clock,
    stalledAfterMs: options.idleTimeoutMs,
    log: options.log,
  });
  return reply;
}

/** Aborts when the connection closes before the answer has been sent. */
function hangUp(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the caller hung up"));
  });
  return controller.signal;
}

function noteHeaders({ model, cache, queueMs, failedAttempts }: AnswerNotes): Record<string, string> {
  return {
    "x-bellwether-model": model,
    "x-bellwether-cache": cache,
    "x-bellwether-queue-ms": String(Math.round(queueMs)),
    ...(failedAttempts > 0 && { "x-bellwether-failed-attempts": String(failedAttempts) }),
  };
}
