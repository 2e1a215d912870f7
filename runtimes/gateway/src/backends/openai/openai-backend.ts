import type { Clock } from "@bellwether/service-kit";
import OpenAI, { APIConnectionError, APIError } from "openai";
import type { Backend, ChatCall, Completion, EmbedCall, Embeddings, Piece } from "../backend.ts";
import { BackendFailure, failureOfConnection, failureOfStatus, retryAfterMs } from "../failure.ts";
import type { KeyFile } from "../key-file.ts";
import { chatParams, readChunk, readCompletion, readUsage } from "./wire.ts";

export interface OpenAiOptions {
  readonly model: string;
  /** Absent: OpenAI itself. */
  readonly baseUrl: string | undefined;
  /** Absent only for a server that wants none. */
  readonly key: KeyFile | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Pick<Clock, "nowMs">;
}

const openAiUrl = "https://api.openai.com/v1";
/** Deadlines are the gateway's; the client's own is only the net below them. */
const longestMs = 3_600_000;

/** OpenAI, and whatever speaks its protocol under a URL. */
export class OpenAiBackend implements Backend {
  readonly #options: OpenAiOptions;
  readonly #client: OpenAI;

  constructor(options: OpenAiOptions) {
    this.#options = options;
    const { key } = options;
    this.#client = new OpenAI({
      apiKey: async () => key?.read() ?? "none",
      baseURL: options.baseUrl ?? openAiUrl,
      fetch: options.fetch,
      // One attempt a call: further ones are the request's, all models together.
      maxRetries: 0,
      timeout: longestMs,
      logLevel: "off",
      // Given, so that none of them comes from the environment.
      organization: null,
      project: null,
      adminAPIKey: null,
      webhookSecret: null,
      ...(key === undefined && { defaultHeaders: { authorization: null } }),
    });
  }

  async complete(call: ChatCall): Promise<Completion> {
    const { signal } = call;
    try {
      this.#options.key?.read();
      return readCompletion(await this.#client.chat.completions.create({ ...this.#params(call), stream: false }, { signal }));
    } catch (error) {
      throw this.#failure(error, { signal, begun: false });
    }
  }

  async *stream(call: ChatCall): AsyncGenerator<Piece> {
    const { signal } = call;
    let begun = false;
    let finished = false;
    try {
      this.#options.key?.read();
      const params = { ...this.#params(call), stream: true as const, stream_options: { include_usage: true } };
      for await (const chunk of await this.#client.chat.completions.create(params, { signal })) {
        const piece = readChunk(chunk);
        begun = true;
        finished ||= piece.finishReason !== undefined;
        yield piece;
      }
    } catch (error) {
      // A fault after the end of the answer takes nothing from it but, perhaps, its usage.
      if (finished) return;
      throw this.#failure(error, { signal, begun });
    }
    // The client ends quietly when it is aborted, and when a server closes the connection in good order in the middle of an answer.
    if (!finished) throw failureOfConnection(new Error("the stream ended without a finish reason"), { signal, begun });
  }

  async embed({ inputs, dimensions, signal }: EmbedCall): Promise<Embeddings> {
    try {
      this.#options.key?.read();
      const { data, usage } = await this.#client.embeddings.create(
        {
          model: this.#options.model,
          input: [...inputs],
          encoding_format: "float",
          ...(dimensions !== undefined && { dimensions }),
        },
        { signal },
      );
      const vectors = [...data].sort((a, b) => a.index - b.index).map((row) => row.embedding);
      if (vectors.length !== inputs.length)
        throw new BackendFailure("MODEL_REPLY_INVALID", `${vectors.length} vectors came for ${inputs.length} texts`, {
          mayBeBilled: true,
        });
      return { vectors, usage: readUsage(usage) };
    } catch (error) {
      throw this.#failure(error, { signal, begun: false });
    }
  }

  #params(call: ChatCall): ReturnType<typeof chatParams> {
    const limitField = this.#options.baseUrl === undefined ? "max_completion_tokens" : "max_tokens";
    return chatParams(call, { model: this.#options.model, limitField });
  }

  #failure(error: unknown, at: { signal: AbortSignal; begun: boolean }): BackendFailure {
    if (error instanceof BackendFailure || at.signal.aborted || error instanceof APIConnectionError) {
      return failureOfConnection(error, at);
    }
    if (error instanceof APIError && error.status !== undefined) {
      const said = (error.error as { message?: unknown } | undefined)?.message;
      const waitMs = retryAfterMs(error.headers?.get("retry-after"), this.#options.clock.nowMs());
      return failureOfStatus(error.status, typeof said === "string" ? said : "", waitMs);
    }
    if (error instanceof SyntaxError)
      return new BackendFailure(at.begun ? "MODEL_BROKE_OFF" : "MODEL_REPLY_INVALID", "the answer is not JSON", {
        mayBeBilled: true,
        cause: error,
      });
    return failureOfConnection(error, at);
  }
}
