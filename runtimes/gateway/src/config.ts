import { z } from "zod";

/**
 * config.json of a gateway pod: one LlmRoute. The operator renders it (type `GatewayConfigInput`), the gateway parses it once.
 *
 * Money and ratios are decimal strings, durations milliseconds. Keys of hosted models are mounted files, named here and read when they change.
 */

const path = z.string().min(1).max(500);
const port = z.int().min(0).max(65_535);
const modelName = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/, "must be a name such as small-1");
const vendorModel = z.string().min(1).max(200);
const decimal = z.string().regex(/^\d{1,18}(\.\d{1,12})?$/, "must be a decimal number such as 0.25, not negative");
const ratio = decimal.refine((text) => Number(text) <= 1, "must be at most 1");
const milliseconds = (max: number) => z.int().min(1).max(max);
const hourMs = 3_600_000;

const ollama = z.strictObject({
  model: vendorModel,
  /** Of the model's own pod. */
  baseUrl: z.url().max(300),
  parallel: z.int().min(1).max(64).default(1),
  /** Of one request; `num_ctx` of every call. */
  contextTokens: z.int().min(512).max(1_048_576).default(4_096),
  /** `num_thread` of every call: the pod's cores. */
  threads: z.int().min(1).max(128).default(2),
});

const hosted = {
  model: vendorModel,
  baseUrl: z.url().max(300).optional(),
  contextTokens: z.int().min(512).max(4_194_304).default(128_000),
};
const openai = z.strictObject({ ...hosted, apiKeyFile: path.optional() });
const gemini = z.strictObject({ ...hosted, apiKeyFile: path });

const model = z
  .strictObject({
    name: modelName,
    tier: z.enum(["Small", "Large"]).default("Small"),
    price: z
      .strictObject({ inputPerMillionTokens: decimal, outputPerMillionTokens: decimal })
      .default({ inputPerMillionTokens: "0", outputPerMillionTokens: "0" }),
    /** Most tokens of an answer when the caller names no limit; sent to the model, so that a reservation is an upper bound. */
    maxOutputTokens: z.int().min(1).max(1_048_576).default(2_048),
    ollama: ollama.optional(),
    openai: openai.optional(),
    gemini: gemini.optional(),
  })
  .refine(
    (value) => [value.ollama, value.openai, value.gemini].filter((kind) => kind !== undefined).length === 1,
    "must have exactly one of ollama, openai and gemini",
  );

const budget = z.strictObject({
  monthlyUsd: decimal.optional(),
  monthlyTokens: z.int().min(0).max(1_000_000_000_000).optional(),
  softRatio: ratio.default("0.8"),
  onExhausted: z.enum(["LocalOnly", "Reject"]).default("LocalOnly"),
});

const template = z.strictObject({ name: modelName, match: z.string().min(1).max(500), response: z.string().min(1).max(8_000) });

