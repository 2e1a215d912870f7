import {
  type Content,
  FunctionCallingConfigMode,
  type GenerateContentConfig,
  type GenerateContentResponse,
  type GenerateContentResponseUsageMetadata,
  type Part,
} from "@google/genai";
import { type ChatMessage, type ChatRequest, messageText } from "../../server/chat-request.ts";
import { type ChatCall, type Piece, type Usage, isCount } from "../backend.ts";

/** A request's messages, and all that is set around them. */
export interface GeminiCall {
  readonly contents: Content[];
  readonly config: GenerateContentConfig;
}

export function geminiCall({ request, maxOutputTokens, signal }: ChatCall): GeminiCall {
  const system = request.messages.filter(({ role }) => role === "system" || role === "developer").map(messageText);
  return {
    contents: contentsOf(request.messages),
    config: {
      // Thought counts towards it, too.
      maxOutputTokens,
      abortSignal: signal,
      ...(system.length > 0 && { systemInstruction: system.join("\n\n") }),
      ...samplingOf(request),
      ...formatOf(request),
      ...toolsOf(request),
    },
  };
}

function contentsOf(messages: readonly ChatMessage[]): Content[] {
  const names = new Map<string, string>();
  const contents: Content[] = [];
  for (const message of messages) {
    if (message.role === "system" || message.role === "developer") continue;
    const parts = partsOf(message, names);
    const role = message.role === "assistant" ? "model" : "user";
    const last = contents.at(-1);
    // Turns alternate: answers of several tools are one turn of the user's.
    if (last?.role === role) last.parts = [...(last.parts ?? []), ...parts];
    else contents.push({ role, parts });
  }
  return contents;
}

function partsOf(message: ChatMessage, names: Map<string, string>): Part[] {
  const text = messageText(message);
  if (message.role === "tool")
    return [{ functionResponse: { name: names.get(message.tool_call_id) ?? message.tool_call_id, response: { result: text } } }];
  const calls = message.role === "assistant" ? (message.tool_calls ?? []) : [];
  for (const { id, function: called } of calls) names.set(id, called.name);
  const called = calls.map(({ function: { name, arguments: given } }) => ({ functionCall: { name, args: argumentsOf(given) } }));
  return text === "" && called.length > 0 ? called : [{ text }, ...called];
}

function argumentsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : { value };
  } catch {
    // What a model once said may be no JSON; it is handed back as it was.
    return { text };
  }
}

function samplingOf(request: ChatRequest): GenerateContentConfig {
  const { temperature, top_p: topP, seed, stop, presence_penalty: presence, frequency_penalty: frequency } = request;
  return {
    ...(typeof temperature === "number" && { temperature }),
    ...(typeof topP === "number" && { topP }),
    ...(typeof seed === "number" && { seed }),
    ...(stop !== null && stop !== undefined && { stopSequences: [stop].flat() }),
    ...(typeof presence === "number" && { presencePenalty: presence }),
    ...(typeof frequency === "number" && { frequencyPenalty: frequency }),
  };
}

function formatOf({ response_format: format }: ChatRequest): GenerateContentConfig {
  if (format?.type !== "json_object" && format?.type !== "json_schema") return {};
  const schema = format.type === "json_schema" ? format.json_schema.schema : undefined;
  return { responseMimeType: "application/json", ...(schema && { responseJsonSchema: schema }) };
}

function toolsOf({ tools, tool_choice: choice }: ChatRequest): GenerateContentConfig {
  if (!tools) return {};
  const functionDeclarations = tools.map(({ function: { name, description, parameters } }) => ({
    name,
    ...(description !== undefined && { description }),
    ...(parameters && { parametersJsonSchema: parameters }),
  }));
  return { tools: [{ functionDeclarations }], toolConfig: { functionCallingConfig: callingOf(choice) } };
}

function callingOf(choice: ChatRequest["tool_choice"]): { mode: FunctionCallingConfigMode; allowedFunctionNames?: string[] } {
  const { ANY, AUTO, NONE } = FunctionCallingConfigMode;
  if (typeof choice === "object") return { mode: ANY, allowedFunctionNames: [choice.function.name] };
  if (choice === "required") return { mode: ANY };
  return { mode: choice === "none" ? NONE : AUTO };
}

/** A response, whole or a part of a stream → the piece it brings. `calls`: how many tool calls came before it. */
export function readResponse(response: GenerateContentResponse, calls: number): Piece {
  const candidate = response.candidates?.[0];
  const parts = candidate?.content?.parts ?? [];
  const textOf = (thought: boolean): string =>
    parts
      .filter((part) => (part.thought === true) === thought)
      .map(({ text }) => text ?? "")
      .join("");
  const toolCalls = parts
    .flatMap(({ functionCall }) => (functionCall ? [functionCall] : []))
    .map(({ name, args }, index) => ({
      index: calls + index,
      id: `call_${calls + index}`,
      name: name ?? "",
      arguments: JSON.stringify(args ?? {}),
    }));
  const [content, reasoning] = [textOf(false), textOf(true)];
  const blocked = response.promptFeedback?.blockReason;
  const finishReason =
    blocked === undefined ? finishReasonOf(candidate?.finishReason, calls + toolCalls.length > 0) : "content_filter";
  const usage = usageOf(response.usageMetadata);
  return {
    ...(content !== "" && { content }),
    ...(reasoning !== "" && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(blocked !== undefined && { refusal: `the prompt was blocked: ${blocked}` }),
    ...(finishReason !== undefined && { finishReason }),
    ...(usage && { usage }),
  };
}

function finishReasonOf(reason: string | undefined, called: boolean): string | undefined {
  if (reason === undefined || reason === "FINISH_REASON_UNSPECIFIED") return undefined;
  if (reason === "STOP") return called ? "tool_calls" : "stop";
  return reason === "MAX_TOKENS" ? "length" : "content_filter";
}

/** Thoughts are billed as output, what tools brought in as input; neither is in the count beside it. */
function usageOf(usage: GenerateContentResponseUsageMetadata | undefined): Usage | undefined {
  if (!usage) return undefined;
  const { promptTokenCount: prompt, toolUsePromptTokenCount: tools = 0, candidatesTokenCount: said = 0 } = usage;
  const { thoughtsTokenCount: thought = 0, cachedContentTokenCount: cached = 0 } = usage;
  if (![prompt, tools, said, thought, cached].every(isCount)) return undefined;
  const inputTokens = (prompt ?? 0) + tools;
  return { inputTokens, outputTokens: said + thought, cachedInputTokens: Math.min(cached, inputTokens) };
}
