import { ApiError, GoogleGenAI } from "@google/genai";
import { CompletionCollector } from "../../answering/answer.ts";
import type { Backend, ChatCall, Completion, EmbedCall, Embeddings, Piece } from "../backend.ts";
import { BackendFailure, failureOfConnection, failureOfStatus } from "../failure.ts";
import type { KeyFile } from "../key-file.ts";
import { geminiCall, readResponse } from "./wire.ts";

export interface GeminiOptions {
  readonly model: string;
  /** Absent: Google's own. */
  readonly baseUrl: string | undefined;
  readonly key: KeyFile;
  readonly fetch: typeof globalThis.fetch;
}

/** Google Gemini. Its key travels in a header: one in the address would stand in every exception and every proxy's log. */
export class GeminiBackend implements Backend {
  readonly #options: GeminiOptions;
  #client: { readonly key: string; readonly models: GoogleGenAI["models"] } | undefined;

  constructor(options: GeminiOptions) {
    this.#options = options;
  }

  async complete(call: ChatCall): Promise<Completion> {
    const { signal } = call;
    try {
      const response = await this.#models().generateContent({ model: this.#options.model, ...geminiCall(call) });
      const piece = readResponse(response, 0);
      if (piece.finishReason === undefined)
        throw new BackendFailure("MODEL_REPLY_INVALID", "the answer has no candidate", { mayBeBilled: true });
      const collector = new CompletionCollector();
      collector.add(piece);
      return collector.completion();
    } catch (error) {
      throw failureOf(error, { signal, begun: false });
    }
  }

  async *stream(call: ChatCall): AsyncGenerator<Piece> {
    const { signal } = call;
    let begun = false;
    let finished = false;
    let calls = 0;
    try {
      for await (const response of await this.#models().generateContentStream({
        model: this.#options.model,
        ...geminiCall(call),
      })) {
        const piece = readResponse(response, calls);
        calls += piece.toolCalls?.length ?? 0;
        begun = true;
        finished ||= piece.finishReason !== undefined;
        yield piece;
      }
    } catch (error) {
      if (finished) return;
      throw failureOf(error, { signal, begun });
    }
    if (!finished) throw failureOfConnection(new Error("the stream ended without a finish reason"), { signal, begun });
  }

  async embed({ inputs, dimensions, signal }: EmbedCall): Promise<Embeddings> {
    try {
      const { embeddings } = await this.#models().embedContent({
        model: this.#options.model,
        contents: [...inputs],
        config: { abortSignal: signal, ...(dimensions !== undefined && { outputDimensionality: dimensions }) },
      });
      const vectors = (embeddings ?? []).map(({ values }) => values ?? []);
      if (vectors.length !== inputs.length || vectors.some((vector) => vector.length === 0))
        throw new BackendFailure("MODEL_REPLY_INVALID", `${vectors.length} vectors came for ${inputs.length} texts`, {
          mayBeBilled: true,
        });
      // Gemini says nothing of what an embedding used.
      return { vectors, usage: undefined };
    } catch (error) {
      throw failureOf(error, { signal, begun: false });
    }
  }

  #models(): GoogleGenAI["models"] {
    const key = this.#options.key.read();
    if (this.#client?.key === key) return this.#client.models;
    const { baseUrl, fetch } = this.#options;
    const { models } = new GoogleGenAI({
      apiKey: key,
      // Said, so that the environment does not decide.
      vertexai: false,
      httpOptions: { fetch, ...(baseUrl !== undefined && { baseUrl }) },
    });
    this.#client = { key, models };
    return models;
  }
}

/** A wrong key is a 400 here; its reason stands in the body as a code. */
const wrongKey = "API_KEY_INVALID";

function failureOf(error: unknown, at: { signal: AbortSignal; begun: boolean }): BackendFailure {
  if (!(error instanceof ApiError) || at.signal.aborted) return failureOfConnection(error, at);
  const { status, message } = error;
  // A body that is no JSON, or an error event within a stream, has lost its status on the way.
  if (at.begun || status === undefined) return failureOfConnection(error, at);
  return failureOfStatus(status === 400 && message.includes(wrongKey) ? 401 : status, saidIn(message));
}

function saidIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } };
    return typeof error?.message === "string" ? error.message : "";
  } catch {
    return "";
  }
}
