/** What a stand-in answers, and what it charges for it. */
export interface StandInUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

export interface Answer {
  readonly pieces: readonly string[];
  readonly usage: StandInUsage;
}

const charactersPerToken = 4;

/** Cuts a text into the pieces that a model would say one after another: words with their blanks. A token each. */
export function piecesOf(text: string): string[] {
  return text.match(/\s*\S+|\s+/g) ?? [];
}

/** The scripted answer to a prompt, cut off at the limit of tokens. */
export function answerTo(
  prompt: string,
  script: { reply: (prompt: string) => string; limit: number; reasoning: number },
): Answer {
  const pieces = piecesOf(script.reply(prompt)).slice(0, Math.max(0, script.limit - script.reasoning));
  return {
    pieces,
    usage: {
      inputTokens: Math.ceil(prompt.length / charactersPerToken),
      outputTokens: pieces.length + script.reasoning,
      reasoningTokens: script.reasoning,
    },
  };
}

/** What a stand-in says when no test has told it anything: the same for the same prompt, with characters of more than one byte. */
export function defaultReply(prompt: string): string {
  let hash = 2_166_136_261;
  for (let index = 0; index < prompt.length; index++) hash = Math.imul(hash ^ prompt.charCodeAt(index), 16_777_619) >>> 0;
  return `Größe ${hash} — das ist die Antwort auf ${prompt.length} Zeichen 📈 and no more than that.`;
}
