import { Ollama } from "ollama";
import { CompletionCollector } from "../../answering/answer.ts";
import {
  type Backend,
  type ChatCall,
  type Completion,
  type EmbedCall,
  type Embeddings,
  type Piece,
  isCount,
} from "../backend.ts";
import { BackendFailure, failureOfConnection, failureOfStatus } from "../failure.ts";
import { type OllamaTarget, chatBody, readLine } from "./wire.ts";

export interface OllamaOptions extends OllamaTarget {
  readonly baseUrl: string;
  readonly fetch: typeof globalThis.fetch;
}

/** A local model behind Ollama's own interface; its OpenAI-like one ignores the size of the context. */
export class OllamaBackend implements Backend {
  readonly #options: OllamaOptions;

  constructor(options: OllamaOptions) {
    this.#options = options;
  }

  /** Streamed, too: Ollama notices between two tokens that nobody waits any more, and gives the cores back. */
  async complete(call: ChatCall): Promise<Completion> {
    const collector = new CompletionCollector();
    for await (const piece of this.stream(call)) collector.add(piece);
    return collector.completion();
  }

  async *stream(call: ChatCall): AsyncGenerator<Piece> {
    const { signal } = call;
    let begun = false;
    let calls = 0;
    try {
      const lines = await this.#client(signal).chat({ ...chatBody(call, this.#options), stream: true });
      for await (const line of lines) {
        const piece = readLine(line, calls);
        calls += piece.toolCalls?.length ?? 0;
        begun = true;
        yield piece;
      }
    } catch (error) {
      throw failureOf(error, { signal, begun });
    }
  }

  async embed({ inputs, dimensions, signal }: EmbedCall): Promise<Embeddings> {
    const { model, contextTokens, threads } = this.#options;
    try {
      const reply = await this.#client(signal).embed({
        model,
        input: [...inputs],
        truncate: false,
        keep_alive: -1,
        ...(dimensions !== undefined && { dimensions }),
        options: { num_ctx: contextTokens, num_thread: threads },
      });
      const { embeddings: vectors, prompt_eval_count: tokens } = reply;
      if (vectors?.length !== inputs.length)
        throw new BackendFailure("MODEL_REPLY_INVALID", `${vectors?.length ?? 0} vectors came for ${inputs.length} texts`, {
          mayBeBilled: true,
        });
      return { vectors, usage: { inputTokens: isCount(tokens) ? tokens : 0, outputTokens: 0, cachedInputTokens: 0 } };
    } catch (error) {
      throw failureOf(error, { signal, begun: false });
    }
  }

  /** A client for each call: its own signal reaches the connection in no other way, except all calls' at once. */
  #client(signal: AbortSignal): Ollama {
    const { baseUrl, fetch } = this.#options;
    return new Ollama({
      host: baseUrl,
      fetch: (url, init) => fetch(url, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, signal]) : signal }),
    });
  }
}

function failureOf(error: unknown, at: { signal: AbortSignal; begun: boolean }): BackendFailure {
  // The client does not export its error; the status is what tells it.
  const status = (error as { status_code?: unknown }).status_code;
  if (typeof status !== "number" || at.signal.aborted) return failureOfConnection(error, at);
  return failureOfStatus(status, error instanceof Error ? error.message : "");
}
