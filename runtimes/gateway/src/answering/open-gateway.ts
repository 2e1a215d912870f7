import { type Clock, CodedError, type Logger, type Metrics } from "@bellwether/service-kit";
import { formatDecimal } from "@bellwether/trading/decimal";
import { BackendFailure, breakerWeight } from "../backends/failure.ts";
import { usedRatio } from "../budget/spend.ts";
import type { GatewayConfig } from "../config.ts";
import { GatewayMetrics } from "../metrics.ts";
import { RateLimit } from "../server/rate-limit.ts";
import { AnswerCache, type AnswerRow } from "../store/answer-cache.ts";
import type { ExpiringStore } from "../store/expiring-store.ts";
import { Templates } from "../templates/templates.ts";
import { SemanticIndex } from "../store/semantic-index.ts";
import type { CallersFile } from "../tenants/callers-file.ts";
import { Thoughts } from "../store/thoughts.ts";
import { type BudgetKeeper, noBudget } from "./budget-keeper.ts";
import { promptCompressor } from "./compress-prompt.ts";
import { loadTokenCounter } from "./count-tokens.ts";
import { EmbeddingBatches } from "./embedding-batches.ts";
import { EmbeddingCalls } from "./embedding-calls.ts";
import { Gateway } from "./gateway.ts";
import { type CallEvents, ModelCalls } from "./model-calls.ts";
import { ModelQueues } from "./model-queues.ts";
import { type OpenBackend, type RouteModel, openModels } from "./route-model.ts";

export interface OpenGatewayParts {
  readonly config: GatewayConfig;
  /** Undefined: the route has no budget. */
  readonly budget: BudgetKeeper | undefined;
  /** Answers and thoughts. */
  readonly store: ExpiringStore;
  /** Hears of every answer that is kept. */
  readonly remember: (row: AnswerRow) => void;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly openBackend: OpenBackend;
  /** Undefined: outside a cluster. */
  readonly callers?: Pick<CallersFile, "fault"> | undefined;
}

/** A route put together: what its HTTP interface serves. */
export interface OpenedGateway {
  readonly gateway: Gateway;
  readonly embeddings: EmbeddingBatches;
  readonly cache: AnswerCache;
  readonly thoughts: Thoughts;
  readonly limits: { readonly requests: RateLimit | undefined; readonly tokens: RateLimit | undefined };
  readonly models: readonly RouteModel[];
  readonly templates: Templates;
  readonly observed: GatewayMetrics;
  readonly status: () => object;
}

/** Puts a route together from its configuration. */
export async function openGateway(parts: OpenGatewayParts): Promise<OpenedGateway> {
  const { config, budget, clock, newId, store, log, remember } = parts;
  const models = await openModels(config, { open: parts.openBackend, clock });
  const turns = new ModelQueues(models, { limits: config.limits, clock });
  const observed = new GatewayMetrics(parts.metrics, { models, waiting: (model) => turns.waiting(model) });
  const limits = rateLimits(config, clock);
  const events = eventsOf(observed, { tokens: limits.tokens, log });
  const onExhausted = config.budget?.onExhausted ?? "LocalOnly";
  const { firstByteTimeoutMs, idleTimeoutMs } = config;
  const asking = { models, turns, budget: budget ?? noBudget, events, clock };
  const { uid: routeUid } = config.route;
  const { ttlMs, volatileTtlMs, shared } = config.cache;
  const { enabled, minSimilarity } = config.cache.semantic;
  const semantic = enabled ? new SemanticIndex(Number(minSimilarity)) : undefined;
  const cache = new AnswerCache({ store, semantic, times: { ttlMs, volatileTtlMs }, remember, clock, log });
  const templates = new Templates(config.templates);
  const { strategy, complexityThreshold, fallback } = config.routing;
  const gateway = new Gateway({
    models,
    calls: new ModelCalls({ ...asking, onExhausted, firstByteTimeoutMs, idleTimeoutMs }),
    cache,
    scope: { route: routeUid, shared },
    rules: { strategy, fallback, onExhausted, complexityThreshold: Number(complexityThreshold) },
    maxAttempts: config.retry.maxAttempts,
    budgetState: () => budget?.figures().state ?? "Available",
    exhausted: () => budget?.exhausted() ?? new CodedError("NOT_SUPPORTED", "no model of the route may answer this"),
    countTokens: async (text) => (await loadTokenCounter())(text),
    templates,
    compress: config.compression.enabled ? promptCompressor(config.compression.maxPromptTokens, loadTokenCounter) : undefined,
    onEscalated: (reason) => observed.escalated(reason),
    newId,
    clock,
  });
  const calls = new EmbeddingCalls({ ...asking, timeoutMs: firstByteTimeoutMs, newId });
  const embeddings = new EmbeddingBatches(calls, { ...config.batching, clock, newId });
  const thoughts = new Thoughts(store, { routeUid, ttlMs: config.thoughts.ttlMs });
  const status = (): object => statusOf({ models, observed, budget, templates, callers: parts.callers });
  return { gateway, embeddings, cache, thoughts, limits, models, templates, observed, status };
}

