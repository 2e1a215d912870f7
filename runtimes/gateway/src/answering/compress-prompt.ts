import { promptTokenBound } from "../budget/spend.ts";
import { compress } from "../compression/compress.ts";
import { type ChatMessage, messageText } from "../server/chat-request.ts";

/** What is sent instead of a long prompt, and how many tokens shorter it is. */
export type Compress = (
  messages: readonly ChatMessage[],
) => Promise<{ readonly messages: readonly ChatMessage[]; readonly savedTokens: number }>;

/**
 * Shortens prompts that are longer than the limit. The vocabulary is loaded, and a prompt counted, only where its bytes alone do not settle it.
 *
 * @param loadCounter what counts the tokens of a text
 */
export function promptCompressor(maxPromptTokens: number, loadCounter: () => Promise<(text: string) => number>): Compress {
  return async (messages) => {
    const bound = messages.reduce((sum, message) => sum + promptTokenBound(messageText(message), 1), 0);
    if (bound <= maxPromptTokens) return { messages, savedTokens: 0 };
    const {
      messages: shorter,
      tokensBefore,
      tokensAfter,
    } = compress(messages, { maxPromptTokens, countTokens: await loadCounter() });
    return { messages: shorter, savedTokens: tokensBefore - tokensAfter };
  };
}
