/** The answer to kinds that this version knows and does not act on. Pure but for the one write. */
import type { Condition } from "@bellwether/crds";
import { type Informer, type Outcome, done } from "@bellwether/kubernetes";
import { conditionsOf } from "./condition.ts";
import type { OwnKind, StatusWriter } from "./platform/status-writer.ts";

export interface NotReconciledDependencies<T extends OwnKind> {
  readonly informer: Informer<T>;
  readonly statuses: StatusWriter;
  nowMs(): number;
}

type Conditioned = { readonly observedGeneration?: number | undefined; readonly conditions?: readonly Condition[] | undefined };

/** The status that says so. Nothing else of the status is touched. */
export function notReconciledStatus(kind: string, previous: Conditioned, at: { generation: number; nowMs: number }): Conditioned {
  const message = `this version of Bellwether accepts a ${kind} and does not act on it yet`;
  const conditions = conditionsOf(
    [{ type: "Ready", status: "Unknown", reason: "NotReconciled", message }],
    previous.conditions,
    at,
  );
  return { ...previous, observedGeneration: at.generation, conditions };
}

export function notReconciled<T extends OwnKind>(dependencies: NotReconciledDependencies<T>): (key: string) => Promise<Outcome> {
  const { informer, statuses } = dependencies;
  return async (key) => {
    const object = informer.cache.get(key);
    if (!object || object.metadata.deletionTimestamp !== undefined) return done;
    const at = { generation: object.metadata.generation ?? 0, nowMs: dependencies.nowMs() };
    const next = notReconciledStatus(informer.resource.kind, object.status ?? {}, at);
    await statuses.write({ resource: informer.resource, object }, next, []);
    return done;
  };
}
