import { GROUP, LLM_ROUTE, RISK_POLICY, STRATEGY, VERSION, type ResourceNames } from "@bellwether/crds";
import {
  type KubernetesClient,
  type KubernetesObject,
  type Resource,
  type Stored,
  defineResource,
  isKubernetesError,
} from "@bellwether/kubernetes";
import type { Clock } from "@bellwether/service-kit";

const resourceOf = (names: ResourceNames): Resource =>
  defineResource({ group: GROUP, version: VERSION, plural: names.plural, kind: names.kind, namespaced: true });

/** Strategies first: a RiskPolicy's finalizer waits for its Strategies. LlmRoutes last, and for the sake of their pods: nobody would ever stop them. */
const drained: readonly Resource[] = [resourceOf(STRATEGY), resourceOf(RISK_POLICY), resourceOf(LLM_ROUTE)];
const pollMs = 1_000;
/** Left for the rest when a kind does not go: half of what remains. */
const shareOfFirst = 0.6;

export interface DrainOptions {
  /** None named: all namespaces. */
  readonly namespaces: readonly string[];
  /** For everything together. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly report: (line: string) => void;
}

type DrainClient = Pick<KubernetesClient, "list" | "delete" | "patch">;
type Found = Stored<KubernetesObject>;

/**
 * Deletes every Strategy, RiskPolicy and LlmRoute and waits until they are gone: while the operator runs, so that its finalizers cancel what works
 * at the venues. What is left at the deadline loses our finalizer and goes, too: after an uninstall nobody could ever release it.
 *
 * @returns objects that had to be released that way
 */
export async function drain(client: DrainClient, options: DrainOptions): Promise<readonly string[]> {
  const released: string[] = [];
  const deadline = options.clock.nowMs() + options.timeoutMs;
  for (const [index, resource] of drained.entries()) {
    const remainingMs = deadline - options.clock.nowMs();
    const untilMs = options.clock.nowMs() + (index === 0 ? remainingMs * shareOfFirst : remainingMs);
    const left = await deleteAll(client, { resource, untilMs, options });
    for (const object of left) released.push(await release(client, resource, object));
  }
  for (const name of released)
    options.report(`${name} was still there at the deadline: its finalizer was removed; check the venue for working orders`);
  return released;
}

async function listAll(client: DrainClient, resource: Resource, namespaces: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const namespace of namespaces.length === 0 ? [undefined] : namespaces) {
    let next: string | undefined;
    do {
      const page = await client.list(resource, {
        ...(namespace === undefined ? {} : { namespace }),
        ...(next === undefined ? {} : { continue: next }),
      });
      found.push(...page.items);
      next = page.continue;
    } while (next !== undefined);
  }
  return found;
}

/** No CRD, nothing to drain. */
async function listOrNothing(client: DrainClient, resource: Resource, namespaces: readonly string[]): Promise<Found[]> {
  try {
    return await listAll(client, resource, namespaces);
  } catch (error) {
    if (isKubernetesError(error, "NOT_FOUND")) return [];
    throw error;
  }
}

interface Deletion {
  readonly resource: Resource;
  readonly untilMs: number;
  readonly options: DrainOptions;
}

/** Deletes again what appears meanwhile (a GitOps tool may put it back). Returns what is left at the deadline. */
async function deleteAll(client: DrainClient, { resource, untilMs, options }: Deletion): Promise<readonly Found[]> {
  for (;;) {
    const left = await listOrNothing(client, resource, options.namespaces);
    for (const { metadata } of left.filter((object) => object.metadata.deletionTimestamp === undefined)) {
      await client.delete(resource, refOf(metadata));
    }
    if (left.length === 0 || options.clock.nowMs() >= untilMs) return left;
    options.report(`waiting for ${left.length} ${resource.plural}: ${left.slice(0, 5).map(nameOf).join(", ")}`);
    await options.clock.sleep(pollMs);
  }
}

async function release(client: DrainClient, resource: Resource, object: Found): Promise<string> {
  const finalizers = (object.metadata.finalizers ?? []).filter((finalizer) => !finalizer.startsWith(`${GROUP}/`));
  try {
    await client.patch(resource, { ref: refOf(object.metadata), patch: { metadata: { finalizers } } });
  } catch (error) {
    if (!isKubernetesError(error, "NOT_FOUND")) throw error;
  }
  return `${resource.kind} ${nameOf(object)}`;
}

const refOf = ({ name, namespace }: Found["metadata"]) => ({ name, ...(namespace === undefined ? {} : { namespace }) });
const nameOf = ({ metadata }: Found): string => `${metadata.namespace ?? ""}/${metadata.name}`;
