import { type Clock, CodedError, type Metrics } from "@bellwether/service-kit";
import type { GatewayConfig } from "../config.ts";
import { GatewayMetrics } from "../metrics.ts";
import type { BudgetKeeper } from "./budget-keeper.ts";
import { noBudget } from "./budget-keeper.ts";
import { countTokens } from "./count-tokens.ts";
import { Gateway } from "./gateway.ts";
import { ModelCalls } from "./model-calls.ts";
import { ModelQueues } from "./model-queues.ts";
import { type OpenBackend, type RouteModel, openModels } from "./route-model.ts";

export interface OpenGatewayParts {
  readonly config: GatewayConfig;
  /** Undefined: the route has no budget. */
  readonly budget: BudgetKeeper | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly openBackend: OpenBackend;
}

export interface OpenedGateway {
  readonly gateway: Gateway;
  readonly models: readonly RouteModel[];
  readonly observed: GatewayMetrics;
}

/** Puts a route together from its configuration. */
export async function openGateway(parts: OpenGatewayParts): Promise<OpenedGateway> {
  const { config, budget, clock, newId } = parts;
  const models = await openModels(config, parts.openBackend);
  const queues = new ModelQueues(models, { limits: config.limits, clock });
  const observed = new GatewayMetrics(parts.metrics, { models, waiting: (model) => queues.waiting(model) });
  const onExhausted = config.budget?.onExhausted ?? "LocalOnly";
  const calls = new ModelCalls({
    models,
    turns: queues,
    budget: budget ?? noBudget,
    events: observed,
    clock,
    onExhausted,
    firstByteTimeoutMs: config.firstByteTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
  });
  const { strategy, complexityThreshold, fallback } = config.routing;
  const gateway = new Gateway({
    models,
    calls,
    rules: { strategy, fallback, onExhausted, complexityThreshold: Number(complexityThreshold) },
    maxAttempts: config.retry.maxAttempts,
    budgetState: () => budget?.figures().state ?? "Available",
    exhausted: () => budget?.exhausted() ?? new CodedError("NOT_SUPPORTED", "no model of the route may answer this"),
    countTokens,
    newId,
    clock,
  });
  return { gateway, models, observed };
}
