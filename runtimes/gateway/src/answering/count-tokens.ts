/**
 * Counts the tokens of a text by one vendor's vocabulary (o200k), as an estimate for all of them. Loaded when the first prompt comes near a limit: the
 * vocabulary is tens of megabytes.
 */
export async function loadTokenCounter(): Promise<(text: string) => number> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  return (text) => countTokens(text);
}
