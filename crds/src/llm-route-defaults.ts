import type { LlmRouteSpec } from "./llm-route.ts";
import { DEFAULT_PRIORITY } from "./strategy-defaults.ts";

type Ollama = NonNullable<LlmRouteSpec["models"][number]["ollama"]>;

/** Where a local model comes from, resolved to exactly one way. */
export type EffectiveOllamaSource =
  | { readonly kind: "registry"; readonly url: string | undefined }
  | { readonly kind: "volume"; readonly claimName: string; readonly path: string }
  | { readonly kind: "configMap"; readonly name: string; readonly key: string };

/** A local model with every default filled in. */
export interface EffectiveOllama {
  readonly model: string;
  readonly source: EffectiveOllamaSource;
  readonly parallel: number;
  readonly contextTokens: number;
  readonly cpus: number;
  readonly memory: string;
  readonly pinning: "Exclusive" | "Shared";
  readonly gpus: number;
}

export function effectiveOllama(ollama: Ollama): EffectiveOllama {
  const { model, source, parallel = 1, contextTokens = 4_096, cpus = 2, memory = "8Gi" } = ollama;
  const { pinning = "Exclusive", gpus = 0 } = ollama;
  return { model, source: sourceOf(source), parallel, contextTokens, cpus, memory, pinning, gpus };
}

function sourceOf(source: Ollama["source"]): EffectiveOllamaSource {
  if (source?.volume) return { kind: "volume", ...source.volume };
  if (source?.configMapRef) return { kind: "configMap", ...source.configMapRef };
  return { kind: "registry", url: source?.registry?.url };
}

/** Who gets cores first, in one ledger with strategies. */
export const effectiveRoutePriority = ({ priority }: LlmRouteSpec): number => priority ?? DEFAULT_PRIORITY;
