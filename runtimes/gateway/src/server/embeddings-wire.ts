import type { Embeddings } from "../backends/backend.ts";
import type { EmbeddingsRequest } from "./chat-request.ts";

/** Embeddings in OpenAI's form; as base64 of little-endian floats of 32 bits where that is asked for, as OpenAI's own client does. */
export function wireEmbeddings(
  request: EmbeddingsRequest,
  { model, embeddings }: { model: string; embeddings: Embeddings },
): object {
  const { vectors, usage } = embeddings;
  const shown = request.encoding_format === "base64" ? vectors.map(base64Of) : vectors;
  return {
    object: "list",
    model,
    data: shown.map((embedding, index) => ({ object: "embedding", index, embedding })),
    usage: { prompt_tokens: usage?.inputTokens ?? 0, total_tokens: usage?.inputTokens ?? 0 },
  };
}

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString("base64");
}
