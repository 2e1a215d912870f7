/** callers.json of a route's gateway: who may call, from the strategies that name it. Pure. */
import type { LlmRoute, Strategy } from "@bellwether/crds";
import type { RouteCallersInput } from "@bellwether/gateway/config";
import { agentName, subjectOf } from "../child-name.ts";
import { namespaceOf } from "../child-objects.ts";

/** As many as a gateway takes; nobody runs as many agents on a node. */
const mostCallers = 2_000;

/**
 * The strategies whose spec names the route and that may run: one that is suspended or being deleted is off the list, and a token that was taken
 * from its pod opens nothing any more. Equal strategies, equal text: in the order of their names.
 */
export function callersText(route: LlmRoute, strategies: readonly Strategy[]): string {
  const namespace = namespaceOf(route);
  const callers: RouteCallersInput = strategies
    .filter(({ metadata, spec }) => {
      const names = metadata.namespace === namespace && spec.llmRouteRef?.name === route.metadata.name;
      return names && spec.suspend !== true && metadata.deletionTimestamp === undefined;
    })
    .map(({ metadata: { name } }) => ({ subject: subjectOf(namespace, agentName(name)), tenant: name }))
    .toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1))
    .slice(0, mostCallers);
  return `${JSON.stringify(callers)}\n`;
}
