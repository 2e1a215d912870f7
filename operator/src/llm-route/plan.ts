/** Everything about an LlmRoute is decided here, nothing is done here. */
import type { LlmRoute } from "@bellwether/crds";
import type { RouteStatus } from "@bellwether/gateway/config";
import type { Manifest } from "../child-objects.ts";
import type { Draft } from "../condition.ts";
import type { OperatorConfig } from "../config.ts";
import type { ObservedPod } from "../observed-pod.ts";
import type { Word } from "../platform/status-link.ts";
import {
  type ObservedModel,
  admitted,
  budgetAvailable,
  configAccepted,
  isLoaded,
  keysAccepted,
  modelsLoaded,
  modelsPinned,
} from "./conditions.ts";
import { gatewayChildren, ollamaChildren } from "./manifests.ts";
import { networkPolicies } from "./network-policies.ts";
import { gatewayConfigText, keeperConfigText } from "./service-configs.ts";

export interface Observed {
  readonly route: LlmRoute;
  /** Issuer and signing keys of ServiceAccount tokens. */
  readonly tokens: { readonly issuer: string; readonly jwks: string };
  /** Local ones, in the order of the manifest. */
  readonly models: readonly ObservedModel[];
  /** callers.json of the gateway. */
  readonly callers: string;
  readonly gatewayPods: readonly ObservedPod[];
  readonly gateway: Word<RouteStatus>;
  readonly config: OperatorConfig;
}

/** A model as `status.models[]` shows it. */
export interface ModelState {
  readonly name: string;
  readonly ready: boolean;
  readonly breaker?: "Closed" | "Open" | "HalfOpen";
  readonly cpus?: string;
  readonly threads?: number;
  readonly tokensPerSecond?: string;
}

export interface Plan {
  /** All children that should be; `undefined`: leave everything as it is. */
  readonly children: readonly Manifest[] | undefined;
  readonly conditions: readonly Draft[];
  readonly models: readonly ModelState[];
}

/**
 *   configurations valid? ── no ──► Ready=False, SpecInvalid (what runs stays as it is)
 *        │ yes
 *   gateway answers? ── no ───────► Ready=False, PodNotStarting · GatewayNotReady
 *        │ yes
 *   a model that can be asked? ───► Ready=False, NoModelReady
 *        │ yes
 *        └────────────────────────► Ready=True; a local model that is queued, loads or failed says so beside it
 */
export function plan(observed: Observed): Plan {
  const built = childrenOf(observed);
  const { route, gateway } = observed;
  const models = modelStates(observed);
  const others = [
    admitted(observed.models),
    modelsLoaded(observed.models),
    modelsPinned(observed.models),
    budgetAvailable(route.spec, gateway),
    keysAccepted(route.spec, gateway),
    configAccepted(gateway),
  ].filter((draft) => draft !== undefined);
  const ready = built.ok ? readyOf(observed, models) : notReady("SpecInvalid", built.message);
  return { children: built.ok ? built.children : undefined, conditions: [ready, ...others], models };
}

const notReady = (reason: string, message: string): Draft => ({ type: "Ready", status: "False", reason, message });

function childrenOf({
  route,
  tokens,
  models,
  callers,
  config,
}: Observed): { ok: true; children: Manifest[] } | { ok: false; message: string } {
  const source = { route, issuer: tokens.issuer, config };
  const gateway = gatewayConfigText(source);
  if (!gateway.ok) return gateway;
  const fields = { route, config, jwks: tokens.jwks };
  const children = [...networkPolicies(route, config), ...gatewayChildren({ ...fields, callers, configText: gateway.text })];
  for (const { name, ollama, admission, file } of models) {
    const keeper = keeperConfigText(source, ollama);
    if (!keeper.ok) return { ok: false, message: `model ${name}: ${keeper.message}` };
    // A pod that waits for a ConfigMap would hold its cores and say nothing.
    const mayRun = admission.granted && file?.found !== false;
    const fileDigest = file?.found ? file.sha256 : "";
    children.push(...ollamaChildren({ ...fields, configText: keeper.text, fileDigest, model: name, ollama, admitted: mayRun }));
  }
  return { ok: true, children };
}

function readyOf({ gateway, gatewayPods }: Observed, models: readonly ModelState[]): Draft {
  if (!gateway.heard) {
    const stuck = gatewayPods.find(({ waiting }) => waiting);
    if (stuck?.waiting) return notReady("PodNotStarting", `${stuck.name}: ${stuck.waiting.reason}: ${stuck.waiting.message}`);
    return notReady("GatewayNotReady", gateway.message);
  }
  const unready = models.filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === models.length) return notReady("NoModelReady", `no model can be asked: ${unready.join(", ")}`);
  const rest = unready.length === 0 ? "" : `; not ready: ${unready.join(", ")}`;
  return { type: "Ready", status: "True", reason: "Ready", message: `the gateway answers${rest}` };
}

function modelStates({ route, models, gateway }: Observed): ModelState[] {
  return route.spec.models.map(({ name }) => {
    const said = gateway.heard ? gateway.view.models.find((model) => model.name === name) : undefined;
    const local = models.find((model) => model.name === name);
    const isAsked = said !== undefined && said.breaker !== "Open";
    return {
      name,
      ready: isAsked && (local === undefined || isLoaded(local)),
      ...(said && { breaker: said.breaker }),
      ...(local && computing(local)),
    };
  });
}

function computing({ keeper, assignment }: ObservedModel): Partial<ModelState> {
  const { threads, tokensPerSecond } = keeper.heard ? keeper.view : {};
  const cpus = assignment.known ? assignment.cpus : undefined;
  return {
    ...(cpus !== undefined && { cpus }),
    ...(threads !== undefined && { threads }),
    ...(tokensPerSecond !== undefined && { tokensPerSecond }),
  };
}
