import type { Clock } from "@bellwether/service-kit";
import type OpenAI from "openai";
import { Stream } from "openai/streaming";
import type { Backend, ChatCall, Completion, EmbedCall, Embeddings, Piece } from "../backend.ts";
import { BackendFailure, failureOfConnection, failureOfStatus, retryAfterMs } from "../failure.ts";
import type { Post, PostReply } from "../kept-connections.ts";
import type { KeyFile } from "../key-file.ts";
import { chatParams, readChunk, readCompletion, readUsage } from "./wire.ts";

export interface OpenAiOptions {
  readonly model: string;
  /** Absent: OpenAI itself. */
  readonly baseUrl: string | undefined;
  /** Absent only for a server that wants none. */
  readonly key: KeyFile | undefined;
  readonly post: Post;
  readonly clock: Pick<Clock, "nowMs">;
}

const openAiUrl = "https://api.openai.com/v1";

/**
 * OpenAI, and whatever speaks its protocol under a URL. Of the vendor's package it has the types and the reader of event streams; the package's client is
 * left out, because its way around one request (retries, signals, logs that nobody reads) costs a sixth of the gateway's whole processor time.
 */
export class OpenAiBackend implements Backend {
  readonly #options: OpenAiOptions;
  readonly #baseUrl: string;

  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#baseUrl = (options.baseUrl ?? openAiUrl).replace(/\/+$/, "");
  }

  async complete(call: ChatCall): Promise<Completion> {
    const { signal } = call;
    try {
      return readCompletion(await this.#ask<OpenAI.ChatCompletion>("/chat/completions", this.#params(call), signal));
    } catch (error) {
      throw failureOf(error, { signal, begun: false });
    }
  }

  async *stream(call: ChatCall): AsyncGenerator<Piece> {
    const { signal } = call;
    // The reader of the stream ends the request, too, when nobody wants the rest.
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    let begun = false;
    let finished = false;
    try {
      const params = { ...this.#params(call), stream: true, stream_options: { include_usage: true } };
      const response = await this.#post("/chat/completions", params, controller.signal);
      // All that the reader takes of a Response is its body.
      const events = Stream.fromSSEResponse<OpenAI.ChatCompletionChunk>(response as unknown as Response, controller);
      for await (const chunk of events) {
        const piece = readChunk(chunk);
        begun = true;
        finished ||= piece.finishReason !== undefined;
        yield piece;
      }
    } catch (error) {
      // A fault after the end of the answer takes nothing from it but, perhaps, its usage.
      if (finished) return;
      throw failureOf(error, { signal, begun });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    // The reader ends quietly when it is aborted, and when a server closes the connection in good order in the middle of an answer.
    if (!finished) throw failureOfConnection(new Error("the stream ended without a finish reason"), { signal, begun });
  }

  async embed({ inputs, dimensions, signal }: EmbedCall): Promise<Embeddings> {
    const params = { model: this.#options.model, input: inputs, encoding_format: "float", dimensions };
    try {
      const { data, usage } = await this.#ask<OpenAI.CreateEmbeddingResponse>("/embeddings", params, signal);
      const vectors = data.toSorted((a, b) => a.index - b.index).map((row) => row.embedding);
      if (vectors.length !== inputs.length)
        throw new BackendFailure("MODEL_REPLY_INVALID", `${vectors.length} vectors came for ${inputs.length} texts`, {
          mayBeBilled: true,
        });
      return { vectors, usage: readUsage(usage) };
    } catch (error) {
      throw failureOf(error, { signal, begun: false });
    }
  }

  #params(call: ChatCall): ReturnType<typeof chatParams> {
    const limitField = this.#options.baseUrl === undefined ? "max_completion_tokens" : "max_tokens";
    return chatParams(call, { model: this.#options.model, limitField });
  }

  async #ask<T>(path: string, params: object, signal: AbortSignal): Promise<T> {
    const response = await this.#post(path, params, signal);
    return JSON.parse(await response.text()) as T;
  }

  async #post(path: string, params: object, signal: AbortSignal): Promise<PostReply> {
    const { key, post, clock } = this.#options;
    const authorization = key === undefined ? {} : { authorization: `Bearer ${key.read()}` };
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", ...authorization };
    const reply = await post(this.#baseUrl + path, { headers, body: JSON.stringify(params), signal });
    if (reply.ok) return reply;
    const waitMs = retryAfterMs(reply.header("retry-after"), clock.nowMs());
    throw failureOfStatus(reply.status, errorIn(await reply.text()), waitMs);
  }
}

/** The provider's own words; empty when it says nothing that can be read. */
function errorIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } };
    return typeof error?.message === "string" ? error.message : "";
  } catch {
    // A proxy's page of HTML: the status is what counts.
    return "";
  }
}

function failureOf(error: unknown, at: { signal: AbortSignal; begun: boolean }): BackendFailure {
  if (error instanceof SyntaxError && !at.signal.aborted)
    return new BackendFailure(at.begun ? "MODEL_BROKE_OFF" : "MODEL_REPLY_INVALID", "the answer is not JSON", {
      mayBeBilled: true,
      cause: error,
    });
  return failureOfConnection(error, at);
}
