import { type Clock, hasCode } from "@bellwether/service-kit";
import type { Embeddings } from "../backends/backend.ts";
import { AttemptSignal } from "../backends/deadlines.ts";
import { BackendFailure, failureOfConnection } from "../backends/failure.ts";
import { promptTokenBound } from "../budget/spend.ts";
import type { EmbeddingsRequest } from "../server/chat-request.ts";
import type { Caller } from "./gateway.ts";
import { type Charge, chargeFor, chargeForFailure, endHold, worstCase } from "./metering.ts";
import type { Budget, CallEvents, Turns } from "./model-calls.ts";
import { type RouteModel, findModel } from "./route-model.ts";

export interface EmbeddingCallsParts {
  readonly models: readonly RouteModel[];
  readonly turns: Turns;
  readonly budget: Budget;
  readonly events: CallEvents;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly newId: () => string;
}

const holdSlackMs = 60_000;

/** Embeddings: one attempt at the named model and no other, for vectors of two models cannot be compared. */
export class EmbeddingCalls {
  readonly #parts: EmbeddingCallsParts;

  constructor(parts: EmbeddingCallsParts) {
    this.#parts = parts;
  }

  async embed(request: EmbeddingsRequest, caller: Caller): Promise<{ model: RouteModel; embeddings: Embeddings }> {
    const model = findModel(this.#parts.models, request.model);
    const inputs = [request.input].flat();
    const bounds = { inputTokens: promptTokenBound(inputs.join(""), inputs.length), outputTokens: 0 };
    const id = this.#parts.newId();
    const { tenant, gone: signal } = caller;
    try {
      return await model.breaker.run(async () => {
        const giveBack = await this.#parts.turns.take(model, {
          id,
          tenant: tenant.name,
          weight: tenant.weight,
          cost: bounds.inputTokens,
          signal,
        });
        try {
          return { model, embeddings: await this.#attempt({ model, inputs, bounds, id, request, caller }) };
        } finally {
          giveBack();
        }
      });
    } catch (error) {
      if (hasCode(error)) this.#parts.events.failed(model, error);
      throw error;
    }
  }

  async #attempt({ model, inputs, bounds, id, request, caller }: EmbedAttempt): Promise<Embeddings> {
    const { budget, events, clock, timeoutMs } = this.#parts;
    const worst = worstCase(model, bounds);
    const hold = model.paid ? await budget.hold(model, { id, worst, lastsMs: timeoutMs + holdSlackMs }) : undefined;
    const deadline = new AttemptSignal(clock);
    deadline.expectWithin(timeoutMs, false);
    const charged = (charge: Charge, usage: Embeddings["usage"]): void => {
      if (hold) endHold(hold, charge);
      events.charged(model, { charge, usage, tenant: caller.tenant.name });
    };
    try {
      const embeddings = await model.backend.embed({ inputs, dimensions: request.dimensions, signal: deadline.signal });
      charged(chargeFor(embeddings.usage, { model, bounds }), embeddings.usage);
      return embeddings;
    } catch (error) {
      const failure =
        error instanceof BackendFailure ? error : failureOfConnection(error, { signal: deadline.signal, begun: false });
      charged(chargeForFailure(failure, { model, bounds }), undefined);
      throw failure;
    } finally {
      deadline.done();
    }
  }
}

interface EmbedAttempt {
  readonly model: RouteModel;
  readonly inputs: readonly string[];
  readonly bounds: { readonly inputTokens: number; readonly outputTokens: number };
  readonly id: string;
  readonly request: EmbeddingsRequest;
  readonly caller: Caller;
}
