import type OpenAI from "openai";
import { type ChatCall, type Completion, type Piece, type ToolCallPiece, type Usage, isCount } from "../backend.ts";
import { BackendFailure } from "../failure.ts";

type Params = Omit<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming, "stream">;

/** What servers that merely speak the protocol add to it. */
interface Thinking {
  readonly reasoning_content?: string | null;
  readonly reasoning?: string | null;
}

/** `limitField`: OpenAI's newer models know `max_completion_tokens` only, most other servers `max_tokens` only. */
export function chatParams(
  call: ChatCall,
  target: { model: string; limitField: "max_tokens" | "max_completion_tokens" },
): Params {
  const { stream: _stream, stream_options: _options, max_tokens: _tokens, max_completion_tokens: _all, ...asked } = call.request;
  const present = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null && value !== undefined));
  return { ...(present as unknown as Params), model: target.model, [target.limitField]: call.maxOutputTokens };
}

/** @throws BackendFailure MODEL_REPLY_INVALID */
export function readCompletion(body: OpenAI.Chat.ChatCompletion): Completion {
  const choice = body?.choices?.[0];
  if (choice?.message === undefined)
    throw new BackendFailure("MODEL_REPLY_INVALID", "the answer has no choice", { mayBeBilled: true });
  const { content, refusal, tool_calls: calls, ...rest } = choice.message;
  const reasoning = reasoningOf(rest as Thinking);
  const toolCalls = (calls ?? []).flatMap((call) => (call.type === "function" ? [call] : []));
  return {
    content: content ?? null,
    ...(typeof refusal === "string" && { refusal }),
    ...(reasoning !== undefined && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    finishReason: choice.finish_reason ?? "stop",
    usage: readUsage(body.usage),
  };
}

/** A chunk → the piece it brings; the last one often has no choice and only the usage. */
export function readChunk(chunk: OpenAI.Chat.ChatCompletionChunk): Piece {
  const choice = chunk.choices?.[0];
  const usage = readUsage(chunk.usage ?? usageWithinChoice(choice));
  const delta = choice?.delta;
  const reasoning = delta === undefined ? undefined : reasoningOf(delta as Thinking);
  const toolCalls = delta?.tool_calls?.map(readToolCall);
  return {
    ...(typeof delta?.content === "string" && delta.content !== "" && { content: delta.content }),
    ...(typeof delta?.refusal === "string" && { refusal: delta.refusal }),
    ...(reasoning !== undefined && { reasoning }),
    ...(toolCalls !== undefined && toolCalls.length > 0 && { toolCalls }),
    ...(typeof choice?.finish_reason === "string" && { finishReason: choice.finish_reason }),
    ...(usage && { usage }),
  };
}

/** One family of servers puts the usage into the last choice. */
function usageWithinChoice(
  choice: OpenAI.Chat.ChatCompletionChunk.Choice | undefined,
): OpenAI.CompletionUsage | null | undefined {
  return (choice as { usage?: OpenAI.CompletionUsage | null } | undefined)?.usage;
}

function reasoningOf({ reasoning_content: content, reasoning }: Thinking): string | undefined {
  return content || reasoning || undefined;
}

function readToolCall(call: OpenAI.Chat.ChatCompletionChunk.Choice.Delta.ToolCall): ToolCallPiece {
  const { index, id, function: called } = call;
  return {
    index: index ?? 0,
    ...(id && { id }),
    ...(called?.name && { name: called.name }),
    ...(called?.arguments !== undefined && { arguments: called.arguments }),
  };
}

/**
 * Undefined when there is none, or none that can be one. Thought is part of `completion_tokens`; where a server counts it beside them, the total
 * tells.
 */
export function readUsage(
  usage: OpenAI.CompletionUsage | OpenAI.CreateEmbeddingResponse.Usage | null | undefined,
): Usage | undefined {
  if (usage === null || usage === undefined) return undefined;
  const { prompt_tokens: input, total_tokens: total } = usage;
  const said = "completion_tokens" in usage ? usage.completion_tokens : 0;
  const cached = "prompt_tokens_details" in usage ? (usage.prompt_tokens_details?.cached_tokens ?? 0) : 0;
  if (![input, said, cached].every(isCount)) return undefined;
  const output = isCount(total) && total > input + said ? total - input : said;
  return { inputTokens: input, outputTokens: output, cachedInputTokens: Math.min(cached, input) };
}
