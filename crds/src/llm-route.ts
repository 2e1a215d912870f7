import { z } from "zod";
import type { CustomResource, ResourceNames } from "./custom-resource.ts";
import { conditions, priority, statusNumber, statusText, statusTime } from "./schema/condition.ts";
import { volumeFile } from "./schema/dataset.ts";
import { configMapKeyReference, secretKeyReference } from "./schema/references.ts";
import { exactlyOneOf, withRule, withRules } from "./schema/rule.ts";
import {
  amount,
  dnsLabel,
  duration,
  freeText,
  listAtomic,
  listMap,
  memoryQuantity,
  ratio,
  ratioOrZero,
  text,
  url,
  wholeNumber,
} from "./schema/scalars.ts";

export const LLM_ROUTE: ResourceNames<"LlmRoute"> = {
  kind: "LlmRoute",
  plural: "llmroutes",
  singular: "llmroute",
  shortNames: ["llmr"],
};

/** The name a vendor gives a model, such as `llama3.2:3b` or `gpt-5-mini`. */
const vendorModel = text({
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/,
  max: 200,
  message: "must be the name of a model as its vendor writes it, such as llama3.2:3b",
});

const modelName = dnsLabel(40);

const ollamaSource = exactlyOneOf(
  z.strictObject({
    registry: z
      .strictObject({ url: url.optional().describe("Address of a registry other than Ollama's own.") })
      .optional()
      .describe("Pulled from a model registry."),
    volume: volumeFile.optional().describe("A GGUF file on a volume."),
    configMapRef: configMapKeyReference.optional().describe("A Modelfile, or a small GGUF file under binaryData."),
  }),
  ["registry", "volume", "configMapRef"],
);

const ollama = z.strictObject({
  model: vendorModel.describe("Name of the model in Ollama."),
  source: ollamaSource.optional().describe("Where the model comes from. Default: Ollama's registry."),
  parallel: wholeNumber(1, 64).optional().describe("Requests answered at once. Default 1."),
  contextTokens: wholeNumber(512, 1_048_576)
    .optional()
    .describe("Size of the context, per request. What does not fit is refused. Default 4096."),
  cpus: wholeNumber(1, 128).optional().describe("CPU cores; Ollama's threads equal them. Default 2."),
  memory: memoryQuantity.optional().describe("Memory. Default 8Gi."),
  pinning: z.enum(["Exclusive", "Shared"]).optional().describe("Exclusive: whole cores of its own (default)."),
  gpus: wholeNumber(0, 16).optional().describe("GPUs. Default 0."),
});

const openai = withRule(
  z.strictObject({
    model: vendorModel.describe("Name of the model at the vendor."),
    baseUrl: url.optional().describe("Address of an OpenAI-compatible server. Default: OpenAI's own."),
    apiKeySecretRef: secretKeyReference.optional().describe("The API key. May be left out only with a `baseUrl` of your own."),
  }),
  {
    check: (value) => value.baseUrl !== undefined || value.apiKeySecretRef !== undefined,
    cel: "has(self.baseUrl) || has(self.apiKeySecretRef)",
    message: "apiKeySecretRef is needed unless baseUrl names a server of your own",
    member: "apiKeySecretRef",
  },
);

const gemini = z.strictObject({
  model: vendorModel.describe("Name of the model at the vendor."),
  baseUrl: url.optional().describe("Address to use instead of Google's own."),
  apiKeySecretRef: secretKeyReference.describe("The API key."),
});

const model = exactlyOneOf(
  z.strictObject({
    name: modelName.describe("Name of the model within this route."),
    tier: z
      .enum(["Small", "Large"])
      .optional()
      .describe("Small models answer first, Large ones what is too hard. Default Small."),
    price: z
      .strictObject({
        inputPerMillionTokens: amount.describe("USD for a million tokens in."),
        outputPerMillionTokens: amount.describe("USD for a million tokens out."),
      })
      .optional()
      .describe("What it costs. Default: nothing, which is right for Ollama only."),
    ollama: ollama.optional().describe("Local inference on this cluster's CPUs."),
    openai: openai.optional().describe("OpenAI, or anything that speaks its protocol."),
    gemini: gemini.optional().describe("Google Gemini."),
  }),
  ["ollama", "openai", "gemini"],
);

