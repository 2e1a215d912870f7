import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { z } from "zod";
import { CodedError } from "./coded-error.ts";
import type { ServiceKitErrorCode } from "./errors.ts";
import type { Logger } from "./logger.ts";
import type { Caller, TokenVerifier } from "./token-verifier.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls; set before any handler runs when the server has a verifier. */
    caller: Caller;
  }
}

export interface ApiServerOptions {
  readonly log: Logger;
  /** Without one every request is let in as `anonymous`: for tests and loopback tools. */
  readonly verifier?: Pick<TokenVerifier, "verify">;
  readonly maxBodyBytes?: number;
  /** Status for a package's own error codes; what is not listed is a 500. */
  readonly statusOf?: Readonly<Record<string, number>>;
  /** Codes of 5xx answers that are refusals and no faults of this service: counted by it, and not logged one by one. */
  readonly refusals?: ReadonlySet<string>;
  /** The form that callers of this API read errors in; `{code, message, details}` unless given. */
  readonly errorBody?: (status: number, error: ErrorBody) => object;
}

/** The body of every error answer. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

const kitStatus: Readonly<Partial<Record<ServiceKitErrorCode, number>>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  INVALID_BODY: 400,
  NOT_FOUND: 404,
};

const defaultMaxBodyBytes = 1_048_576;

/** A Fastify server whose callers are authenticated and whose errors are `{code, message, details}`. */
export function createApiServer(options: ApiServerOptions): FastifyInstance {
  const server = Fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes ?? defaultMaxBodyBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
  });
  server.decorateRequest("caller", { getter: () => ({ subject: "anonymous" }) });
  server.addHook("onRequest", async (request) => {
    if (!options.verifier) return;
    const caller = await options.verifier.verify(bearerToken(request));
    Object.defineProperty(request, "caller", { value: caller });
  });
  server.setErrorHandler((error: FastifyError | CodedError, request, reply) => sendError(options, error, { request, reply }));
  server.setNotFoundHandler((request, reply) => {
    const message = `no route ${request.method} ${request.url.split("?")[0]}`;
    void reply.status(404).send(bodyOf(options, 404, { code: "NOT_FOUND", message }));
  });
  return server;
}

function bearerToken(request: FastifyRequest): string {
  const header = request.headers.authorization;
  if (header?.startsWith("Bearer ")) return header.slice("Bearer ".length);
  throw new CodedError<ServiceKitErrorCode>(
    "UNAUTHENTICATED",
    "send the projected ServiceAccount token as 'Authorization: Bearer …'",
  );
}

function sendError(
  options: ApiServerOptions,
  error: FastifyError | CodedError,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): void {
  if (reply.raw.headersSent) {
    options.log.warn({ err: error, url: request.url }, "a request failed after its answer had begun");
    reply.raw.destroy();
    return;
  }
  if (error instanceof CodedError) {
    const status = options.statusOf?.[error.code] ?? kitStatus[error.code as ServiceKitErrorCode] ?? 500;
    if (status >= 500 && options.refusals?.has(error.code) !== true)
      options.log.error({ err: error, url: request.url }, "a request failed");
    const { code, message, context: details } = error;
    void reply.status(status).send(bodyOf(options, status, { code, message, details }));
    return;
  }
  const status = error.statusCode ?? 500;
  if (status < 500) {
    void reply.status(status).send(bodyOf(options, status, { code: "INVALID_BODY", message: error.message }));
    return;
  }
  options.log.error({ err: error, url: request.url }, "a request failed");
  const message = "an unexpected fault; the service's log has the cause";
  void reply.status(500).send(bodyOf(options, 500, { code: "INTERNAL", message }));
}

function bodyOf({ errorBody }: ApiServerOptions, status: number, error: ErrorBody): object {
  return errorBody ? errorBody(status, error) : error;
}

/**
 * Parses a body or query and names every fault in it.
 *
 * @throws CodedError INVALID_BODY
 */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.slice(0, 20).map((issue) => `${issue.path.join(".") || "(body)"}: ${issue.message}`);
  throw new CodedError<ServiceKitErrorCode>("INVALID_BODY", faults.join("; "), { context: { faults } });
}

/** @throws CodedError FORBIDDEN unless the caller is one of `subjects` */
export function requireCaller(request: FastifyRequest, subjects: readonly string[]): void {
  const { subject } = request.caller;
  if (subjects.includes(subject)) return;
  throw new CodedError<ServiceKitErrorCode>(
    "FORBIDDEN",
    `${subject} may not call ${request.method} ${request.routeOptions.url ?? request.url}`,
    {
      context: { subject },
    },
  );
}
