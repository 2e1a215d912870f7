import type { CacheScope } from "../cache/exact-key.ts";
import { lexicalEmbedding } from "../cache/lexical-embedding.ts";
import { type EmbeddedQuestion, judgeHit, semanticQuestion } from "../cache/semantic-question.ts";
import type { ChatRequest } from "../server/chat-request.ts";

interface Indexed {
  readonly question: EmbeddedQuestion;
  /** Of its answer. */
  readonly key: string;
}

const mostContexts = 1_000;
const mostPerContext = 200;
/** All contexts together: a few kilobytes each. */
const mostQuestions = 2_000;

/**
 * Questions whose answers are kept, to be found by one that means the same. Of this process, and only a way to the answers: what is not there any more is
 * no hit, and a question of another scope, setting or conversation is not even compared.
 */
export class SemanticIndex {
  readonly #minSimilarity: number;
  readonly #contexts = new Map<string, Indexed[]>();
  #size = 0;

  /** @param minSimilarity cosine, 0 to 1 */
  constructor(minSimilarity: number) {
    this.#minSimilarity = minSimilarity;
  }

  /** Undefined: only the exact cache may answer it. */
  questionOf(request: ChatRequest, scope: CacheScope): EmbeddedQuestion | undefined {
    const question = semanticQuestion(request, scope);
    return question && { ...question, embedding: lexicalEmbedding(question.meaning) };
  }

  /** The key of the nearest question that means the same. */
  find(asked: EmbeddedQuestion): string | undefined {
    let best: { key: string; similarity: number } | undefined;
    for (const { question, key } of this.#contexts.get(asked.contextKey) ?? []) {
      const verdict = judgeHit(question, asked, this.#minSimilarity);
      if (verdict.hit && verdict.similarity > (best?.similarity ?? -1)) best = { key, similarity: verdict.similarity };
    }
    return best?.key;
  }

  get size(): number {
    return this.#size;
  }

  add(question: EmbeddedQuestion, key: string): void {
    const { contextKey } = question;
    const before = this.#contexts.get(contextKey) ?? [];
    const others = before.filter((indexed) => indexed.key !== key).slice(1 - mostPerContext);
    // The context that was added to last stands last: the first one is the one to drop.
    this.#contexts.delete(contextKey);
    this.#contexts.set(contextKey, [...others, { question, key }]);
    this.#size += others.length + 1 - before.length;
    for (const [oldest, questions] of this.#contexts) {
      if (this.#contexts.size <= mostContexts && this.#size <= mostQuestions) return;
      this.#contexts.delete(oldest);
      this.#size -= questions.length;
    }
  }
}
