import type { Candidate } from "./choose-models.ts";

/**
 * The one attempt budget of a request: fallback, escalation and retries all draw on it, and no model is asked twice. Retries of their own in
 * each layer multiply: three times three times three calls for one question.
 */
export class Attempts {
  #queue: Candidate[];
  #left: number;
  readonly #tried = new Set<string>();
  #answering = false;

  /** @param maxAttempts calls of all models together, at least 1 */
  constructor(models: readonly Candidate[], maxAttempts: number) {
    this.#queue = [...models];
    this.#left = maxAttempts;
  }

  /** The next model to ask; undefined when there is none, when the attempts are used up, or when the answer's first byte is out. */
  next(): Candidate | undefined {
    if (this.#left <= 0 || this.#answering) return undefined;
    const candidate = this.#queue.shift();
    if (candidate === undefined) return undefined;
    this.#left -= 1;
    this.#tried.add(candidate.name);
    return candidate;
  }

  /** The model that {@link next} gave was never asked, because the budget or its queue refused: the attempt comes back, the model does not. */
  notAsked(): void {
    this.#left += 1;
  }

  /** The first byte has reached the caller: from here on another model's text would be glued to this one's. */
  answering(): void {
    this.#answering = true;
  }

  /** Only local models from here on: the budget has no room for the others. */
  localOnly(): void {
    this.#queue = this.#queue.filter(({ local }) => local);
  }

  /** The answer did not hold its checks: the larger models come next, before whatever else is left. */
  escalate(models: readonly Candidate[]): void {
    const fresh = models.filter(({ name }) => !this.#tried.has(name));
    this.#queue = [...fresh, ...this.#queue.filter((candidate) => !fresh.includes(candidate))];
  }

  get left(): number {
    return this.#left;
  }
}
