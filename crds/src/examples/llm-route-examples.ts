import { type Examples, manifestOf, withFields } from "./example.ts";

const minimal = { models: [{ name: "local", ollama: { model: "llama3.2:3b" } }] };
const full = {
  models: [
    {
      name: "local",
      tier: "Small",
      ollama: {
        model: "llama3.2:3b",
        source: { volume: { claimName: "models", path: "llama.gguf" } },
        parallel: 2,
        contextTokens: 8192,
        cpus: 2,
        memory: "8Gi",
        pinning: "Exclusive",
        gpus: 0,
      },
    },
    {
      name: "large",
      tier: "Large",
      price: { inputPerMillionTokens: "0.25", outputPerMillionTokens: "2" },
      openai: { model: "gpt-5-mini", apiKeySecretRef: { name: "openai", key: "api-key" } },
    },
    {
      name: "gemini",
      tier: "Large",
      gemini: { model: "gemini-3-flash", baseUrl: "http://127.0.0.1:9", apiKeySecretRef: { name: "google", key: "api-key" } },
    },
    { name: "own", openai: { model: "qwen", baseUrl: "http://vllm.models.svc:8000/v1" } },
  ],
  search: { tavily: { apiKeySecretRef: { name: "tavily", key: "api-key" } } },
  routing: { strategy: "Cascade", complexityThreshold: "0.5", fallback: ["large", "local"] },
  budget: { monthlyUsd: "50", monthlyTokens: 10_000_000, softRatio: "0.8", onExhausted: "LocalOnly" },
  limits: { requestsPerMinute: 60, tokensPerMinute: 100_000, concurrentPerStrategy: 2 },
  cache: { ttl: "24h", volatileTtl: "5m", shared: false, semantic: { enabled: true, minSimilarity: "0.95" } },
  priority: 400,
  templates: [{ name: "ping", match: "ping (.*)", response: "pong $1" }],
  batching: { window: "20ms", maxRequests: 8 },
  compression: { enabled: true, maxPromptTokens: 4096 },
  circuitBreaker: { failureRatio: "0.5", minimumRequests: 10, window: "30s", openFor: "1m" },
  retry: { maxAttempts: 3 },
};

const accepts = (name: string, changes: Record<string, unknown>, base: object = minimal) => ({
  name,
  manifest: manifestOf("LlmRoute", withFields(base as Record<string, unknown>, changes)),
});
interface Refusal {
  readonly field: string;
  readonly says?: string;
  readonly base?: object;
}
const rejects = (name: string, changes: Record<string, unknown>, { base = minimal, ...refusal }: Refusal) => ({
  ...accepts(name, changes, base),
  ...refusal,
});

export const llmRouteExamples: Examples = {
  kind: "LlmRoute",
  accept: [
    accepts("the least that can be said", {}),
    accepts("every field", {}, full),
    accepts("a model from a registry", { "models[0].ollama.source": { registry: {} } }),
    accepts("a budget in tokens", { budget: { monthlyTokens: 1000 } }),
  ],
  reject: [
    {
      name: "a name of 41 characters",
      manifest: manifestOf("LlmRoute", minimal, "r".repeat(41)),
      field: "",
      says: "metadata.name must be at most 40",
    },
    rejects("no model", { models: [] }, { field: "models" }),
    rejects("two models of one name", { models: [minimal.models[0], minimal.models[0]] }, { field: "models" }),
    rejects(
      "a model of no kind",
      { models: [{ name: "x" }] },
      { field: "models[0]", says: "exactly one of ollama, openai, gemini must be set" },
    ),
    rejects(
      "a model of two kinds",
      { "models[0].gemini": { model: "g", apiKeySecretRef: { name: "a", key: "b" } } },
      { field: "models[0]", says: "exactly one of ollama, openai, gemini must be set" },
    ),
    rejects(
      "two sources",
      { "models[0].ollama.source": { registry: {}, configMapRef: { name: "m", key: "k" } } },
      { field: "source", says: "exactly one of registry, volume, configMapRef must be set" },
    ),
    rejects(
      "OpenAI without a key",
      { models: [{ name: "x", openai: { model: "gpt" } }] },
      { field: "apiKeySecretRef", says: "apiKeySecretRef is needed unless baseUrl" },
    ),
    rejects("Gemini without a key", { models: [{ name: "x", gemini: { model: "g" } }] }, { field: "apiKeySecretRef" }),
    rejects(
      "a key reference without a key",
      { models: [{ name: "x", openai: { model: "gpt", apiKeySecretRef: { name: "s" } } }] },
      { field: "key" },
    ),
    rejects("an unknown tier", { "models[0].tier": "Medium" }, { field: "tier" }),
    rejects(
      "a price as a number",
      { "models[0].price": { inputPerMillionTokens: 1, outputPerMillionTokens: "2" } },
      { field: "inputPerMillionTokens" },
    ),
    rejects(
      "a context of nothing",
      { "models[0].ollama.contextTokens": 0 },
      { field: "contextTokens", says: "must be a whole number between 512" },
    ),
    rejects("no cores", { "models[0].ollama.cpus": 0 }, { field: "cpus", says: "must be a whole number between 1 and 128" }),
    rejects(
      "a fallback to no model",
      { routing: { fallback: ["elsewhere"] } },
      { field: "routing", says: "routing.fallback must name models of this route" },
    ),
    rejects("an unknown way", { routing: { strategy: "Random" } }, { field: "strategy" }),
    rejects(
      "a threshold above 1",
      { routing: { complexityThreshold: "1.1" } },
      { field: "complexityThreshold", says: "must be a decimal number as text" },
    ),
    rejects(
      "a budget without a figure",
      { budget: { softRatio: "0.8" } },
      { field: "budget", says: "a budget needs monthlyUsd, monthlyTokens or both" },
    ),
    rejects(
      "local only, without a local model",
      {
        models: [{ name: "own", openai: { model: "m", baseUrl: "http://a.b" } }],
        budget: { monthlyUsd: "1", onExhausted: "LocalOnly" },
      },
      { field: "budget", says: "budget.onExhausted: LocalOnly needs a model under ollama" },
    ),
    rejects(
      "a soft ratio of 0",
      { budget: { monthlyUsd: "1", softRatio: "0" } },
      { field: "softRatio", says: "must be a decimal number as text" },
    ),
    rejects("a cache for a year", { cache: { ttl: "8760h" } }, { field: "ttl", says: "must be a duration between 1s and 720h" }),
    rejects("priority -1", { priority: -1 }, { field: "priority", says: "must be a whole number between 0 and 1000" }),
    rejects("an empty template", { templates: [{ name: "t", match: "", response: "x" }] }, { field: "match" }),
    rejects(
      "eleven attempts",
      { retry: { maxAttempts: 11 } },
      { field: "maxAttempts", says: "must be a whole number between 1 and 10" },
    ),
    rejects("an unknown field", { temperature: "0.1" }, { field: "temperature" }),
  ],
};
