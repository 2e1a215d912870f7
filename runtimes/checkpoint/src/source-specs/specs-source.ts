import { z } from "zod";
import { hasCode, messageOf } from "@bellwether/service-kit/coded-error";
import { checkpointError } from "../errors.ts";
import type { Position, Source, SourceFile } from "../source.ts";

export interface SpecsSourceOptions {
  /** Of the API server. */
  readonly url: string;
  readonly namespace: string;
  /** Asked for each request: projected tokens change while a job runs. */
  readonly token: () => string;
  readonly fetch: typeof globalThis.fetch;
}

const plurals = ["strategies", "llmroutes", "riskpolicies", "checkpoints"] as const;
const pageSize = 100;
/** More objects than a namespace of one machine can run; beyond, something is wrong. */
const mostPages = 100;

const page = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        uid: z.string(),
        resourceVersion: z.string(),
        labels: z.record(z.string(), z.string()).optional(),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
      spec: z.unknown(),
    }),
  ),
});
type Listed = z.infer<typeof page>["items"][number];

/**
 * What people asked for: the specs of the custom resources of one namespace, a line of JSON each. They are kept to be looked at and compared; a restore
 * never applies them over existing objects. The version of each list stands in the position, for the API server cannot be frozen together with Postgres.
 */
export function specsSource(options: SpecsSourceOptions): Source {
  return {
    name: "Specs",
    async open(signal) {
      const lists = new Map<string, { readonly resourceVersion: string; readonly items: readonly Listed[] }>();
      for (const plural of plurals) lists.set(plural, await list(plural, options, signal));
      const versions = [...lists].map(([plural, { resourceVersion }]) => [plural, resourceVersion]);
      const position: Position = { namespace: options.namespace, resourceVersions: Object.fromEntries(versions) as Position };
      return { position, files: () => filesOf(lists), close: () => Promise.resolve() };
    },
  };
}

async function* filesOf(lists: ReadonlyMap<string, { readonly items: readonly Listed[] }>): AsyncIterable<SourceFile> {
  for (const [plural, { items }] of lists) yield { path: `specs/${plural}.jsonl`, content: linesOf(items) };
}

async function* linesOf(items: readonly Listed[]): AsyncIterable<Buffer> {
  for (const item of items) yield Buffer.from(`${JSON.stringify(item)}\n`);
}

async function list(
  plural: string,
  options: SpecsSourceOptions,
  signal: AbortSignal,
): Promise<{ resourceVersion: string; items: Listed[] }> {
  const items: Listed[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < mostPages; pages++) {
    const { metadata, items: listed } = await listPage(plural, { ...options, next }, signal);
    items.push(...listed);
    if (!metadata.continue) return { resourceVersion: metadata.resourceVersion, items };
    next = metadata.continue;
  }
  throw checkpointError("SPECS_UNREADABLE", `the API server has more than ${mostPages * pageSize} ${plural}`, {
    context: { plural },
  });
}

async function listPage(
  plural: string,
  { url, namespace, token, fetch, next }: SpecsSourceOptions & { readonly next: string | undefined },
  signal: AbortSignal,
): Promise<z.infer<typeof page>> {
  const at = new URL(`/apis/bellwether.dev/v1alpha1/namespaces/${namespace}/${plural}?limit=${pageSize}`, url);
  if (next !== undefined) at.searchParams.set("continue", next);
  try {
    const response = await fetch(at, { headers: { authorization: `Bearer ${token()}` }, signal });
    if (response.ok) return page.parse(await response.json());
    throw unreadable(plural, `status ${response.status}`);
  } catch (error) {
    signal.throwIfAborted();
    throw hasCode(error) ? error : unreadable(plural, messageOf(error), error);
  }
}

function unreadable(plural: string, why: string, cause?: unknown): Error {
  return checkpointError("SPECS_UNREADABLE", `the API server does not list ${plural}: ${why}`, { context: { plural }, cause });
}