const routing = z.strictObject({
  strategy: z
    .enum(["Threshold", "Cascade"])
    .optional()
    .describe(
      "Threshold (default): a score of the question picks the tier. Cascade: the small model first, the large one if its answer does not hold.",
    ),
  complexityThreshold: ratioOrZero.optional().describe('From which score on the large tier answers. Default "0.5".'),
  fallback: listAtomic(modelName, 16).optional().describe("Names of models to try, in order, when the chosen one fails."),
});

const budget = withRules(
  z.strictObject({
    monthlyUsd: amount.optional().describe("Most US dollars in a calendar month (UTC)."),
    monthlyTokens: wholeNumber(0, 1_000_000_000_000).optional().describe("Most tokens in a calendar month (UTC)."),
    softRatio: ratio.optional().describe('From this part of the budget on cheaper models come first. Default "0.8".'),
    onExhausted: z
      .enum(["LocalOnly", "Reject"])
      .optional()
      .describe("What remains when it is spent: local models (default), or nothing."),
  }),
  [
    {
      check: (value) => value.monthlyUsd !== undefined || value.monthlyTokens !== undefined,
      cel: "has(self.monthlyUsd) || has(self.monthlyTokens)",
      message: "a budget needs monthlyUsd, monthlyTokens or both",
    },
  ],
);

const cache = z.strictObject({
  ttl: duration("1s", "720h").optional().describe("How long an answer is kept. Default 24h."),
  volatileTtl: duration("1s", "24h").optional().describe("How long one about prices or news is kept. Default 5m."),
  shared: z.boolean().optional().describe("true: strategies of this route share answers. Default false: each has its own."),
  semantic: z
    .strictObject({
      enabled: z.boolean().optional().describe("Also answer questions that mean the same. Default false."),
      minSimilarity: ratio.optional().describe('From which similarity on two questions mean the same. Default "0.95".'),
    })
    .optional()
    .describe("Answers by meaning. A hit needs equal entities, numbers, sides, dates and polarity besides."),
});

const template = z.strictObject({
  name: dnsLabel(40).describe("Name of the template."),
  match: freeText(500).min(1).describe("Regular expression (RE2) that the question must match as a whole."),
  response: freeText(8000).min(1).describe("The answer; `$1` to `$9` are the groups of the match."),
});

