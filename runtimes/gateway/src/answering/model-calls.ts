import { type Clock, CodedError, hasCode, messageOf } from "@bellwether/service-kit";
import type { Completion, Piece, Usage } from "../backends/backend.ts";
import { BackendFailure, mayTryAnother } from "../backends/failure.ts";
import type { Spend } from "../budget/spend.ts";
import type { GatewayErrorCode } from "../errors.ts";
import type { Attempts } from "../routing/attempts.ts";
import type { ChatRequest } from "../server/chat-request.ts";
import { Attempt } from "./attempt.ts";
import { type MeasuredPrompt, boundsFor } from "./context-fit.ts";
import { type Bounds, type Charge, type Hold, worstCase } from "./metering.ts";
import { type RouteModel, candidateOf, findModel } from "./route-model.ts";

/** A request in front of a model. */
export interface Turn {
  readonly id: string;
  readonly tenant: string;
  readonly weight: number;
  /** Tokens, as far as they are known. */
  readonly cost: number;
  readonly signal: AbortSignal;
}

/** Lets requests through to models in turn. */
export interface Turns {
  /** Resolves when it is the request's turn, with what gives it back; to be called once. Throws QUEUE_FULL, QUEUE_DEADLINE or CALLER_GONE. */
  take(model: RouteModel, turn: Turn): Promise<() => void>;
}

/** The month's money as an attempt sees it. */
export interface Budget {
  /** Throws BUDGET_EXHAUSTED or BUDGET_UNAVAILABLE. */
  hold(model: RouteModel, reservation: { id: string; worst: Spend; lastsMs: number }): Promise<Hold>;
}

export interface CallEvents {
  charged(model: RouteModel, charge: { charge: Charge; usage: Usage | undefined; tenant: string }): void;
  failed(model: RouteModel, failure: CodedError): void;
  /** For a turn at a model. */
  waited(seconds: number): void;
}

export interface ModelCallsParts {
  readonly turns: Turns;
  readonly budget: Budget;
  readonly events: CallEvents;
  readonly clock: Clock;
  readonly models: readonly RouteModel[];
  readonly onExhausted: "LocalOnly" | "Reject";
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface Asked {
  readonly id: string;
  readonly request: ChatRequest;
  readonly prompt: MeasuredPrompt;
  readonly tenant: string;
  readonly weight: number;
  readonly gone: AbortSignal;
}

/** What the model that answered brought. */
export interface Got<T> {
  readonly model: RouteModel;
  readonly answer: T;
  readonly queueMs: number;
  readonly failedAttempts: number;
  readonly spend: () => Spend | undefined;
}

/** How long a hold lasts at most when nobody ends it: beyond any deadline of an attempt. */
const holdSlackMs = 60_000;

/**
 * Asks the models of a plan, one after another, until one begins to answer. A model that was not asked (its breaker is open, the budget does not reach, the
 * prompt does not fit) takes no attempt.
 */
export class ModelCalls {
  readonly #parts: ModelCallsParts;

  constructor(parts: ModelCallsParts) {
    this.#parts = parts;
  }

  /** @throws CodedError: the only candidate's own, or ALL_MODELS_FAILED with what each said */
  complete(plan: Attempts, asked: Asked): Promise<Got<Completion>> {
    return this.#first(plan, { asked, start: (attempt) => attempt.complete() });
  }

  /** As {@link complete}; the pieces must be read to their end. */
  stream(plan: Attempts, asked: Asked): Promise<Got<AsyncIterable<Piece>>> {
    return this.#first(plan, { asked, start: (attempt) => attempt.stream() });
  }

