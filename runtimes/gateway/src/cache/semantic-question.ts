import type { ChatRequest } from "../server/chat-request.ts";
import { messageText } from "../server/chat-request.ts";
import { type CacheScope, contextKey, lastUserIndex } from "./exact-key.ts";
import { similarity } from "./lexical-embedding.ts";
import { type Meaning, meaningOf } from "./meaning.ts";
import { type Reuse, mayReuse } from "./safety-gate.ts";

/** A question as far as another one may mean the same. */
export interface SemanticQuestion {
  /** Scope, settings and everything said before: equal, or nothing is compared at all. */
  readonly contextKey: string;
  /** What an embedding model reads. */
  readonly text: string;
  readonly meaning: Meaning;
}

export interface EmbeddedQuestion extends SemanticQuestion {
  /** At length 1. */
  readonly embedding: Float32Array;
}

export type SemanticVerdict =
  | { readonly hit: true; readonly similarity: number }
  | { readonly hit: false; readonly reason: "CONTEXT_DIFFERS" }
  | { readonly hit: false; readonly reason: "TOO_FAR"; readonly similarity: number; readonly minimum: number }
  | ({ readonly hit: false; readonly similarity: number } & Omit<Extract<Reuse, { safe: false }>, "safe">);

/**
 * What to compare of a request; undefined where only the exact cache may answer: with tools (an answer may be an action), in the middle of a
 * conversation with them, or when the question is too long.
 */
export function semanticQuestion(request: ChatRequest, scope: CacheScope): SemanticQuestion | undefined {
  const index = lastUserIndex(request);
  const message = index === undefined ? undefined : request.messages[index];
  if (message === undefined || (request.tools?.length ?? 0) > 0) return undefined;
  const text = messageText(message);
  const meaning = meaningOf(text);
  return meaning === undefined ? undefined : { contextKey: contextKey(request, scope), text, meaning };
}

/** Whether the answer to `stored` may be given to `asked`. @param minSimilarity cosine, 0–1 (`cache.semantic.minSimilarity`) */
export function judgeHit(stored: EmbeddedQuestion, asked: EmbeddedQuestion, minSimilarity: number): SemanticVerdict {
  if (stored.contextKey !== asked.contextKey) return { hit: false, reason: "CONTEXT_DIFFERS" };
  const near = similarity(stored.embedding, asked.embedding);
  // Rounding must not part what is the same.
  if (near < minSimilarity - 1e-6) return { hit: false, reason: "TOO_FAR", similarity: near, minimum: minSimilarity };
  const reuse = mayReuse(stored.meaning, asked.meaning);
  if (reuse.safe) return { hit: true, similarity: near };
  return { hit: false, reason: reuse.reason, left: reuse.left, right: reuse.right, similarity: near };
}
