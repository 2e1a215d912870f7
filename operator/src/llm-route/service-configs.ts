/** config.json of a route's gateway and of the keeper of each local model, from an LlmRoute. Pure. */
import { type EffectiveOllama, type LlmRoute, type LlmRouteSpec, durationMs, effectiveOllama } from "@bellwether/crds";
import { type GatewayConfigInput, type KeeperConfigInput, gatewayConfig, keeperConfig } from "@bellwether/gateway/config";
import { ollamaName, subjectOf } from "../child-name.ts";
import { namespaceOf, uidOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { type Rendered, rendered } from "../rendered-config.ts";
import { POSTGRES_DIRECTORY, VALKEY_DIRECTORY } from "../service-objects.ts";

export const OLLAMA_PORT = 11_434;
/** Below it a directory for each model, and one for web search. */
export const KEYS_DIRECTORY = "/var/run/secrets/bellwether/keys";
export const MODELS_DIRECTORY = "/var/lib/bellwether/models";
export const SOURCE_DIRECTORY = "/etc/bellwether-model";
/** Where the key of web search is mounted; no model's name has a dot. */
export const SEARCH_KEY = "search.tavily";

export interface ConfigSource {
  readonly route: LlmRoute;
  readonly issuer: string;
  readonly config: OperatorConfig;
}

type Model = LlmRouteSpec["models"][number];

export function gatewayConfigText({ route, issuer, config }: ConfigSource): Rendered {
  const { spec } = route;
  const { strategy, complexityThreshold, fallback } = spec.routing ?? {};
  const tavily = spec.search?.tavily;
  const input: GatewayConfigInput = {
    route: { uid: uidOf(route), name: route.metadata.name, namespace: namespaceOf(route) },
    models: spec.models.map((model) => modelOf(model, route)),
    ...(tavily && {
      search: {
        tavily: {
          ...defined({ baseUrl: tavily.baseUrl }),
          apiKeyFile: `${KEYS_DIRECTORY}/${SEARCH_KEY}/${tavily.apiKeySecretRef.key}`,
        },
      },
    }),
    routing: { ...defined({ strategy, complexityThreshold }), ...(fallback && { fallback: [...fallback] }) },
    ...(spec.budget && { budget: defined(spec.budget) }),
    limits: defined(spec.limits ?? {}),
    ...tuningOf(spec),
    statusReaders: [subjectOf(config.namespace, config.serviceAccountName)],
    issuer,
    dsnFile: `${POSTGRES_DIRECTORY}/${config.postgres.gatewayDsnKey}`,
    ...(config.valkey.enabled && { redisUrlFile: `${VALKEY_DIRECTORY}/${config.valkey.urlKey}` }),
    logLevel: config.logLevel,
  };
  return rendered(gatewayConfig.safeParse(input));
}

/** The gateway's own defaults hold for what is left out. */
function tuningOf({ cache, templates, batching, compression, circuitBreaker, retry }: LlmRouteSpec): Partial<GatewayConfigInput> {
  return {
    cache: {
      ...defined({ ttlMs: milliseconds(cache?.ttl), volatileTtlMs: milliseconds(cache?.volatileTtl), shared: cache?.shared }),
      semantic: defined(cache?.semantic ?? {}),
    },
    templates: (templates ?? []).map((template) => ({ ...template })),
    batching: defined({ windowMs: milliseconds(batching?.window), maxRequests: batching?.maxRequests }),
    compression: defined(compression ?? {}),
    circuitBreaker: defined({
      failureRatio: circuitBreaker?.failureRatio,
      minimumRequests: circuitBreaker?.minimumRequests,
      windowMs: milliseconds(circuitBreaker?.window),
      openForMs: milliseconds(circuitBreaker?.openFor),
    }),
    retry: defined(retry ?? {}),
  };
}

const milliseconds = (duration: string | undefined): number | undefined =>
  duration === undefined ? undefined : durationMs(duration);

function modelOf(model: Model, route: LlmRoute): GatewayConfigInput["models"][number] {
  const { name, tier, price, openai, gemini } = model;
  const base = { name, ...defined({ tier }), ...(price && { price: { ...price } }) };
  if (model.ollama) {
    const { model: vendorModel, parallel, contextTokens, cpus } = effectiveOllama(model.ollama);
    const baseUrl = `http://${ollamaName(route.metadata.name, name)}.${namespaceOf(route)}.svc:${OLLAMA_PORT}`;
    return { ...base, ollama: { model: vendorModel, baseUrl, parallel, contextTokens, threads: cpus } };
  }
  const hosted = (given: NonNullable<Model["openai"]>) => ({ model: given.model, ...defined({ baseUrl: given.baseUrl }) });
  const keyFile = (key: string): string => `${KEYS_DIRECTORY}/${name}/${key}`;
  if (gemini) return { ...base, gemini: { ...hosted(gemini), apiKeyFile: keyFile(gemini.apiKeySecretRef.key) } };
  if (!openai) throw new TypeError(`model ${name} of no kind passed validation`);
  const key = openai.apiKeySecretRef?.key;
  return { ...base, openai: { ...hosted(openai), ...(key !== undefined && { apiKeyFile: keyFile(key) }) } };
}

export function keeperConfigText({ issuer, config }: ConfigSource, ollama: EffectiveOllama): Rendered {
  const { model, parallel, contextTokens, cpus } = ollama;
  const input: KeeperConfigInput = {
    model,
    source: sourceOf(ollama),
    threads: cpus,
    parallel,
    contextTokens,
    modelsDirectory: MODELS_DIRECTORY,
    ollamaPort: OLLAMA_PORT,
    statusReaders: [subjectOf(config.namespace, config.serviceAccountName)],
    issuer,
    logLevel: config.logLevel,
  };
  return rendered(keeperConfig.safeParse(input));
}

function sourceOf({ model, source }: EffectiveOllama): KeeperConfigInput["source"] {
  switch (source.kind) {
    case "configMap":
      return { file: `${SOURCE_DIRECTORY}/${source.key}` };
    case "volume":
      return { file: `${SOURCE_DIRECTORY}/${source.path}` };
    case "registry": {
      if (source.url === undefined) return { pull: { from: model } };
      const { host, protocol } = new URL(source.url);
      const from = `${host}/${model.includes("/") ? model : `library/${model}`}`;
      return { pull: { from, insecure: protocol === "http:" } };
    }
  }
}

/** Members that are given; a schema's default holds only for what is absent. */
function defined<T extends object>(members: T): { [Member in keyof T]: NonNullable<T[Member]> } {
  const given = Object.entries(members).filter(([, member]) => member !== undefined);
  return Object.fromEntries(given) as { [Member in keyof T]: NonNullable<T[Member]> };
}