  async #first<T>(plan: Attempts, how: How<T>): Promise<Got<T>> {
    const failures: Failure[] = [];
    let failedAttempts = 0;
    for (let candidate = plan.next(); candidate !== undefined; candidate = plan.next()) {
      const model = findModel(this.#parts.models, candidate.name);
      try {
        return { ...(await this.#ask(model, how)), failedAttempts };
      } catch (error) {
        if (!hasCode(error)) throw error;
        this.#parts.events.failed(model, error);
        failures.push({ model: model.name, error });
        if (error instanceof BackendFailure) failedAttempts += 1;
        else plan.notAsked();
        if (noMoney.has(error.code)) this.#goLocal(plan);
        if (isDecisive(error)) break;
      }
    }
    throw summary(failures);
  }

  /** The month, or its ledger, has no money for this request: any local model is better than none, where the route says so. */
  #goLocal(plan: Attempts): void {
    const { onExhausted, models } = this.#parts;
    if (onExhausted !== "LocalOnly") return;
    plan.escalate(models.filter(({ local }) => local).map(candidateOf));
    plan.localOnly();
  }

  async #ask<T>(model: RouteModel, how: How<T>): Promise<Omit<Got<T>, "failedAttempts">> {
    const { asked } = how;
    const bounds = await boundsFor(model, asked.request, asked.prompt);
    let queueMs = 0;
    let spend: Spend | undefined;
    // The breaker before the queue: nobody waits for a model that is left alone.
    const answer = await model.breaker.run(async () => {
      const queuedMs = this.#parts.clock.nowMs();
      const giveBack = await this.#turn(model, { asked, bounds });
      queueMs = this.#parts.clock.nowMs() - queuedMs;
      this.#parts.events.waited(queueMs / 1_000);
      try {
        const hold = await this.#hold(model, { asked, bounds });
        return await how.start(this.#attempt(model, { asked, bounds, hold, onSpend: (spent) => (spend = spent), giveBack }));
      } catch (error) {
        giveBack();
        throw error;
      }
    });
    return { model, answer, queueMs, spend: () => spend };
  }

  async #turn(model: RouteModel, { asked, bounds }: { asked: Asked; bounds: Bounds }): Promise<() => void> {
    const { id, tenant, weight, gone: signal } = asked;
    const cost = bounds.inputTokens + bounds.outputTokens;
    const leave = await this.#parts.turns.take(model, { id: `${id}/${model.name}`, tenant, weight, cost, signal });
    let given = false;
    return () => {
      if (!given) leave();
      given = true;
    };
  }

  #attempt(
    model: RouteModel,
    parts: { asked: Asked; bounds: Bounds; hold: Hold; onSpend: (spend: Spend) => void; giveBack: () => void },
  ): Attempt {
    const { clock, firstByteTimeoutMs, idleTimeoutMs, events } = this.#parts;
    const { asked, bounds, hold, onSpend, giveBack } = parts;
    const onCharged = (charge: Charge, usage: Usage | undefined): void => {
      giveBack();
      onSpend(charge.spend);
      events.charged(model, { charge, usage, tenant: asked.tenant });
    };
    const { request, gone } = asked;
    return new Attempt({ model, request, bounds, hold, clock, firstByteTimeoutMs, idleTimeoutMs, gone, onCharged });
  }

  async #hold(model: RouteModel, { asked, bounds }: { asked: Asked; bounds: Bounds }): Promise<Hold> {
    if (!model.paid) return freeHold;
    const { firstByteTimeoutMs, idleTimeoutMs, budget } = this.#parts;
    // Every token may take up to the idle limit; beyond that the attempt has been given up.
    const lastsMs = firstByteTimeoutMs + Math.min(idleTimeoutMs * bounds.outputTokens, longestAnswerMs) + holdSlackMs;
    return budget.hold(model, { id: `${asked.id}/${model.name}`, worst: worstCase(model, bounds), lastsMs });
  }
}

const longestAnswerMs = 3_600_000;

const noMoney: ReadonlySet<string> = new Set<GatewayErrorCode>(["BUDGET_EXHAUSTED", "BUDGET_HELD", "BUDGET_UNAVAILABLE"]);

interface How<T> {
  readonly asked: Asked;
  readonly start: (attempt: Attempt) => Promise<T>;
}

const nothing = (): void => undefined;
const freeHold: Hold = { settle: nothing, release: nothing, abandon: nothing };

interface Failure {
  readonly model: string;
  readonly error: CodedError;
}

/** Nothing another model could change. */
function isDecisive(error: CodedError): boolean {
  return error instanceof BackendFailure ? !mayTryAnother(error) : error.code === "CALLER_GONE";
}

function summary(failures: readonly Failure[]): CodedError {
  const [only, ...others] = failures;
  if (only === undefined) return new CodedError<GatewayErrorCode>("NOT_SUPPORTED", "no model of the route may answer this");
  const decisive = others.length === 0 ? only : failures.find(({ error }) => isDecisive(error));
  if (decisive) return decisive.error;
  if (new Set(failures.map(({ error }) => error.code)).size === 1) return only.error;
  const said = failures.map(({ model, error }) => `${model}: ${messageOf(error)}`);
  return new CodedError<GatewayErrorCode>("ALL_MODELS_FAILED", said.join("; "), {
    context: { models: failures.map(({ model, error }) => ({ model, code: error.code })) },
    cause: only.error,
  });
}