function rateLimits({ limits }: GatewayConfig, clock: Clock): OpenedGateway["limits"] {
  const { requestsPerMinute, tokensPerMinute } = limits;
  const limit = (perMinute: number | undefined, what: string): RateLimit | undefined =>
    perMinute === undefined ? undefined : new RateLimit(perMinute, { what, clock });
  return { requests: limit(requestsPerMinute, "requests"), tokens: limit(tokensPerMinute, "tokens") };
}

function eventsOf(observed: GatewayMetrics, { tokens, log }: { tokens: RateLimit | undefined; log: Logger }): CallEvents {
  return {
    charged: (model, event) => {
      observed.charged(model, event);
      if (event.usage) tokens?.take(event.usage.inputTokens + event.usage.outputTokens);
    },
    failed: (model, failure) => {
      observed.failed(model, failure);
      // As often as the breaker lets it happen, and no more.
      if (failure instanceof BackendFailure && breakerWeight(failure) !== "ignore")
        log.warn({ model: model.name, err: failure }, "a model did not answer");
    },
    waited: (seconds) => observed.waited(seconds),
  };
}

interface StatusParts {
  readonly models: readonly RouteModel[];
  readonly observed: GatewayMetrics;
  readonly budget: BudgetKeeper | undefined;
  readonly templates: Templates;
  readonly callers: OpenGatewayParts["callers"];
}

/** What the operator makes `status` of. */
function statusOf({ models, observed, budget, templates, callers }: StatusParts): object {
  const callersFault = callers?.fault();
  return {
    models: models.map(({ name, breaker, local }) => {
      const failure = breaker.lastFailure;
      const open = breaker.state !== "Closed" && failure !== undefined;
      return { name, local, breaker: breaker.state, ...(open && { because: { code: failure.code, message: failure.message } }) };
    }),
    ...(budget && { budget: budgetStatus(budget) }),
    cache: observed.cacheFigures(),
    faults: [
      ...templates.faults.map(({ template, message }) => ({
        about: "template",
        message: `template ${template} is never used: ${message}`,
      })),
      ...(callersFault === undefined ? [] : [{ about: "callers", message: callersFault }]),
    ],
  };
}

function budgetStatus(budget: BudgetKeeper): object {
  const { period, spent, state } = budget.figures();
  const { fault } = budget;
  return {
    periodStart: new Date(period.startMs).toISOString(),
    periodEnd: new Date(period.endMs).toISOString(),
    spentUsd: formatDecimal(spent.usd),
    tokens: Number(spent.tokens),
    ratio: usedRatio(spent, budget.limits).toFixed(4),
    state,
    ...(fault !== undefined && { fault }),
  };
}
