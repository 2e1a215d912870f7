import type { ChatRequest } from "../server/chat-request.ts";
import { messageText } from "../server/chat-request.ts";

/** An answer as far as keeping it goes. */
export interface CacheableAnswer {
  readonly content: string | null;
  readonly refusal?: string | undefined;
  readonly toolCalls?: readonly unknown[] | undefined;
  /** `stop` is the only end that is one. */
  readonly finishReason: string;
  /** Which model answered because the wanted one could not: such an answer is kept briefly. */
  readonly degraded: boolean;
  /** False: a check of the answer failed, and it was given out for want of a better one. */
  readonly held: boolean;
}

export type Keep =
  | { readonly keep: true; readonly ttlMs: number; readonly volatile: boolean }
  | {
      readonly keep: false;
      readonly reason: "TEMPERATURE" | "TOOL_CALLS" | "CUT_OFF" | "REFUSED" | "EMPTY" | "DOUBTED";
    };

export interface CacheTimes {
  /** How long an answer is kept. */
  readonly ttlMs: number;
  /** How long one is that speaks of prices, news or anything of the moment. */
  readonly volatileTtlMs: number;
}

/** Who asks for more wants another answer each time. Without a word on it, nobody does. */
export const MAX_CACHED_TEMPERATURE = 0.5;

/** Whether an answer to this request may come from the cache at all. */
export function mayLookUp(request: Pick<ChatRequest, "temperature">): boolean {
  return (request.temperature ?? 0) <= MAX_CACHED_TEMPERATURE;
}

/**
 * Whether and how long to keep an answer. Never: with tool calls, for the second caller would get an action that was the first one's; cut off,
 * by length or a hung-up line; refused, empty, doubted; asked for at a high temperature. Errors have no answer to keep.
 */
export function keepAnswer(request: ChatRequest, answer: CacheableAnswer, times: CacheTimes): Keep {
  if (!mayLookUp(request)) return { keep: false, reason: "TEMPERATURE" };
  if ((answer.toolCalls?.length ?? 0) > 0 || answer.finishReason === "tool_calls") return { keep: false, reason: "TOOL_CALLS" };
  if (answer.refusal !== undefined || answer.finishReason === "content_filter") return { keep: false, reason: "REFUSED" };
  if (answer.finishReason !== "stop") return { keep: false, reason: "CUT_OFF" };
  if (answer.content === null || answer.content.trim() === "") return { keep: false, reason: "EMPTY" };
  if (!answer.held) return { keep: false, reason: "DOUBTED" };
  const volatile = answer.degraded || [...request.messages.map(messageText), answer.content].some(isVolatile);
  return { keep: true, volatile, ttlMs: volatile ? Math.min(times.volatileTtlMs, times.ttlMs) : times.ttlMs };
}

const OF_THE_MOMENT = new RegExp(
  [
    // An amount of money, a market, a change in percent.
    "[$€£¥]\\s?\\d",
    "\\d\\s?(?:usd|usdt|usdc|eur|gbp|dollars?|euros?|cents?|%|percent|bps)\\b|\\d\\s?%",
    "\\b[A-Z0-9]{2,10}[/-](?:USD|USDT|USDC|EUR|BTC|ETH|SOL)\\b",
    "\\b(?:prices?|quotes?|quoted|costs?|worth|valu(?:e|ed|ation)|bid|ask|spread|rates?|yields?|funding|liquidity|volatil\\w*|volumes?|market\\s?cap|market|trend\\w*|rall(?:y|ies)|dips?|sentiment|forecasts?|outlook|news|headlines?|earnings)\\b",
    "\\b(?:buy|sell|long|short|hold|bullish|bearish|entry|exit|positions?|portfolio|balance|equity|drawdown|pnl|profits?|loss(?:es)?|gains?|signals?|indicators?|rsi|macd|bars?|candles?|ohlcv?)\\b",
    "\\b(?:now|today|tonight|yesterday|tomorrow|current|currently|latest|recent|recently|last|past|next|this)\\b",
    "\\b20\\d{2}-\\d{2}-\\d{2}\\b",
  ].join("|"),
  "i",
);

/** Whether a text speaks of prices, positions, news or the moment. In doubt it does: a stale price costs more than a call. */
export function isVolatile(text: string): boolean {
  return OF_THE_MOMENT.test(text);
}
