import type { ChatResponse, ChatRequest as OllamaRequest, Message, Options, ToolCall as OllamaToolCall } from "ollama";
import type { ChatMessage, ChatRequest } from "../../server/chat-request.ts";
import { messageText } from "../../server/chat-request.ts";
import { type ChatCall, type Piece, type ToolCallPiece, type Usage, isCount } from "../backend.ts";

export interface OllamaTarget {
  readonly model: string;
  readonly contextTokens: number;
  readonly threads: number;
}

/** For ever: loading takes longer than answering. */
const keepAlive = -1;

/**
 * A request for `/api/chat`. The size of the context goes with every call: left out, Ollama takes its own and cuts the prompt to it without a word. Newer
 * versions refuse instead when `truncate` is false; older ones do not know the field, and there the gateway's own check stands alone.
 */
export function chatBody({ request, maxOutputTokens }: ChatCall, target: OllamaTarget): OllamaRequest {
  const { model, contextTokens, threads } = target;
  const format = formatOf(request);
  const never = { truncate: false, shift: false };
  return {
    ...never,
    model,
    messages: messagesOf(request.messages),
    keep_alive: keepAlive,
    ...(format !== undefined && { format }),
    ...(request.tools && request.tool_choice !== "none" && { tools: request.tools.map(toolOf) }),
    options: { ...samplingOf(request), num_ctx: contextTokens, num_predict: maxOutputTokens, num_thread: threads },
  };
}

function samplingOf(request: ChatRequest): Partial<Options> {
  const { temperature, top_p: topP, seed, stop, presence_penalty: presence, frequency_penalty: frequency } = request;
  return {
    ...(typeof temperature === "number" && { temperature }),
    ...(typeof topP === "number" && { top_p: topP }),
    ...(typeof seed === "number" && { seed }),
    ...(stop !== null && stop !== undefined && { stop: [stop].flat() }),
    ...(typeof presence === "number" && { presence_penalty: presence }),
    ...(typeof frequency === "number" && { frequency_penalty: frequency }),
  };
}

function formatOf({ response_format: format }: ChatRequest): string | object | undefined {
  if (format?.type === "json_object") return "json";
  return format?.type === "json_schema" ? (format.json_schema.schema ?? "json") : undefined;
}

type OllamaTool = NonNullable<OllamaRequest["tools"]>[number];

function toolOf({ type, function: described }: NonNullable<ChatRequest["tools"]>[number]): OllamaTool {
  const { name, description, parameters } = described;
  return { type, function: { name, description: description ?? "", parameters: parameters ?? {} } };
}

function messagesOf(messages: readonly ChatMessage[]): Message[] {
  const names = new Map<string, string>();
  return messages.map((message) => {
    const content = messageText(message);
    // Ollama knows the system, and tools by the name of what was called.
    if (message.role === "developer") return { role: "system", content };
    if (message.role === "tool")
      return { role: "tool", content, tool_name: names.get(message.tool_call_id) ?? message.tool_call_id };
    if (message.role !== "assistant" || !message.tool_calls) return { role: message.role, content };
    for (const { id, function: called } of message.tool_calls) names.set(id, called.name);
    return {
      role: "assistant",
      content,
      tool_calls: message.tool_calls.map(({ function: called }) => ({
        function: { name: called.name, arguments: argumentsOf(called.arguments) },
      })),
    };
  });
}

/** What a model once said may be no JSON; it is handed back as it was. */
function argumentsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    return { text };
  }
  return { text };
}

/** One line of an answer → the piece it brings. `calls`: how many tool calls came before it. */
export function readLine(line: ChatResponse, calls: number): Piece {
  const { content, thinking, tool_calls: toolCalls } = line.message ?? {};
  const pieces = toolCalls?.map((call, index) => toolCallPiece(call, calls + index)) ?? [];
  const called = calls + pieces.length > 0;
  return {
    ...(content && { content }),
    ...(thinking && { reasoning: thinking }),
    ...(pieces.length > 0 && { toolCalls: pieces }),
    ...(line.done && { finishReason: finishReasonOf(line.done_reason, called), usage: usageOf(line) }),
  };
}

function toolCallPiece({ function: called }: OllamaToolCall, index: number): ToolCallPiece {
  return { index, id: `call_${index}`, name: called.name, arguments: JSON.stringify(called.arguments ?? {}) };
}

function finishReasonOf(reason: string | undefined, called: boolean): string {
  if (called) return "tool_calls";
  return reason === "length" ? "length" : "stop";
}

/** Counts are left out where there is nothing to count: a prompt that was in the cache, an answer of nothing. */
function usageOf({ prompt_eval_count: input, eval_count: output }: ChatResponse): Usage {
  return { inputTokens: isCount(input) ? input : 0, outputTokens: isCount(output) ? output : 0, cachedInputTokens: 0 };
}
