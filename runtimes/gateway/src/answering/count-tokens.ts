/**
 * Tokens of a text by one vendor's vocabulary (o200k), as an estimate for all of them. Loaded when the first prompt comes near a limit: the vocabulary is
 * tens of megabytes.
 */
export async function countTokens(text: string): Promise<number> {
  const { countTokens: count } = await import("gpt-tokenizer/encoding/o200k_base");
  return count(text);
}
