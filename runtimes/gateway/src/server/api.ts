import {
  type Clock,
  CodedError,
  type ErrorBody,
  type Logger,
  type TokenVerifier,
  createApiServer,
  hasCode,
  parseRequest,
  requireCaller,
} from "@bellwether/service-kit";
import { formatDecimal } from "@bellwether/trading/decimal";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { AnswerNotes, WholeAnswer } from "../answering/answer.ts";
import type { EmbeddingBatches } from "../answering/embedding-batches.ts";
import type { Caller, Gateway } from "../answering/gateway.ts";
import type { RouteModel } from "../answering/route-model.ts";
import type { GatewayErrorCode } from "../errors.ts";
import { gatewayStatus } from "../errors.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { Redactor } from "../redaction.ts";
import { ANY_MODEL } from "../routing/choose-models.ts";
import { type Tavily, searchRequest } from "../search/tavily.ts";
import type { Thoughts } from "../store/thoughts.ts";
import type { Tenants } from "../tenants/tenant.ts";
import { type ChatRequest, chatRequest, embeddingsRequest } from "./chat-request.ts";
import { type Stamp, wireCompletion } from "./chat-wire.ts";
import { wireEmbeddings } from "./embeddings-wire.ts";
import { openAiError } from "./error-form.ts";
import { chatOf, responsesRequest, wireResponse } from "./responses-wire.ts";
import type { RateLimit } from "./rate-limit.ts";
import { streamAnswer } from "./stream-answer.ts";

export interface ApiOptions {
  readonly gateway: Gateway;
  readonly embeddings: EmbeddingBatches;
  readonly models: readonly RouteModel[];
  readonly thoughts: Thoughts;
  /** Undefined: the route has none. */
  readonly search: Tavily | undefined;
  readonly limits: { readonly requests: RateLimit | undefined; readonly tokens: RateLimit | undefined };
  readonly status: () => object;
  readonly statusReaders: readonly string[];
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

interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** What a model, a budget or a queue says no to happens as often as it is asked; the metrics count it. */
const refusals: ReadonlySet<string> = new Set(Object.keys(gatewayStatus));
/** For the operator alone; everything else is for tenants. */
const statusRoute = "/v1/status";
const longestThought = 256 * 1024;
const thoughtPath = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9._:-]{1,200}$/, "must be letters, digits, . _ : or -") });
const thoughtBody = z.strictObject({ content: z.unknown() });

/** The route's HTTP interface, in OpenAI's form. */
export function createGatewayApi(options: ApiOptions): FastifyInstance {
  const { log, verifier, maxBodyBytes, redactor } = options;
  const errorBody = (status: number, error: ErrorBody): object =>
    JSON.parse(redactor.redact(JSON.stringify(openAiError(status, error)))) as object;
  const server = createApiServer({ log, verifier, maxBodyBytes, statusOf: gatewayStatus, errorBody, refusals });
  // Before the body is read: strangers are told that they are, and nothing else.
  server.addHook("onRequest", async ({ routeOptions, caller }) => {
    if (routeOptions.url !== statusRoute) options.tenants.of(caller);
  });
  server.addHook("onError", async (_request, reply, error) => {
    const waitMs = hasCode(error) ? error.context["retryAfterMs"] : undefined;
    if (typeof waitMs === "number") reply.header("retry-after", String(Math.max(1, Math.ceil(waitMs / 1_000))));
  });
  server.post("/v1/chat/completions", (request, reply) => observed(options, "chat", () => chat(options, { request, reply })));
  server.post("/v1/responses", (request, reply) => observed(options, "chat", () => responses(options, { request, reply })));
  server.post("/v1/embeddings", (request, reply) =>
    observed(options, "embeddings", () => embeddings(options, { request, reply })),
  );
  server.post("/v1/search", (request, reply) => observed(options, "search", () => search(options, { request, reply })));
  addThoughtRoutes(server, options);
  server.get("/v1/models", async () => ({
    object: "list",
    data: [ANY_MODEL, ...options.models.map(({ name }) => name)].map(wireModel),
  }));
  server.get("/v1/status", async (request) => {
    requireCaller(request, options.statusReaders);
    return options.status();
  });
  return server;
}

function addThoughtRoutes(server: FastifyInstance, { thoughts, tenants }: ApiOptions): void {
  server.put("/v1/thoughts/:id", { bodyLimit: longestThought }, async (request) => {
    const { name } = tenants.of(request.caller);
    const { id } = parseRequest(thoughtPath, request.params);
    const { content } = parseRequest(thoughtBody, request.body);
    return { id, ...(await thoughts.write(name, id, JSON.stringify(content ?? null))) };
  });
  server.get("/v1/thoughts/:id", async (request) => {
    const { name } = tenants.of(request.caller);
    const { id } = parseRequest(thoughtPath, request.params);
    return { id, content: JSON.parse(await thoughts.read(name, id)) as unknown };
  });
}

