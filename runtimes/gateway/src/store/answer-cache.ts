import { type Clock, type Logger, hasCode } from "@bellwether/service-kit";
import { z } from "zod";
import type { Completion } from "../backends/backend.ts";
import { type CacheTimes, type CacheableAnswer, keepAnswer, mayLookUp } from "../cache/cacheable.ts";
import { type CacheScope, exactKey } from "../cache/exact-key.ts";
import type { EmbeddedQuestion } from "../cache/semantic-question.ts";
import type { ChatRequest } from "../server/chat-request.ts";
import { ExpiringMap } from "./expiring-map.ts";
import type { ExpiringStore } from "./expiring-store.ts";
import type { SemanticIndex } from "./semantic-index.ts";

const usage = z.strictObject({ inputTokens: z.int(), outputTokens: z.int(), cachedInputTokens: z.int() });
/** An answer as it is kept. Read back strictly: another version's, or anybody else's, is a miss. */
const keptAnswer = z.strictObject({
  model: z.string(),
  content: z.string(),
  reasoning: z.string().optional(),
  finishReason: z.literal("stop"),
  usage: usage.optional(),
});
type KeptAnswer = z.output<typeof keptAnswer>;

export interface FoundAnswer {
  readonly model: string;
  readonly completion: Completion;
}

/** A request as the cache knows it. */
export interface AnswerPlace {
  readonly key: string;
  /** What another question is compared with; undefined where only the same one may find the answer. */
  readonly question?: EmbeddedQuestion;
}

/** What is written down for restarts. */
export interface AnswerRow {
  readonly key: string;
  readonly text: string;
  readonly expiresMs: number;
}

export interface AnswerCacheParts {
  readonly store: ExpiringStore;
  /** Undefined: only the same question finds an answer. */
  readonly semantic: SemanticIndex | undefined;
  readonly times: CacheTimes;
  /** Hears of every answer that is kept; never waited for. */
  readonly remember: (row: AnswerRow) => void;
  readonly clock: Pick<Clock, "nowMs" | "setTimeout">;
  readonly log: Logger;
}

/** Key of an answer in the store. */
function answerKey(key: string): string {
  return `bellwether:answer:${key}`;
}

const writeTogetherMs = 10;
/** What this process itself has kept is answered from here, without a way to the store and back. */
const recentLimits = { maxEntries: 2_000, maxCharacters: 4 * 1_048_576 };

/** Answers to questions that were asked before, by the same tenant unless the route shares them. A store that is away is a miss, never an error. */
export class AnswerCache {
  readonly #parts: AnswerCacheParts;
  readonly #recent: ExpiringMap<FoundAnswer>;
  #writing: Promise<void> | undefined;

  constructor(parts: AnswerCacheParts) {
    this.#parts = parts;
    this.#recent = new ExpiringMap(recentLimits, parts.clock);
  }

  /** Where a request's answer may be found or shared; undefined when each call wants an answer of its own. */
  placeOf(request: ChatRequest, scope: CacheScope): AnswerPlace | undefined {
    if (!mayLookUp(request)) return undefined;
    const question = this.#parts.semantic?.questionOf(request, scope);
    return { key: exactKey(request, scope), ...(question && { question }) };
  }

  /** The answer to the same question, or to one that means the same. */
  async find({ key, question }: AnswerPlace): Promise<{ found: FoundAnswer; cache: "exact" | "semantic" } | undefined> {
    const exact = await this.#read(key);
    if (exact) return { found: exact, cache: "exact" };
    const near = question && this.#parts.semantic?.find(question);
    const found = near === undefined ? undefined : await this.#read(near);
    return found && { found, cache: "semantic" };
  }

  async keep(
    { key, question }: AnswerPlace,
    request: ChatRequest,
    answer: FoundAnswer & Pick<CacheableAnswer, "degraded" | "held">,
  ): Promise<void> {
    const { model, completion, degraded, held } = answer;
    const { content, reasoning, usage: used } = completion;
    const kept = keepAnswer(request, { ...completion, degraded, held }, this.#parts.times);
    if (!kept.keep || content === null) return;
    const entry: KeptAnswer = {
      model,
      content,
      finishReason: "stop",
      ...(reasoning !== undefined && { reasoning }),
      ...(used && { usage: used }),
    };
    const text = JSON.stringify(entry);
    this.#parts.remember({ key, text, expiresMs: this.#parts.clock.nowMs() + kept.ttlMs });
    if (question) this.#parts.semantic?.add(question, key);
    this.#recent.set(
      key,
      { model, completion: { content, finishReason: "stop", usage: used, ...(reasoning !== undefined && { reasoning }) } },
      { characters: text.length, ttlMs: kept.ttlMs },
    );
    await this.#together();
    await this.#quietly(() => this.#parts.store.set(answerKey(key), text, kept.ttlMs));
  }

  /** Answers that come within a moment go to the store in one message: this process knows them already, and a message each cost a tenth of a request. */
  #together(): Promise<void> {
    const wait = (): Promise<void> =>
      new Promise((resolve) => {
        this.#parts.clock.setTimeout(() => {
          this.#writing = undefined;
          resolve();
        }, writeTogetherMs);
      });
    return (this.#writing ??= wait());
  }

  /** Puts rows of an earlier life back; those that are over are left. */
  async restore(rows: readonly AnswerRow[]): Promise<void> {
    for (const { key, text, expiresMs } of rows) {
      const ttlMs = expiresMs - this.#parts.clock.nowMs();
      if (ttlMs > 0) await this.#quietly(() => this.#parts.store.set(answerKey(key), text, ttlMs));
    }
  }

  async #read(key: string): Promise<FoundAnswer | undefined> {
    const recent = this.#recent.get(key);
    if (recent) return recent;
    const text = await this.#quietly(() => this.#parts.store.get(answerKey(key)));
    return text === undefined ? undefined : readKept(text);
  }

  async #quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, "STORE_UNAVAILABLE")) throw error;
      this.#parts.log.debug({ err: error }, "the cache is away");
      return undefined;
    }
  }
}

function readKept(text: string): FoundAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = keptAnswer.safeParse(value);
  if (!parsed.success) return undefined;
  const { model, reasoning, usage: used, ...completion } = parsed.data;
  return { model, completion: { ...completion, ...(reasoning !== undefined && { reasoning }), usage: used } };
}
