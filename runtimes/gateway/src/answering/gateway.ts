import { type Clock, CodedError } from "@bellwether/service-kit";
import type { BudgetState } from "../budget/budget-state.ts";
import { NOTHING } from "../budget/spend.ts";
import type { GatewayErrorCode } from "../errors.ts";
import { Attempts } from "../routing/attempts.ts";
import { type RoutingRules, chooseModels } from "../routing/choose-models.ts";
import type { ChatRequest } from "../server/chat-request.ts";
import type { Tenant } from "../tenants/tenant.ts";
import type { StreamedAnswer, WholeAnswer } from "./answer.ts";
import type { Asked, ModelCalls } from "./model-calls.ts";
import { type CountTokens, measurePrompt } from "./context-fit.ts";
import { type RouteModel, candidateOf, modelUnknown } from "./route-model.ts";

export interface GatewayParts {
  readonly models: readonly RouteModel[];
  readonly calls: ModelCalls;
  readonly rules: RoutingRules;
  readonly maxAttempts: number;
  readonly budgetState: () => BudgetState;
  /** What is said when nothing may be asked any more this month. */
  readonly exhausted: () => CodedError;
  readonly countTokens: CountTokens;
  readonly newId: () => string;
  readonly clock: Clock;
}

export interface Caller {
  readonly tenant: Tenant;
  /** Aborts when the caller hangs up. */
  readonly gone: AbortSignal;
}

/** Answers chat completions of one route. */
export class Gateway {
  readonly #parts: GatewayParts;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  async complete(request: ChatRequest, caller: Caller): Promise<WholeAnswer> {
    const got = await this.#parts.calls.complete(this.#plan(request), this.#asked(request, caller));
    const { model, queueMs, failedAttempts } = got;
    return {
      notes: { model: model.name, cache: "miss", queueMs, failedAttempts },
      completion: got.answer,
      spend: got.spend() ?? NOTHING,
    };
  }

  async stream(request: ChatRequest, caller: Caller): Promise<StreamedAnswer> {
    const got = await this.#parts.calls.stream(this.#plan(request), this.#asked(request, caller));
    const { model, queueMs, failedAttempts } = got;
    return { notes: { model: model.name, cache: "miss", queueMs, failedAttempts }, pieces: got.answer };
  }

  #plan(request: ChatRequest): Attempts {
    const { models, rules, maxAttempts, budgetState } = this.#parts;
    const candidates = models.map(candidateOf);
    const choice = chooseModels(candidates, rules, { asked: request.model, complexity: 0, budget: budgetState() });
    if (choice.chosen) return new Attempts([...choice.models, ...choice.escalation], maxAttempts);
    switch (choice.reason) {
      case "MODEL_UNKNOWN":
        throw modelUnknown(models, choice.asked);
      case "BUDGET_EXHAUSTED":
        throw this.#parts.exhausted();
      case "BREAKERS_OPEN":
        throw new CodedError<GatewayErrorCode>("BREAKER_OPEN", `left alone for a while: ${choice.models.join(", ")}`, {
          context: { models: choice.models },
        });
    }
  }

  #asked(request: ChatRequest, { tenant, gone }: Caller): Asked {
    return {
      id: this.#parts.newId(),
      request,
      prompt: measurePrompt(request, this.#parts.countTokens),
      tenant: tenant.name,
      weight: tenant.weight,
      gone,
    };
  }
}
