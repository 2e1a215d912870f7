import type { ChatRequest } from "../server/chat-request.ts";

/** Tokens as the provider reports them. */
export interface Usage {
  readonly inputTokens: number;
  /** What was said, and what was thought before it. */
  readonly outputTokens: number;
  /** Part of the input that came from the provider's own cache. */
  readonly cachedInputTokens: number;
}

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A whole answer. */
export interface Completion {
  readonly content: string | null;
  readonly refusal?: string;
  /** What a model that shows its thinking thought. */
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly finishReason: string;
  /** Undefined: the provider said nothing of it. */
  readonly usage: Usage | undefined;
}

export interface ToolCallPiece {
  readonly index: number;
  readonly id?: string;
  readonly name?: string;
  readonly arguments?: string;
}

/** A part of a streamed answer. `usage` replaces what was reported before: some providers report a running total with every part. */
export interface Piece {
  readonly content?: string;
  readonly refusal?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCallPiece[];
  readonly finishReason?: string;
  readonly usage?: Usage;
}

export interface ChatCall {
  readonly request: ChatRequest;
  /** The answer's limit, always sent: the reservation counts on it. */
  readonly maxOutputTokens: number;
  readonly signal: AbortSignal;
}

export interface EmbedCall {
  readonly inputs: readonly string[];
  readonly dimensions: number | undefined;
  readonly signal: AbortSignal;
}

export interface Embeddings {
  readonly vectors: readonly (readonly number[])[];
  readonly usage: Usage | undefined;
}

/**
 * One model behind its provider's protocol. Makes one attempt for each call; retries are the attempt plan's.
 *
 * Every method throws {@link BackendFailure} and nothing else. A stream that ends without a finish reason has broken off, and says so.
 */
export interface Backend {
  complete(call: ChatCall): Promise<Completion>;
  stream(call: ChatCall): AsyncIterable<Piece>;
  embed(call: EmbedCall): Promise<Embeddings>;
}

/** A number of tokens that can be one. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
