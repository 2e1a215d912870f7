import type { AnswerNotes, WholeAnswer } from "../answering/answer.ts";
import type { Completion, Piece, Usage } from "../backends/backend.ts";

export interface Stamp {
  readonly id: string;
  readonly createdMs: number;
}

/** OpenAI's form of a usage. */
export function wireUsage({ inputTokens, outputTokens, cachedInputTokens }: Usage): object {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens },
  };
}

/** A whole answer in OpenAI's form. Without a usage from the provider it has none: none is made up. */
export function wireCompletion({ notes, completion }: Pick<WholeAnswer, "notes" | "completion">, stamp: Stamp): object {
  return {
    id: stamp.id,
    object: "chat.completion",
    created: Math.floor(stamp.createdMs / 1_000),
    model: notes.model,
    choices: [{ index: 0, message: wireMessage(completion), logprobs: null, finish_reason: completion.finishReason }],
    ...(completion.usage && { usage: wireUsage(completion.usage) }),
  };
}

function wireMessage({ content, refusal, reasoning, toolCalls }: Completion): object {
  return {
    role: "assistant",
    content,
    refusal: refusal ?? null,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(toolCalls && { tool_calls: toolCalls }),
  };
}

/** Writes the chunks of one streamed answer; what is the same in each is made once. */
export class ChunkWriter {
  readonly #head: string;
  readonly #includeUsage: boolean;
  #usage: Usage | undefined;
  #first = true;

  constructor(notes: AnswerNotes, { stamp, includeUsage }: { stamp: Stamp; includeUsage: boolean }) {
    const head = {
      id: stamp.id,
      object: "chat.completion.chunk",
      created: Math.floor(stamp.createdMs / 1_000),
      model: notes.model,
    };
    this.#head = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[`;
    this.#includeUsage = includeUsage;
  }

  /** The text of the chunk for a piece; empty for one that only brings a usage, which comes last. */
  chunk(piece: Piece): string {
    this.#usage = piece.usage ?? this.#usage;
    const delta = wireDelta(piece);
    if (delta === undefined && piece.finishReason === undefined) return "";
    const role = this.#first ? { role: "assistant" } : {};
    this.#first = false;
    const choice = { index: 0, delta: { ...role, ...delta }, logprobs: null, finish_reason: piece.finishReason ?? null };
    return `${this.#head}${JSON.stringify(choice)}]${this.#includeUsage ? ',"usage":null' : ""}}\n\n`;
  }

  /** What ends a stream that came to its end. */
  end(): string {
    const usage =
      this.#includeUsage && this.#usage !== undefined
        ? `${this.#head}],"usage":${JSON.stringify(wireUsage(this.#usage))}}\n\n`
        : "";
    return `${usage}data: [DONE]\n\n`;
  }
}

function wireDelta({ content, refusal, reasoning, toolCalls }: Piece): object | undefined {
  if (content === undefined && refusal === undefined && reasoning === undefined && toolCalls === undefined) return undefined;
  return {
    ...(content !== undefined && { content }),
    ...(refusal !== undefined && { refusal }),
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(toolCalls && {
      tool_calls: toolCalls.map(({ index, id, name, arguments: text }) => ({
        index,
        ...(id !== undefined && { id, type: "function" }),
        function: { ...(name !== undefined && { name }), ...(text !== undefined && { arguments: text }) },
      })),
    }),
  };
}
