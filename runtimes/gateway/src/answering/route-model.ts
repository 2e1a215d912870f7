import { type Clock, CodedError } from "@bellwether/service-kit";
import { parseDecimal } from "@bellwether/trading/decimal";
import type { Backend } from "../backends/backend.ts";
import { ModelBreaker } from "../backends/breaker.ts";
import type { TokenPrice } from "../budget/spend.ts";
import type { GatewayConfig, ModelConfig } from "../config.ts";
import type { GatewayErrorCode } from "../errors.ts";
import { ANY_MODEL, type Candidate } from "../routing/choose-models.ts";

/** One model of the route with all that stands around it. */
export interface RouteModel {
  readonly name: string;
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly breaker: ModelBreaker;
  readonly price: TokenPrice;
  /** Runs on this cluster's cores: there is a queue in front of it, and no budget. */
  readonly local: boolean;
  /** Takes from the budget: hosted, and either it has a price or tokens are counted. */
  readonly paid: boolean;
  readonly contextTokens: number;
}

export type OpenBackend = (model: ModelConfig) => Promise<Backend>;

/** The models of a route, in the order of its manifest. */
export async function openModels(
  config: GatewayConfig,
  { open, clock }: { open: OpenBackend; clock: Clock },
): Promise<readonly RouteModel[]> {
  return Promise.all(config.models.map(async (model) => routeModel(model, { config, backend: await open(model), clock })));
}

function routeModel(
  model: ModelConfig,
  { config, backend, clock }: { config: GatewayConfig; backend: Backend; clock: Clock },
): RouteModel {
  const price: TokenPrice = {
    inputPerMillionTokens: parseDecimal(model.price.inputPerMillionTokens),
    outputPerMillionTokens: parseDecimal(model.price.outputPerMillionTokens),
  };
  const { failureRatio, ...breaker } = config.circuitBreaker;
  const local = model.ollama !== undefined;
  const costs = price.inputPerMillionTokens > 0n || price.outputPerMillionTokens > 0n;
  return {
    name: model.name,
    config: model,
    backend,
    breaker: new ModelBreaker(model.name, { ...breaker, failureRatio: Number(failureRatio), clock }),
    price,
    local,
    paid: !local && config.budget !== undefined && (costs || config.budget.monthlyTokens !== undefined),
    contextTokens: (model.ollama ?? model.openai ?? model.gemini)?.contextTokens ?? 0,
  };
}

/** What the choice among models goes by. */
export function candidateOf({ name, config, local, price, breaker }: RouteModel): Candidate {
  return { name, tier: config.tier, local, price, breaker: breaker.state };
}

/** @throws CodedError MODEL_UNKNOWN with the list of those there are */
export function findModel(models: readonly RouteModel[], name: string): RouteModel {
  const found = models.find((model) => model.name === name);
  if (found) return found;
  throw modelUnknown(models, name);
}

export function modelUnknown(models: readonly RouteModel[], name: string): CodedError<GatewayErrorCode> {
  const known = [ANY_MODEL, ...models.map((model) => model.name)];
  return new CodedError("MODEL_UNKNOWN", `no model ${JSON.stringify(name)}: choose from ${known.join(", ")}`, {
    context: { models: known },
  });
}