function wireModel(id: string): object {
  return { id, object: "model", created: 0, owned_by: "bellwether" };
}

/** What a request came to: where its answer came from. */
interface Outcome {
  readonly strategy: string;
  readonly outcome: string;
  readonly answer: unknown;
}

async function observed(options: ApiOptions, operation: string, work: () => Promise<Outcome>): Promise<unknown> {
  const { clock, observed: metrics } = options;
  const startedMs = clock.nowMs();
  const seconds = (): number => (clock.nowMs() - startedMs) / 1_000;
  try {
    const { strategy, outcome, answer } = await work();
    metrics.answered({ strategy, outcome, operation, seconds: seconds() });
    return answer;
  } catch (error) {
    metrics.answered({ strategy: "", outcome: hasCode(error) ? error.code : "INTERNAL", operation, seconds: seconds() });
    throw error;
  }
}

function admitted({ tenants, limits }: ApiOptions, { request, reply }: Call): Caller {
  const tenant = tenants.of(request.caller);
  limits.requests?.admit(1);
  limits.tokens?.admit(0);
  limits.requests?.take(1);
  return { tenant, gone: hangUp(reply) };
}

async function chat(options: ApiOptions, call: Call): Promise<Outcome> {
  const { gateway, clock, newId } = options;
  const asked = parseRequest(chatRequest, call.request.body);
  const caller = admitted(options, call);
  const strategy = caller.tenant.name;
  const stamp: Stamp = { id: `chatcmpl-${newId()}`, createdMs: clock.nowMs() };
  if (asked.stream !== true) return whole(options, { call, caller, asked, wire: (answer) => wireCompletion(answer, stamp) });
  const answer = await gateway.stream(asked, caller);
  options.observed.firstPiece((clock.nowMs() - stamp.createdMs) / 1_000);
  call.reply.hijack();
  await streamAnswer(call.reply.raw, answer, {
    stamp,
    includeUsage: asked.stream_options?.include_usage === true,
    headers: noteHeaders(answer.notes),
    clock,
    stalledAfterMs: options.idleTimeoutMs,
    log: options.log,
  });
  return { strategy, outcome: answer.notes.cache, answer: call.reply };
}

async function responses(options: ApiOptions, call: Call): Promise<Outcome> {
  const asked = chatOf(parseRequest(responsesRequest, call.request.body));
  const caller = admitted(options, call);
  const stamp: Stamp = { id: `resp_${options.newId()}`, createdMs: options.clock.nowMs() };
  return whole(options, { call, caller, asked, wire: (answer) => wireResponse(answer, stamp) });
}

interface WholeCall {
  readonly call: Call;
  readonly caller: Caller;
  readonly asked: ChatRequest;
  readonly wire: (answer: WholeAnswer) => object;
}

async function whole({ gateway, observed: metrics }: ApiOptions, { call, caller, asked, wire }: WholeCall): Promise<Outcome> {
  const answer = await gateway.complete(asked, caller);
  metrics.cached(answer);
  call.reply.headers({ ...noteHeaders(answer.notes), "x-bellwether-cost-usd": formatDecimal(answer.spend.usd) });
  return { strategy: caller.tenant.name, outcome: answer.notes.cache, answer: wire(answer) };
}

async function embeddings(options: ApiOptions, call: Call): Promise<Outcome> {
  const asked = parseRequest(embeddingsRequest, call.request.body);
  const caller = admitted(options, call);
  const got = await options.embeddings.embed(asked, caller);
  const answer = wireEmbeddings(asked, { model: got.model.name, embeddings: got.embeddings });
  return { strategy: caller.tenant.name, outcome: "miss", answer };
}

async function search(options: ApiOptions, call: Call): Promise<Outcome> {
  if (!options.search) throw new CodedError<GatewayErrorCode>("SEARCH_NOT_CONFIGURED", "the route has no web search");
  const asked = parseRequest(searchRequest, call.request.body);
  const { tenant, gone } = admitted(options, call);
  return { strategy: tenant.name, outcome: "miss", answer: await options.search.search(asked, gone) };
}

/** Aborts when the connection closes before the answer has been sent. */
function hangUp(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the caller hung up"));
  });
  return controller.signal;
}

function noteHeaders({ model, cache, queueMs, failedAttempts, savedTokens }: AnswerNotes): Record<string, string> {
  return {
    "x-bellwether-model": model,
    "x-bellwether-cache": cache,
    "x-bellwether-queue-ms": String(Math.round(queueMs)),
    ...(failedAttempts > 0 && { "x-bellwether-failed-attempts": String(failedAttempts) }),
    ...(savedTokens !== undefined && { "x-bellwether-saved-prompt-tokens": String(savedTokens) }),
  };
}