export const gatewayConfig = z
  .strictObject({
    route: z.strictObject({
      uid: z.string().min(1).max(64),
      name: z.string().min(1).max(63),
      namespace: z.string().min(1).max(63),
    }),
    models: z
      .array(model)
      .min(1)
      .max(16)
      .refine((rows) => new Set(rows.map((row) => row.name)).size === rows.length, "a name may stand here once only"),
    search: z.strictObject({ tavily: z.strictObject({ baseUrl: z.url().max(300).optional(), apiKeyFile: path }) }).optional(),
    routing: z
      .strictObject({
        strategy: z.enum(["Threshold", "Cascade"]).default("Threshold"),
        complexityThreshold: ratio.default("0.5"),
        fallback: z.array(modelName).max(16).default([]),
      })
      .prefault({}),
    budget: budget.optional(),
    limits: z
      .strictObject({
        requestsPerMinute: z.int().min(1).max(1_000_000).optional(),
        tokensPerMinute: z.int().min(1).max(1_000_000_000).optional(),
        concurrentPerStrategy: z.int().min(1).max(1_000).default(2),
        /** Most requests that wait in front of one local model, all strategies together. */
        maxQueued: z.int().min(1).max(10_000).default(64),
        /** Longest wait there. */
        queueDeadlineMs: milliseconds(hourMs).default(60_000),
      })
      .prefault({}),
    cache: z
      .strictObject({
        ttlMs: milliseconds(720 * hourMs).default(24 * hourMs),
        volatileTtlMs: milliseconds(24 * hourMs).default(300_000),
        shared: z.boolean().default(false),
        semantic: z.strictObject({ enabled: z.boolean().default(false), minSimilarity: ratio.default("0.95") }).prefault({}),
      })
      .prefault({}),
    templates: z.array(template).max(32).default([]),
    batching: z
      .strictObject({ windowMs: z.int().min(0).max(10_000).default(0), maxRequests: z.int().min(1).max(100).default(8) })
      .prefault({}),
    compression: z
      .strictObject({ enabled: z.boolean().default(false), maxPromptTokens: z.int().min(256).max(1_048_576).default(4_096) })
      .prefault({}),
    circuitBreaker: z
      .strictObject({
        failureRatio: ratio.default("0.5"),
        minimumRequests: z.int().min(1).max(10_000).default(10),
        windowMs: milliseconds(hourMs).default(30_000),
        openForMs: milliseconds(hourMs).default(30_000),
      })
      .prefault({}),
    /** All models of a request together. */
    retry: z.strictObject({ maxAttempts: z.int().min(1).max(10).default(3) }).prefault({}),
    /** Silence of a hosted model before its first byte after which the next one is tried, and between two pieces of an answer after which it is given up. */
    firstByteTimeoutMs: milliseconds(hourMs).default(60_000),
    idleTimeoutMs: milliseconds(hourMs).default(60_000),
    thoughts: z.strictObject({ ttlMs: milliseconds(24 * hourMs).default(hourMs) }).prefault({}),
    maxBodyBytes: z
      .int()
      .min(1_024)
      .max(64 * 1_048_576)
      .default(2 * 1_048_576),
    /** Who may call (`routeCallers`); a file of its own, because strategies come and go, which is no reason to restart. */
    callersFile: path.default("/etc/bellwether/callers.json"),
    /** May read `/v1/status`: the operator. */
    statusReaders: z.array(z.string().min(1).max(200)).max(16).default([]),
    audience: z.string().min(1).max(200).default("gateway.bellwether.dev"),
    issuer: z.string().min(1).max(300).optional(),
    jwksFile: path.default("/etc/bellwether/jwks.json"),
    /** A file with the DSN of the role `bellwether_gateway`. Without one there is no journal: paid models are refused where a budget is set. */
    dsnFile: path.optional(),
    /** `redis://…`; cache and thoughts. Without one both live in memory. */
    redisUrlFile: path.optional(),
    apiPort: port.default(8080),
    healthPort: port.default(9090),
    logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  })
  .refine((config) => config.routing.fallback.every((name) => config.models.some((candidate) => candidate.name === name)), {
    message: "must name models of this route",
    path: ["routing", "fallback"],
  });

export type GatewayConfig = z.output<typeof gatewayConfig>;
/** What the operator writes: fields with a default may be left out. */
export type GatewayConfigInput = z.input<typeof gatewayConfig>;
export type ModelConfig = z.output<typeof model>;

/** The configuration file of a gateway pod as text; throws a ZodError when it would not be accepted. Equal input, equal bytes. */
export function renderGatewayConfig(input: GatewayConfigInput): string {
  return `${JSON.stringify(gatewayConfig.parse(input), null, 2)}\n`;
}

