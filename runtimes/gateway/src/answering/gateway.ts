import { type Clock, CodedError } from "@bellwether/service-kit";
import type { Completion, Piece } from "../backends/backend.ts";
import type { BudgetState } from "../budget/budget-state.ts";
import { NOTHING } from "../budget/spend.ts";
import type { CacheScope } from "../cache/exact-key.ts";
import type { GatewayErrorCode } from "../errors.ts";
import { Attempts } from "../routing/attempts.ts";
import { ANY_MODEL, type RoutingRules, chooseModels } from "../routing/choose-models.ts";
import { complexityOf } from "../routing/complexity.ts";
import { type ChatRequest, messageText } from "../server/chat-request.ts";
import type { AnswerCache, AnswerPlace, FoundAnswer } from "../store/answer-cache.ts";
import type { Templates } from "../templates/templates.ts";
import type { Tenant } from "../tenants/tenant.ts";
import { type CacheState, CompletionCollector, type StreamedAnswer, type WholeAnswer, piecesOf } from "./answer.ts";
import { Cascade, type CascadePlan } from "./cascade.ts";
import type { Compress } from "./compress-prompt.ts";
import { type CountTokens, measurePrompt } from "./context-fit.ts";
import type { Asked, Got, ModelCalls } from "./model-calls.ts";
import { type RouteModel, candidateOf, modelUnknown } from "./route-model.ts";
import { SingleFlight, isAbandoned } from "./single-flight.ts";

export interface GatewayParts {
  readonly models: readonly RouteModel[];
  readonly calls: ModelCalls;
  readonly cache: AnswerCache;
  /** Of the route; `shared`: its strategies see each other's answers. */
  readonly scope: { readonly route: string; readonly shared: boolean };
  readonly rules: RoutingRules;
  readonly maxAttempts: number;
  readonly budgetState: () => BudgetState;
  /** What is said when nothing may be asked any more this month. */
  readonly exhausted: () => CodedError;
  readonly countTokens: CountTokens;
  readonly templates: Templates;
  /** Shortens what is sent to models; undefined where the route does not. */
  readonly compress: Compress | undefined;
  /** Hears of each answer of a small model that did not hold its checks. */
  readonly onEscalated: (reason: string) => void;
  readonly newId: () => string;
  readonly clock: Clock;
}

export interface Caller {
  readonly tenant: Tenant;
  /** Aborts when the caller hangs up. */
  readonly gone: AbortSignal;
}

interface Planned extends CascadePlan {
  /** The models that should answer; another one's answer is not kept for long. */
  readonly wanted: ReadonlySet<string>;
}

