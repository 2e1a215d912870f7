import type { Answer, StandInUsage } from "./answer.ts";
import type { Behaviour } from "./behaviours.ts";

export function openAiUsage({ inputTokens, outputTokens, reasoningTokens }: StandInUsage): Record<string, unknown> {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

interface Frame {
  readonly data: object | string;
  readonly comment?: string;
}

const head = { id: "chatcmpl-stand-in", object: "chat.completion.chunk", created: 1_700_000_000, model: "stand-in" };

function chunk(delta: object, extra: { finish?: string; usage?: unknown; choiceUsage?: unknown } = {}): object {
  const choice = {
    index: 0,
    delta,
    finish_reason: extra.finish ?? null,
    ...(extra.choiceUsage !== undefined && { usage: extra.choiceUsage }),
  };
  return { ...head, choices: [choice], ...(extra.usage !== undefined && { usage: extra.usage }) };
}

/** The frames of a streamed answer, in order; the last one is `[DONE]` unless the shape leaves it out. */
export function framesOf(answer: Answer, behaviour: Behaviour): Frame[] {
  const usage = shownUsage(answer.usage, behaviour);
  const usageChunk = { ...head, choices: [], usage };
  const running = (count: number): unknown => {
    if (behaviour === "usage-null-until-last") return null;
    if (behaviour !== "usage-every-chunk") return undefined;
    return openAiUsage({ ...answer.usage, outputTokens: count });
  };
  const frames: Frame[] = [{ data: chunk({ role: "assistant", content: "" }, { usage: running(0) }) }];
  if (behaviour === "reasoning") frames.push({ data: chunk({ reasoning_content: "Let me think. " }) });
  if (behaviour === "tool-call") frames.push(...toolFrames());
  else {
    for (const [index, piece] of answer.pieces.entries()) {
      frames.push({
        data: chunk({ content: piece }, { usage: running(index + 1) }),
        ...(behaviour === "comments" && { comment: "still here" }),
      });
    }
  }
  const finish = behaviour === "tool-call" ? "tool_calls" : "stop";
  if (behaviour === "usage-before-finish") frames.push({ data: usageChunk });
  if (behaviour === "usage-with-finish" || behaviour === "usage-every-chunk") frames.push({ data: chunk({}, { finish, usage }) });
  else if (behaviour === "usage-in-choice") frames.push({ data: chunk({}, { finish, choiceUsage: usage }) });
  else frames.push({ data: chunk({}, { finish, usage: running(0) === null ? null : undefined }) });
  const told = new Set<Behaviour>([
    "usage-before-finish",
    "usage-with-finish",
    "usage-every-chunk",
    "usage-in-choice",
    "no-usage",
  ]);
  if (!told.has(behaviour)) frames.push({ data: usageChunk });
  if (behaviour !== "no-done") frames.push({ data: "[DONE]" });
  if (behaviour === "after-done") frames.push({ data: "{not json" });
  return frames;
}

function toolFrames(): Frame[] {
  const call = (part: object): Frame => ({ data: chunk({ tool_calls: [{ index: 0, ...part }] }) });
  return [
    call({ id: "call_1", type: "function", function: { name: "price", arguments: "" } }),
    call({ function: { arguments: '{"mar' } }),
    call({ function: { arguments: 'ket":"BTC/USDT"}' } }),
  ];
}

function shownUsage(usage: StandInUsage, behaviour: Behaviour): unknown {
  const shown = openAiUsage(usage);
  switch (behaviour) {
    case "usage-negative":
      return { ...shown, completion_tokens: -5, total_tokens: -5 };
    case "usage-absurd":
      return { ...shown, completion_tokens: 9_000_000_000, total_tokens: 9_000_000_000 };
    case "usage-total-has-thoughts":
      return { ...shown, completion_tokens: usage.outputTokens - usage.reasoningTokens };
    default:
      return shown;
  }
}

/** Frames as bytes, one buffer for each write. */
export function writesOf(frames: readonly Frame[], behaviour: Behaviour): Buffer[] {
  const end = behaviour === "crlf" ? "\r\n" : "\n";
  const blank = behaviour === "no-blank" ? "" : " ";
  const texts = frames.map(({ data, comment }) => {
    const line = `data:${blank}${typeof data === "string" ? data : JSON.stringify(data)}${end}${end}`;
    return comment === undefined ? line : `: ${comment}${end}${end}${line}`;
  });
  if (behaviour === "one-burst") return [Buffer.from(texts.join(""))];
  if (behaviour !== "split-bytes") return texts.map((text) => Buffer.from(text));
  const bytes = Buffer.from(texts.join(""));
  const writes: Buffer[] = [];
  for (let start = 0, size = 1; start < bytes.length; start += size, size = (size % 7) + 1)
    writes.push(bytes.subarray(start, start + size));
  return writes;
}
