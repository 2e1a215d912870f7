import { z } from "zod";
import type { WholeAnswer } from "../answering/answer.ts";
import { type ChatMessage, type ChatRequest, chatRequest } from "./chat-request.ts";
import type { Stamp } from "./chat-wire.ts";

/**
 * The part of OpenAI's Responses that a route speaks: a question in text, an answer in text or of a JSON schema, whole. Nothing is stored, so that a
 * conversation is sent whole each time; tools and streams are spoken by chat completions. Strict, as those are.
 */

const textPart = z.strictObject({ type: z.enum(["input_text", "output_text"]), text: z.string() });
const item = z.strictObject({
  type: z.literal("message").optional(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(textPart).min(1).max(1_000)]),
});
const { shape } = chatRequest;
const format = z.union([
  z.strictObject({ type: z.enum(["text", "json_object"]) }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string().min(1).max(200),
    description: z.string().optional(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
]);

export const responsesRequest = z.strictObject({
  model: shape.model,
  input: z.union([z.string().min(1), z.array(item).min(1).max(4_096)]),
  instructions: z.string().nullish(),
  max_output_tokens: shape.max_completion_tokens,
  temperature: shape.temperature,
  top_p: shape.top_p,
  reasoning: z.strictObject({ effort: shape.reasoning_effort }).nullish(),
  text: z.strictObject({ format: format.optional() }).optional(),
  user: shape.user,
  store: z.literal(false, "nothing is stored here: must be false").nullish(),
  stream: z.literal(false, "is spoken by /v1/chat/completions only").nullish(),
});
type ResponsesRequest = z.output<typeof responsesRequest>;

/** The same question as a chat. */
export function chatOf({
  input,
  instructions,
  max_output_tokens: limit,
  reasoning,
  text,
  ...rest
}: ResponsesRequest): ChatRequest {
  const { model, temperature, top_p: topP, user } = rest;
  const system: ChatMessage[] = typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  const said: ChatMessage[] =
    typeof input === "string"
      ? [{ role: "user", content: input }]
      : input.map(({ role, content }) => ({
          role,
          content: typeof content === "string" ? content : content.map((part) => part.text).join(""),
        }));
  return {
    model,
    messages: [...system, ...said],
    max_completion_tokens: limit,
    temperature,
    top_p: topP,
    reasoning_effort: reasoning?.effort,
    ...(user !== undefined && { user }),
    ...(text?.format && { response_format: formatOf(text.format) }),
  };
}

function formatOf(asked: z.output<typeof format>): NonNullable<ChatRequest["response_format"]> {
  if (asked.type !== "json_schema") return { type: asked.type };
  const { type, ...schema } = asked;
  return { type, json_schema: schema };
}

/** A whole answer in the form of Responses. Without a usage from the provider it has none. */
export function wireResponse({ notes, completion }: Pick<WholeAnswer, "notes" | "completion">, { id, createdMs }: Stamp): object {
  const { content, refusal, finishReason, usage } = completion;
  const cutOff =
    finishReason === "length" ? "max_output_tokens" : finishReason === "content_filter" ? "content_filter" : undefined;
  const part =
    refusal === undefined ? { type: "output_text", text: content ?? "", annotations: [] } : { type: "refusal", refusal };
  const status = cutOff === undefined ? "completed" : "incomplete";
  return {
    id,
    object: "response",
    created_at: Math.floor(createdMs / 1_000),
    status,
    error: null,
    incomplete_details: cutOff === undefined ? null : { reason: cutOff },
    model: notes.model,
    output: [{ type: "message", id: `msg_${id}`, status, role: "assistant", content: [part] }],
    parallel_tool_calls: false,
    tools: [],
    store: false,
    ...(usage && {
      usage: {
        input_tokens: usage.inputTokens,
        input_tokens_details: { cached_tokens: usage.cachedInputTokens },
        output_tokens: usage.outputTokens,
        total_tokens: usage.inputTokens + usage.outputTokens,
      },
    }),
  };
}
