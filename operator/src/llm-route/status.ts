/** The status of an LlmRoute, from its plan and its gateway's word. Pure. */
import type { LlmRoute, LlmRouteStatus } from "@bellwether/crds";
import type { RouteStatus } from "@bellwether/gateway/config";
import type { EventText } from "@bellwether/kubernetes";
import { gatewayName } from "../child-name.ts";
import { API_PORT, namespaceOf } from "../child-objects.ts";
import { conditionsOf } from "../condition.ts";
import { percentOf } from "../figures.ts";
import type { Word } from "../platform/status-link.ts";
import type { Plan } from "./plan.ts";

export interface StatusInput {
  readonly route: LlmRoute;
  readonly plan: Plan;
  readonly gateway: Word<RouteStatus>;
  /** False: money and counters stay as they were written last, they are not due yet. */
  readonly figuresDue: boolean;
  readonly nowMs: number;
}

export function statusOf({ route, plan, gateway, figuresDue, nowMs }: StatusInput): LlmRouteStatus {
  const previous = route.status ?? {};
  const generation = route.metadata.generation ?? 0;
  const view = gateway.heard ? gateway.view : undefined;
  const isDue = view !== undefined && (figuresDue || previous.cache === undefined || isNews(previous.budget, view.budget));
  const cpus = plan.models.flatMap((model) => model.cpus ?? []);
  const status: { [Member in keyof LlmRouteStatus]: LlmRouteStatus[Member] | undefined } = {
    observedGeneration: generation,
    conditions: conditionsOf(plan.conditions, previous.conditions, { generation, nowMs }),
    ready: `${plan.models.filter(({ ready }) => ready).length}/${plan.models.length}`,
    models: plan.models.map((model) => ({ ...model })),
    modelNames: plan.models.map(({ name }) => name).join(","),
    cpus: cpus.length === 0 ? undefined : cpus.join(","),
    endpoint: `http://${gatewayName(route.metadata.name)}.${namespaceOf(route)}.svc:${API_PORT}/v1`,
    ...(isDue ? figuresOf(view) : { budget: previous.budget, cache: previous.cache, cacheHitPercent: previous.cacheHitPercent }),
  };
  return Object.fromEntries(Object.entries(status).filter(([, member]) => member !== undefined));
}

/** Money moves all the time; the first of a month, and what the budget comes to, is told at once. */
function isNews(before: LlmRouteStatus["budget"], now: RouteStatus["budget"]): boolean {
  return before?.state !== now?.state || (before?.spentUsd === "0" && now?.spentUsd !== "0");
}

function figuresOf({ budget, cache }: RouteStatus): Pick<LlmRouteStatus, "budget" | "cache" | "cacheHitPercent"> {
  return {
    ...(budget && {
      budget: {
        periodStart: budget.periodStart,
        spentUsd: budget.spentUsd,
        tokens: budget.tokens,
        ratio: budget.ratio,
        state: budget.state,
      },
    }),
    cache: { hitRatio: cache.hitRatio, savedTokens: cache.savedTokens },
    cacheHitPercent: percentOf(cache.hitRatio),
  };
}

/** Changes that a person wants to find in `kubectl describe`. */
export function transitionEvents(previous: LlmRouteStatus, next: LlmRouteStatus): EventText[] {
  return (next.conditions ?? []).flatMap((condition) => {
    const before = previous.conditions?.find(({ type }) => type === condition.type);
    if (condition.status === "Unknown" || (condition.status === before?.status && condition.reason === before.reason)) return [];
    const type = condition.status === "True" ? "Normal" : "Warning";
    return [{ type, reason: condition.reason, action: "Reconcile", note: `${condition.type}: ${condition.message}` } as const];
  });
}
