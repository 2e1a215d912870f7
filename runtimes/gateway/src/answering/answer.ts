import type { Completion, Piece, Usage } from "../backends/backend.ts";
import type { Spend } from "../budget/spend.ts";

/** Where an answer came from. */
export type CacheState = "miss" | "exact" | "semantic" | "template" | "shared";

/** What is told about an answer besides itself: in headers, journal and metrics. */
export interface AnswerNotes {
  readonly model: string;
  readonly cache: CacheState;
  /** Wait in front of the model. */
  readonly queueMs: number;
  /** Attempts before the one that answered. */
  readonly failedAttempts: number;
  /** Tokens by which the prompt was shortened; absent when it was not. */
  readonly savedTokens?: number;
}

export interface WholeAnswer {
  readonly notes: AnswerNotes;
  readonly completion: Completion;
  /** Nothing for a cached one. */
  readonly spend: Spend;
}

export interface StreamedAnswer {
  readonly notes: AnswerNotes;
  /** Must be read to the end, whether somebody still listens or not: the bill comes last. */
  readonly pieces: AsyncIterable<Piece>;
}

/** A whole answer as the pieces a stream would have brought. */
export async function* piecesOf(completion: Completion): AsyncGenerator<Piece> {
  const { content, refusal, reasoning, toolCalls, finishReason, usage } = completion;
  if (reasoning !== undefined) yield { reasoning };
  if (content !== null && content !== "") yield { content };
  if (refusal !== undefined) yield { refusal };
  if (toolCalls)
    yield {
      toolCalls: toolCalls.map(({ id, function: called }, index) => ({
        index,
        id,
        name: called.name,
        arguments: called.arguments,
      })),
    };
  yield { finishReason, ...(usage && { usage }) };
}

/** Puts a streamed answer together again. */
export class CompletionCollector {
  #content = "";
  #refusal = "";
  #reasoning = "";
  #finishReason: string | undefined;
  #usage: Usage | undefined;
  readonly #calls = new Map<number, { id: string; name: string; arguments: string }>();

  add(piece: Piece): void {
    this.#content += piece.content ?? "";
    this.#refusal += piece.refusal ?? "";
    this.#reasoning += piece.reasoning ?? "";
    this.#finishReason = piece.finishReason ?? this.#finishReason;
    this.#usage = piece.usage ?? this.#usage;
    for (const { index, id, name, arguments: more } of piece.toolCalls ?? []) {
      const call = this.#calls.get(index) ?? { id: "", name: "", arguments: "" };
      this.#calls.set(index, { id: id ?? call.id, name: name ?? call.name, arguments: call.arguments + (more ?? "") });
    }
  }

  completion(): Completion {
    const toolCalls = [...this.#calls.entries()]
      .toSorted(([left], [right]) => left - right)
      .map(([, { id, ...called }]) => ({ id, type: "function" as const, function: called }));
    return {
      content: this.#content === "" ? null : this.#content,
      ...(this.#refusal !== "" && { refusal: this.#refusal }),
      ...(this.#reasoning !== "" && { reasoning: this.#reasoning }),
      ...(toolCalls.length > 0 && { toolCalls }),
      finishReason: this.#finishReason ?? "stop",
      usage: this.#usage,
    };
  }
}
