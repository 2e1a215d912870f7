import type { Clock } from "@bellwether/service-kit";
import type { ModelConfig } from "../config.ts";
import type { Backend } from "./backend.ts";
import type { Post } from "./kept-connections.ts";
import { KeyFile } from "./key-file.ts";

export interface BackendParts {
  readonly fetch: typeof globalThis.fetch;
  /** For those that answer by the thousand a second. */
  readonly post: Post;
  readonly clock: Clock;
  /** Hears of every key that is read. */
  readonly onKey: (key: string) => void;
}

/** Opens what is behind a model. Clients are loaded only where a route has such a model: each is megabytes of code. */
export async function openBackend(model: ModelConfig, parts: BackendParts): Promise<Backend> {
  const { fetch, post, clock, onKey } = parts;
  const keyFile = (file: string): KeyFile => new KeyFile(file, { clock, onKey });
  if (model.openai) {
    const { OpenAiBackend } = await import("./openai/openai-backend.ts");
    const { model: name, baseUrl, apiKeyFile } = model.openai;
    const key = apiKeyFile === undefined ? undefined : keyFile(apiKeyFile);
    return new OpenAiBackend({ model: name, baseUrl, key, post, clock });
  }
  if (model.gemini) {
    const { GeminiBackend } = await import("./gemini/gemini-backend.ts");
    const { model: name, baseUrl, apiKeyFile } = model.gemini;
    return new GeminiBackend({ model: name, baseUrl, key: keyFile(apiKeyFile), fetch });
  }
  if (model.ollama) {
    const { OllamaBackend } = await import("./ollama/ollama-backend.ts");
    const { model: name, baseUrl, contextTokens, threads } = model.ollama;
    return new OllamaBackend({ model: name, baseUrl, contextTokens, threads, fetch });
  }
  throw new Error(`the model ${model.name} has no back end`);
}