/** callers.json of a gateway pod: the strategies whose spec names the route. The operator keeps it. */
export const routeCallers = z
  .array(
    z.strictObject({
      /** `system:serviceaccount:<namespace>:<name>` of the agent. */
      subject: z.string().min(1).max(320),
      /** The strategy's name. */
      tenant: z.string().min(1).max(253),
      weight: z.int().min(1).max(1_000).default(1),
    }),
  )
  // A ConfigMap holds a mebibyte.
  .max(2_000);
export type RouteCallersInput = z.input<typeof routeCallers>;

/**
 * config.json of the keeper in an Ollama pod: one local model, and how the pod computes it. The operator renders it.
 */
export const keeperConfig = z.strictObject({
  /** Name that calls use. */
  model: vendorModel,
  source: z
    .strictObject({
      /** Of a registry; `insecure` for one without TLS. */
      pull: z.strictObject({ from: vendorModel, insecure: z.boolean().default(false) }).optional(),
      /** A GGUF file, or a Modelfile. */
      file: path.optional(),
    })
    .refine(({ pull, file }) => (pull === undefined) !== (file === undefined), "must have exactly one of pull and file"),
  threads: z.int().min(1).max(128),
  parallel: z.int().min(1).max(64),
  contextTokens: z.int().min(512).max(1_048_576),
  /** On the pod's own volume. */
  modelsDirectory: path.default("/var/lib/bellwether/models"),
  ollama: path.default("/usr/bin/ollama"),
  ollamaPort: port.default(11_434),
  /** How often the loaded model is looked at. */
  lookMs: milliseconds(hourMs).default(5_000),
  statusReaders: z.array(z.string().min(1).max(200)).max(16).default([]),
  audience: z.string().min(1).max(200).default("gateway.bellwether.dev"),
  issuer: z.string().min(1).max(300),
  jwksFile: path.default("/etc/bellwether/jwks.json"),
  apiPort: port.default(8080),
  healthPort: port.default(9090),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
});
export type KeeperConfig = z.output<typeof keeperConfig>;
export type KeeperConfigInput = z.input<typeof keeperConfig>;

/** `GET /v1/status` of a keeper. CPU lists are the kernel's notation (`0,2-3`). */
export const keeperStatus = z.strictObject({
  phase: z.enum(["Starting", "Loading", "Warming", "Ready", "Failed"]),
  /** What it is at, in a sentence. */
  message: z.string().max(1_000),
  /** Of a download, 0 to 1. */
  progress: z.number().min(0).max(1).optional(),
  /** By the command line of Ollama's runner. */
  threads: z.int().nonnegative().optional(),
  /** CPUs that the kernel lets the runner use. */
  cpus: z.string().max(4_096).optional(),
  tokensPerSecond: z.string().max(40).optional(),
});
export type KeeperStatus = z.infer<typeof keeperStatus>;

/** `GET /v1/status` of a gateway, as the operator reads it. */
export const routeStatus = z.object({
  models: z
    .array(
      z.object({
        name: z.string().max(63),
        local: z.boolean(),
        breaker: z.enum(["Closed", "Open", "HalfOpen"]),
        /** Why it is left alone. */
        because: z.object({ code: z.string().max(100), message: z.string().max(4_000) }).optional(),
      }),
    )
    .max(16),
  budget: z
    .object({
      periodStart: z.string().max(40),
      periodEnd: z.string().max(40),
      spentUsd: z.string().max(60),
      tokens: z.number().nonnegative(),
      ratio: z.string().max(40),
      state: z.enum(["Available", "Soft", "Exhausted"]),
      /** Why the ledger is not kept now. */
      fault: z.string().max(4_000).optional(),
    })
    .optional(),
  cache: z.object({ hitRatio: z.string().max(40), savedTokens: z.number().nonnegative() }),
  /** What of its configuration it cannot use, in sentences. */
  faults: z
    .array(z.object({ about: z.enum(["template", "callers"]), message: z.string().max(4_000) }))
    .max(64)
    .default([]),
});
export type RouteStatus = z.infer<typeof routeStatus>;
