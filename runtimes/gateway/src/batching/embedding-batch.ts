/** Texts that several callers want embedded by one model with one setting. */
export interface EmbeddingAsk {
  readonly id: string;
  readonly inputs: readonly string[];
  /** Everything the vectors depend on besides the texts: model and dimensions. Only asks of one group share a call. */
  readonly group: string;
  readonly enteredAtMs: number;
}

/** One call, and where its vectors go. */
export interface EmbeddingBatch {
  readonly group: string;
  /** Each text once, however many asked for it. */
  readonly inputs: readonly string[];
  /** For each ask, the places of its texts among `inputs`, in its own order. */
  readonly places: ReadonlyMap<string, readonly number[]>;
}

export interface BatchLimits {
  /** How long an ask may wait for others. */
  readonly windowMs: number;
  /** Most asks in a call. */
  readonly maxRequests: number;
  /** Most texts in a call; an ask with more goes alone. */
  readonly maxInputs: number;
}

/**
 * Groups asks for embeddings into calls. Asks of different tenants may share a call: nobody sees another one's vectors, and a vector says
 * nothing about who else asked.
 */
export class EmbeddingBatcher {
  readonly #limits: BatchLimits;
  readonly #waiting = new Map<string, EmbeddingAsk[]>();

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Takes an ask; returns the calls that are full now and should be made at once. */
  add(ask: EmbeddingAsk): readonly EmbeddingBatch[] {
    const { maxInputs, maxRequests, windowMs } = this.#limits;
    if (windowMs <= 0 || ask.inputs.length >= maxInputs) return [batchOf([ask])];
    const waiting = this.#waiting.get(ask.group) ?? [];
    const inputs = waiting.reduce((sum, other) => sum + other.inputs.length, ask.inputs.length);
    if (inputs > maxInputs) {
      this.#waiting.set(ask.group, [ask]);
      return [batchOf(waiting)];
    }
    waiting.push(ask);
    this.#waiting.set(ask.group, waiting);
    return waiting.length >= maxRequests ? this.#take(ask.group) : [];
  }

  /** The calls whose first ask has waited long enough. */
  due(nowMs: number): readonly EmbeddingBatch[] {
    const groups = [...this.#waiting].filter(
      ([, [first]]) => first !== undefined && nowMs - first.enteredAtMs >= this.#limits.windowMs,
    );
    return groups.flatMap(([group]) => this.#take(group));
  }

  /** When to ask {@link due} next; undefined when nothing waits. Epoch milliseconds. */
  nextDueMs(): number | undefined {
    const starts = [...this.#waiting.values()].flatMap(([first]) => (first === undefined ? [] : [first.enteredAtMs]));
    return starts.length === 0 ? undefined : Math.min(...starts) + this.#limits.windowMs;
  }

  #take(group: string): readonly EmbeddingBatch[] {
    const waiting = this.#waiting.get(group) ?? [];
    this.#waiting.delete(group);
    return waiting.length === 0 ? [] : [batchOf(waiting)];
  }
}

function batchOf(asks: readonly EmbeddingAsk[]): EmbeddingBatch {
  const inputs = [...new Set(asks.flatMap((ask) => ask.inputs))];
  const place = new Map(inputs.map((text, index) => [text, index]));
  const places = new Map(asks.map((ask) => [ask.id, ask.inputs.map((text) => place.get(text) ?? -1)]));
  return { group: asks[0]?.group ?? "", inputs, places };
}
