/** The children of an LlmRoute: one gateway, and a pod with Ollama for each local model. Pure. */
import type { EffectiveOllama, LlmRoute } from "@bellwether/crds";
import { gatewayName, ollamaName } from "../child-name.ts";
import {
  MODEL_LABEL,
  type Manifest,
  type Mounted,
  claimVolume,
  configMap,
  configVolume,
  keyVolume,
  scratchVolume,
  secretFiles,
  serviceAccount,
} from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import {
  deployment,
  ownVolume,
  pinnableResources,
  postgresVolume,
  service,
  sharedResources,
  statefulSet,
  valkeyVolumes,
} from "../service-objects.ts";
import { KEYS_DIRECTORY, MODELS_DIRECTORY, OLLAMA_PORT, SEARCH_KEY, SOURCE_DIRECTORY } from "./service-configs.ts";

export interface RouteFields {
  readonly route: LlmRoute;
  readonly config: OperatorConfig;
  readonly configText: string;
  /** The cluster's signing keys (RFC 7517). They rotate: a change is no reason to restart anything. */
  readonly jwks: string;
}

export interface GatewayFields extends RouteFields {
  /** callers.json. Strategies come and go: no reason either. */
  readonly callers: string;
}

export function gatewayChildren({ route, config, configText, jwks, callers }: GatewayFields): Manifest[] {
  const child = { owner: route, component: "gateway", name: gatewayName(route.metadata.name) } as const;
  const volumes = [
    configVolume(child.name),
    scratchVolume,
    postgresVolume(config, config.postgres.gatewayDsnKey),
    ...valkeyVolumes(config),
    ...keyVolumes(route),
  ];
  const { gateway: image } = config.images;
  return [
    serviceAccount(child),
    configMap(child, { "config.json": configText, "jwks.json": jwks, "callers.json": callers }),
    service(child),
    deployment({ child, config, configText, image, resources: sharedResources(config.gateway), volumes }),
  ];
}

/** Keys of hosted models as files. Optional: a route whose one key is missing answers with its other models, and says which Secret it misses. */
function keyVolumes({ spec }: LlmRoute): Mounted[] {
  const refs = spec.models.flatMap(({ name, openai, gemini }) => {
    const ref = openai?.apiKeySecretRef ?? gemini?.apiKeySecretRef;
    return ref ? [{ at: name, ref }] : [];
  });
  const tavily = spec.search?.tavily.apiKeySecretRef;
  return [...refs, ...(tavily ? [{ at: SEARCH_KEY, ref: tavily }] : [])].map(({ at, ref }) =>
    secretFiles(`key-${at.replaceAll(".", "-")}`, {
      secretName: ref.name,
      keys: [ref.key],
      mountPath: `${KEYS_DIRECTORY}/${at}`,
    }),
  );
}

export interface ModelFields extends RouteFields {
  readonly model: string;
  readonly ollama: EffectiveOllama;
  /** Of the file that the model is made of: another one is another pod. */
  readonly fileDigest: string;
  /** Whether the ledger has given it its cores: without them it has no pod, and keeps its volume. */
  readonly admitted: boolean;
}

/** A local model. Its pod is ready when the model is loaded and has answered once; its Service knows it from then on. */
export function ollamaChildren(fields: ModelFields): Manifest[] {
  const { route, config, configText, jwks, model, ollama } = fields;
  const child = {
    owner: route,
    component: "ollama",
    name: ollamaName(route.metadata.name, model),
    labels: { [MODEL_LABEL]: model },
  } as const;
  const own = ownVolume(config.ollama.volume, { name: "models", mountPath: MODELS_DIRECTORY });
  const { requests, limits } = pinnableResources(ollama, config.ollama);
  const gpus = ollama.gpus > 0 ? { "nvidia.com/gpu": String(ollama.gpus) } : {};
  return [
    serviceAccount(child),
    configMap(child, { "config.json": configText, "jwks.json": jwks }),
    service(child, { name: "ollama", port: OLLAMA_PORT }),
    statefulSet({
      child,
      config,
      configText: configText + fields.fileDigest,
      image: config.images.ollama,
      resources: { requests: { ...requests, ...gpus }, limits: { ...limits, ...gpus } },
      volumes: [configVolume(child.name), scratchVolume, ...sourceVolumes(ollama), ...own.volumes],
      claims: own.claims,
      replicas: fields.admitted ? 1 : 0,
      ports: [{ name: "ollama", containerPort: OLLAMA_PORT }],
    }),
  ];
}

function sourceVolumes({ source }: EffectiveOllama): Mounted[] {
  if (source.kind === "configMap") return [keyVolume("source", source, SOURCE_DIRECTORY)];
  return source.kind === "volume" ? [claimVolume("source", source.claimName, SOURCE_DIRECTORY)] : [];
}
