import { CodedError } from "@bellwether/service-kit";
import { promptTokenBound } from "../budget/spend.ts";
import type { GatewayErrorCode } from "../errors.ts";
import type { ChatRequest } from "../server/chat-request.ts";
import type { Bounds } from "./metering.ts";
import type { RouteModel } from "./route-model.ts";

/** A prompt measured once for all models that may get it. */
export interface MeasuredPrompt {
  /** No vendor's vocabulary makes more of it. */
  readonly boundTokens: number;
  /** By one vocabulary, near the truth for all; reckoned only when the bound does not settle the matter. */
  estimateTokens(): Promise<number>;
}

/** Counts the tokens of a text. */
export type CountTokens = (text: string) => Promise<number>;

export function measurePrompt({ messages, tools, response_format: format }: ChatRequest, count: CountTokens): MeasuredPrompt {
  const serialised = JSON.stringify({ messages, tools, format });
  let estimate: Promise<number> | undefined;
  return {
    boundTokens: promptTokenBound(serialised, messages.length),
    estimateTokens: () => (estimate ??= count(serialised)),
  };
}

/** The answer's limit: what the caller asks for, the model's own otherwise. Tokens. */
export function outputLimit(request: ChatRequest, model: RouteModel): number {
  return request.max_completion_tokens ?? request.max_tokens ?? model.config.maxOutputTokens;
}

/**
 * The bounds of an answer by this model.
 *
 * @throws CodedError CONTEXT_TOO_LONG with the numbers: what does not fit is never cut
 */
export async function boundsFor(model: RouteModel, request: ChatRequest, prompt: MeasuredPrompt): Promise<Bounds> {
  const outputTokens = outputLimit(request, model);
  const room = model.contextTokens - outputTokens;
  if (prompt.boundTokens > room) {
    const estimate = await prompt.estimateTokens();
    const promptTokens = model.local ? Math.ceil(estimate * UNKNOWN_VOCABULARY) : estimate;
    if (promptTokens > room) throw tooLong(model, { promptTokens, outputTokens });
  }
  return { inputTokens: prompt.boundTokens, outputTokens };
}

/**
 * A local model's vocabulary is not known here, and Ollama would cut what is over without a word, where a provider refuses it: older and smaller
 * vocabularies need up to a third more tokens for the same text.
 */
const UNKNOWN_VOCABULARY = 4 / 3;

function tooLong(model: RouteModel, { promptTokens, outputTokens }: { promptTokens: number; outputTokens: number }): CodedError {
  const { name, contextTokens } = model;
  return new CodedError<GatewayErrorCode>(
    "CONTEXT_TOO_LONG",
    `the prompt has about ${promptTokens} tokens and the answer may have ${outputTokens}: together ${promptTokens + outputTokens}, but the context of ${name} holds ${contextTokens}`,
    { context: { model: name, promptTokens, outputTokens, contextTokens } },
  );
}
