import type { Cancel, Clock } from "@bellwether/service-kit";
import type { Embeddings } from "../backends/backend.ts";
import { type EmbeddingBatch, EmbeddingBatcher } from "../batching/embedding-batch.ts";
import type { EmbeddingsRequest } from "../server/chat-request.ts";
import type { EmbeddingCalls } from "./embedding-calls.ts";
import type { Caller } from "./gateway.ts";
import type { RouteModel } from "./route-model.ts";

type Embedded = { model: RouteModel; embeddings: Embeddings };

interface Waiter {
  readonly request: EmbeddingsRequest;
  readonly caller: Caller;
  readonly resolve: (embedded: Embedded) => void;
  readonly reject: (error: unknown) => void;
}

/** What providers take in one call. */
const maxInputs = 2_048;

/** Embeddings that one strategy asks for within a window of time, in one call: its budget, its turn and its cost stay its own. */
export class EmbeddingBatches {
  readonly #calls: EmbeddingCalls;
  readonly #batcher: EmbeddingBatcher;
  readonly #options: { readonly windowMs: number; readonly clock: Clock; readonly newId: () => string };
  readonly #waiters = new Map<string, Waiter>();
  #cancelTimer: Cancel = () => undefined;

  constructor(calls: EmbeddingCalls, options: { windowMs: number; maxRequests: number; clock: Clock; newId: () => string }) {
    this.#calls = calls;
    this.#options = options;
    this.#batcher = new EmbeddingBatcher({ windowMs: options.windowMs, maxRequests: options.maxRequests, maxInputs });
  }

  /** @throws CodedError as {@link EmbeddingCalls.embed}; of a shared call each caller gets the same one */
  async embed(request: EmbeddingsRequest, caller: Caller): Promise<Embedded> {
    const { windowMs, clock, newId } = this.#options;
    if (windowMs === 0) return this.#calls.embed(request, caller);
    const id = newId();
    const group = JSON.stringify([request.model, request.dimensions ?? null, caller.tenant.name]);
    const { promise, resolve, reject } = Promise.withResolvers<Embedded>();
    this.#waiters.set(id, { request, caller, resolve, reject });
    this.#run(this.#batcher.add({ id, group, inputs: [request.input].flat(), enteredAtMs: clock.nowMs() }));
    return promise;
  }

  #run(batches: readonly EmbeddingBatch[]): void {
    const { clock } = this.#options;
    for (const batch of batches) void this.#answer(batch);
    this.#cancelTimer();
    const nextMs = this.#batcher.nextDueMs();
    if (nextMs === undefined) return;
    this.#cancelTimer = clock.setTimeout(() => this.#run(this.#batcher.due(clock.nowMs())), Math.max(1, nextMs - clock.nowMs()));
  }

  async #answer({ inputs, places }: EmbeddingBatch): Promise<void> {
    const waiters = [...places].flatMap(([id, own]) => {
      const waiter = this.#waiters.get(id);
      this.#waiters.delete(id);
      return waiter === undefined ? [] : [{ ...waiter, own }];
    });
    const [first] = waiters;
    if (!first) return;
    try {
      const gone = allOf(waiters.map(({ caller }) => caller.gone));
      const whole = await this.#calls.embed({ ...first.request, input: [...inputs] }, { tenant: first.caller.tenant, gone });
      for (const { own, resolve } of waiters) resolve({ model: whole.model, embeddings: partOf(whole.embeddings, own, inputs) });
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  }
}

/** Aborts when the last of them has: as long as one waits, the call is worth making. */
function allOf(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController();
  const look = (): void => {
    if (signals.every(({ aborted }) => aborted)) all.abort(new Error("nobody waits any more"));
  };
  for (const signal of signals) signal.addEventListener("abort", look, { once: true });
  look();
  return all.signal;
}

/** The vectors of one ask, with its part of the usage by length of texts, rounded up. */
function partOf({ vectors, usage }: Embeddings, own: readonly number[], inputs: readonly string[]): Embeddings {
  const lengthOf = (places: Iterable<number>): number =>
    Iterator.from(places).reduce((sum, place) => sum + (inputs[place]?.length ?? 0), 0);
  const share = lengthOf(own) / Math.max(1, lengthOf(inputs.keys()));
  const inputTokens = usage && Math.ceil(usage.inputTokens * Math.min(1, share));
  return {
    vectors: own.flatMap((place) => {
      const vector = vectors[place];
      return vector === undefined ? [] : [vector];
    }),
    usage: usage && inputTokens !== undefined ? { ...usage, inputTokens } : undefined,
  };
}