/** Answers chat completions of one route: from a template, the cache, a call of the same question that is under way, or by a model. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #flights = new SingleFlight<FoundAnswer>();
  readonly #cascade: Cascade;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#cascade = new Cascade(parts.calls, parts.onEscalated);
  }

  async complete(request: ChatRequest, caller: Caller): Promise<WholeAnswer> {
    const { place, known } = await this.#known(request, caller);
    if (known) return wholeOf(known);
    const planned = this.#plan(request);
    const flight = place && this.#flights.begin(place.key);
    try {
      const asked = await this.#asked(request, caller);
      const { got, held } = await this.#cascade.complete(planned, asked);
      const found = { model: got.model.name, completion: got.answer };
      this.#keep(place, request, { ...found, degraded: isDegraded(planned, got.model), held });
      flight?.land(found);
      return { notes: notesOf(got, asked), completion: got.answer, spend: got.spend() ?? NOTHING };
    } catch (error) {
      flight?.crash(error);
      throw error;
    }
  }

  async stream(request: ChatRequest, caller: Caller): Promise<StreamedAnswer> {
    const { place, known } = await this.#known(request, caller);
    if (known) return { notes: wholeOf(known).notes, pieces: piecesOf(known.found.completion) };
    const planned = this.#plan(request);
    const flight = place && this.#flights.begin(place.key);
    try {
      const asked = await this.#asked(request, caller);
      const { got, held } = await this.#cascade.stream(planned, asked);
      const onEnd = (completion: Completion): void => {
        const found = { model: got.model.name, completion };
        this.#keep(place, request, { ...found, degraded: isDegraded(planned, got.model), held });
        flight?.land(found);
      };
      const onError = (error: unknown): void => flight?.crash(error);
      return { notes: notesOf(got, asked), pieces: collected(got.answer, { onEnd, onError }) };
    } catch (error) {
      flight?.crash(error);
      throw error;
    }
  }

  /** What is there already: kept, or just being asked by another request of the same scope. */
  async #known(
    request: ChatRequest,
    { tenant, gone }: Caller,
  ): Promise<{ place: AnswerPlace | undefined; known: Known | undefined }> {
    const known = templateAnswer(request, this.#parts.templates);
    if (known) return { place: undefined, known };
    return this.#remembered(request, { tenant, gone });
  }

  async #remembered(
    request: ChatRequest,
    { tenant, gone }: Caller,
  ): Promise<{ place: AnswerPlace | undefined; known: Known | undefined }> {
    const place = this.#parts.cache.placeOf(request, this.#scopeOf(tenant));
    if (place === undefined) return { place, known: undefined };
    const known = await this.#parts.cache.find(place);
    if (known) return { place, known };
    const { key } = place;
    for (let flight = this.#flights.joined(key); flight !== undefined; flight = this.#flights.joined(key)) {
      try {
        return { place, known: { found: await flight, cache: "shared" } };
      } catch (error) {
        if (!isAbandoned(error) || gone.aborted) throw error;
      }
    }
    return { place, known: undefined };
  }

  #scopeOf(tenant: Tenant): CacheScope {
    const { route, shared } = this.#parts.scope;
    return shared ? { route, shared } : { route, tenant: tenant.name };
  }

  #keep(place: AnswerPlace | undefined, request: ChatRequest, answer: FoundAnswer & { degraded: boolean; held: boolean }): void {
    // Not waited for: the answer is there, and the store reports its own absence.
    if (place) void this.#parts.cache.keep(place, request, answer);
  }

  #plan(request: ChatRequest): Planned {
    const { models, rules, maxAttempts, budgetState } = this.#parts;
    // Reckoned only where it decides.
    const question = request.model === ANY_MODEL ? request.messages.findLast(({ role }) => role === "user") : undefined;
    const complexity = question === undefined ? 0 : complexityOf(messageText(question));
    const choice = chooseModels(models.map(candidateOf), rules, { asked: request.model, complexity, budget: budgetState() });
    if (choice.chosen) {
      const { models: first, escalation } = choice;
      const order = [...first, ...escalation];
      // Whose answer is looked at: those that have larger ones behind them. A model that was asked for by its name is not doubted.
      const small = escalation.length > 0 ? first.filter(({ tier }) => tier === "Small") : [];
      const doubted = new Set(small.map(({ name }) => name));
      const wanted = new Set([...(order[0] ? [order[0].name] : []), ...escalation.map(({ name }) => name)]);
      return { attempts: new Attempts(order, maxAttempts), wanted, escalation, doubted };
    }
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

  async #asked(original: ChatRequest, { tenant, gone }: Caller): Promise<AskedNow> {
    const { compress, countTokens, newId } = this.#parts;
    const { messages, savedTokens } = (await compress?.(original.messages)) ?? { messages: original.messages, savedTokens: 0 };
    const request = { ...original, messages: [...messages] };
    return {
      id: newId(),
      request,
      prompt: measurePrompt(request, countTokens),
      tenant: tenant.name,
      weight: tenant.weight,
      gone,
      savedTokens,
    };
  }
}

/** A request on its way to models, shortened where the route does that. */
interface AskedNow extends Asked {
  readonly savedTokens: number;
}

function isDegraded({ wanted }: Planned, { name }: RouteModel): boolean {
  return !wanted.has(name);
}

/** A known question's answer. Only a plain question has one: whoever asks for a form, or for a tool to be used, wants no fixed text. */
function templateAnswer(
  { messages, response_format: format, tool_choice: choice }: ChatRequest,
  templates: Templates,
): Known | undefined {
  const question = messages.at(-1);
  const plain =
    (format === undefined || format.type === "text") && (choice === undefined || choice === "auto" || choice === "none");
  const answer = plain && question?.role === "user" ? templates.answer(messageText(question)) : undefined;
  if (!answer) return undefined;
  const completion: Completion = { content: answer.text, finishReason: "stop", usage: undefined };
  return { found: { model: `template:${answer.template}`, completion }, cache: "template" };
}

interface Known {
  readonly found: FoundAnswer;
  readonly cache: CacheState;
}

function wholeOf({ found, cache }: Known): WholeAnswer {
  return {
    notes: { model: found.model, cache, queueMs: 0, failedAttempts: 0 },
    completion: found.completion,
    spend: NOTHING,
  };
}

function notesOf(
  { model, queueMs, failedAttempts }: Got<unknown>,
  { savedTokens }: Pick<AskedNow, "savedTokens">,
): WholeAnswer["notes"] {
  return { model: model.name, cache: "miss", queueMs, failedAttempts, ...(savedTokens > 0 && { savedTokens }) };
}

async function* collected(
  pieces: AsyncIterable<Piece>,
  { onEnd, onError }: { onEnd: (completion: Completion) => void; onError: (error: unknown) => void },
): AsyncGenerator<Piece> {
  const collector = new CompletionCollector();
  try {
    for await (const piece of pieces) {
      collector.add(piece);
      yield piece;
    }
    onEnd(collector.completion());
  } catch (error) {
    onError(error);
    throw error;
  }
}
