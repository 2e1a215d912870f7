/** The named ways between the pods of a route; whatever is not named here is closed in both directions. Pure. */
import { type LlmRoute, OWNER_LABEL, effectiveOllama } from "@bellwether/crds";
import { childName } from "../child-name.ts";
import { API_PORT, type Component, type Manifest } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import {
  type Way,
  blocks,
  dns,
  health,
  networkPolicy,
  operatorPods,
  pods,
  portOf,
  postgresWay,
  tcp,
  valkeyWays,
} from "../network-ways.ts";
import { OLLAMA_PORT } from "./service-configs.ts";

/**
 *   agents that name the route ─► gateway ◄─ operator       gateway ─► Ollama, Postgres, Valkey, hosted models and web search
 *   gateway ─► Ollama ◄─ operator                           Ollama ─► its registry, where a model is pulled
 */
export function networkPolicies(route: LlmRoute, config: OperatorConfig): Manifest[] {
  if (!config.networkPolicies.enabled) return [];
  const of = (component: Component) => ({
    "app.kubernetes.io/component": component,
    [OWNER_LABEL.LlmRoute]: route.metadata.name,
  });
  const made = (component: Component, role: string, ways: { ingress: Way[]; egress: Way[] }): Manifest =>
    networkPolicy(
      { owner: route, component, name: childName("llmr", route.metadata.name, role) },
      { selector: { matchLabels: of(component) }, ...ways },
    );
  const operator: Way = { peers: [operatorPods(config)], ports: tcp(API_PORT) };
  const gateway = pods(of("gateway"));
  return [
    made("gateway", "gateway", {
      ingress: [{ peers: [pods(of("agent"))], ports: tcp(API_PORT) }, operator, health],
      egress: [
        dns,
        postgresWay(config),
        ...valkeyWays(config),
        { peers: [pods(of("ollama"))], ports: tcp(OLLAMA_PORT) },
        ...outside(hostedPorts(route), config),
      ],
    }),
    // Beside the way to risk that its policy gives it; a backtest has no other.
    made("agent", "agents", { ingress: [], egress: [dns, { peers: [gateway], ports: tcp(API_PORT) }] }),
    made("ollama", "ollama", {
      ingress: [{ peers: [gateway], ports: tcp(OLLAMA_PORT) }, operator, health],
      egress: [dns, ...outside(registryPorts(route), config)],
    }),
  ];
}

/** @param named ports that addresses of the route name; undefined: nothing of it is outside */
function outside(named: readonly number[] | undefined, { networkPolicies: { modelCidrs, modelPorts } }: OperatorConfig): Way[] {
  return named ? [{ peers: blocks(modelCidrs), ports: tcp(...new Set([...modelPorts, ...named])) }] : [];
}

function hostedPorts({ spec }: LlmRoute): number[] | undefined {
  const hosted = spec.models.flatMap(({ openai, gemini }) => openai ?? gemini ?? []);
  const outer = [...hosted, ...(spec.search ? [spec.search.tavily] : [])];
  return outer.length === 0 ? undefined : outer.flatMap(({ baseUrl }) => (baseUrl === undefined ? [] : [portOf(baseUrl)]));
}

function registryPorts({ spec }: LlmRoute): number[] | undefined {
  const sources = spec.models.flatMap(({ ollama }) => (ollama ? [effectiveOllama(ollama).source] : []));
  const registries = sources.filter((source) => source.kind === "registry");
  return registries.length === 0 ? undefined : registries.flatMap(({ url }) => (url === undefined ? [] : [portOf(url)]));
}