export const llmRouteSpec = withRules(
  z.strictObject({
    models: listMap(model, ["name"], 16).min(1).describe("The models that may answer."),
    search: z
      .strictObject({
        tavily: z
          .strictObject({
            baseUrl: url.optional().describe("Address to use instead of Tavily's own."),
            apiKeySecretRef: secretKeyReference.describe("The API key."),
          })
          .describe("Tavily."),
      })
      .optional()
      .describe("Web search for retrieval."),
    routing: routing.optional().describe("Which model answers."),
    budget: budget.optional().describe("What may be spent; never overspent."),
    limits: z
      .strictObject({
        requestsPerMinute: wholeNumber(1, 1_000_000).optional().describe("Most requests a minute, all strategies together."),
        tokensPerMinute: wholeNumber(1, 1_000_000_000).optional().describe("Most tokens a minute, all strategies together."),
        concurrentPerStrategy: wholeNumber(1, 1000).optional().describe("Most requests of one strategy at once. Default 2."),
      })
      .optional()
      .describe("Fair share between strategies."),
    cache: cache.optional().describe("Answers that need no model."),
    priority: priority.optional().describe("Who gets cores first, 0 to 1000, in one ledger with strategies. Default 500."),
    templates: listMap(template, ["name"], 32).optional().describe("Questions answered without a call."),
    batching: z
      .strictObject({
        window: duration("1ms", "10s").optional().describe("How long a request may wait for others. Default 0: no batching."),
        maxRequests: wholeNumber(1, 100).optional().describe("Most requests in a batch. Default 8."),
      })
      .optional()
      .describe("Fewer calls."),
    compression: z
      .strictObject({
        enabled: z
          .boolean()
          .optional()
          .describe("Shorten long prompts. Numbers, tickers, JSON and negations stay. Default false."),
        maxPromptTokens: wholeNumber(256, 1_048_576).optional().describe("Prompts longer than this are shortened. Default 4096."),
      })
      .optional()
      .describe("Shorter prompts."),
    circuitBreaker: z
      .strictObject({
        failureRatio: ratio.optional().describe('Part of requests that must fail. Default "0.5".'),
        minimumRequests: wholeNumber(1, 10_000).optional().describe("Fewer requests than this trip nothing. Default 10."),
        window: duration("1s", "1h").optional().describe("How far back it looks. Default 30s."),
        openFor: duration("1s", "1h").optional().describe("How long a model is left alone. Default 30s."),
      })
      .optional()
      .describe("When a failing model is left alone; each model has its own."),
    retry: z
      .strictObject({
        maxAttempts: wholeNumber(1, 10).optional().describe("Attempts of one request, all models together. Default 3."),
      })
      .optional()
      .describe("Further attempts before the first byte of an answer."),
  }),
  [
    {
      check: (spec) => (spec.routing?.fallback ?? []).every((name) => spec.models.some((candidate) => candidate.name === name)),
      cel: "!has(self.routing) || !has(self.routing.fallback) || self.routing.fallback.all(name, self.models.exists(model, model.name == name))",
      message: "routing.fallback must name models of this route (spec.models[].name)",
      member: "routing",
    },
    {
      check: (spec) =>
        spec.budget?.onExhausted !== "LocalOnly" || spec.models.some((candidate) => candidate.ollama !== undefined),
      cel: "!has(self.budget) || !has(self.budget.onExhausted) || self.budget.onExhausted != 'LocalOnly' || self.models.exists(model, has(model.ollama))",
      message: "budget.onExhausted: LocalOnly needs a model under ollama",
      member: "budget",
    },
  ],
);
export type LlmRouteSpec = z.infer<typeof llmRouteSpec>;

const modelStatus = z.strictObject({
  name: statusText(40).describe("Name of the model."),
  ready: z.boolean().describe("Whether it is loaded and answers."),
  breaker: z.enum(["Closed", "Open", "HalfOpen"]).optional().describe("State of its circuit breaker."),
  cpus: statusText(200).optional().describe("Cores the kubelet gave it."),
  threads: statusNumber().optional().describe("Threads it computes with; must equal its cores."),
  tokensPerSecond: statusText().optional().describe("Measured speed."),
});

export const llmRouteStatus = z.strictObject({
  observedGeneration: statusNumber().optional().describe("The generation of the spec that this status speaks of."),
  conditions: conditions.optional(),
  ready: statusText(20).optional().describe("Models ready, of how many, such as 2/2, ready to print."),
  models: z.array(modelStatus).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional().describe("Models."),
  modelNames: statusText(700).optional().describe("Names of the models, ready to print."),
  cpus: statusText(200).optional().describe("Cores of all local models, ready to print."),
  endpoint: statusText(300).optional().describe("Address of the gateway."),
  budget: z
    .strictObject({
      periodStart: statusTime().optional().describe("Begin of the month."),
      spentUsd: statusText().optional().describe("US dollars spent."),
      tokens: statusNumber().optional().describe("Tokens used."),
      ratio: statusText().optional().describe("Used part of the budget."),
      state: z.enum(["Available", "Soft", "Exhausted"]).optional().describe("What that means."),
    })
    .optional()
    .describe("The budget of this month."),
  cache: z
    .strictObject({
      hitRatio: statusText().optional().describe("Part of requests answered without a call."),
      savedTokens: statusNumber().optional().describe("Tokens that were not needed."),
    })
    .optional()
    .describe("The cache."),
  cacheHitPercent: statusText(40).optional().describe("The hit ratio in percent, ready to print."),
});
export type LlmRouteStatus = z.infer<typeof llmRouteStatus>;

export type LlmRoute = CustomResource<"LlmRoute", LlmRouteSpec, LlmRouteStatus>;
