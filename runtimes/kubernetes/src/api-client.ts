import type { Clock } from "@bellwether/service-kit/clock";
import type { Random } from "@bellwether/service-kit/random";
import {
  type ApplyOptions,
  type DeleteOptions,
  type KubernetesClient,
  type ListOptions,
  type Page,
  type PatchOptions,
  type WatchEvent,
  type WatchHandlers,
  type WatchOptions,
  defaultFieldManager,
} from "./client.ts";
import { KubernetesError, type StatusObject, errorOfStatus, isKubernetesError } from "./errors.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { KubernetesObject, ObjectRef, Stored } from "./objects.ts";
import { type Resource, apiVersionOf, collectionPath, objectPath } from "./resource.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

export interface ApiClientOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Called before every write; throws to refuse it (a lost lease, see `LeaderElection.assertLeading`). */
  readonly guardWrite?: () => void;
  /** Called after a 401, once a request. */
  readonly forgetCredentials?: () => void;
  readonly requestTimeoutMs?: number;
}

/** Attempts of a request that may be repeated: bounded, since the work queue behind it has a back-off of its own. */
const maxAttempts = 4;
const maxRetryAfterMs = 10_000;
const defaultPageSize = 500;

interface ListBody<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items?: readonly T[];
}

/** Whether a request may be sent a second time when nobody knows what became of the first. */
type Repeat = "safe" | "never";

/** The client over a transport. One instance a process: one connection, one heartbeat. */
export class ApiClient implements KubernetesClient {
  readonly #options: ApiClientOptions;
  readonly #timeoutMs: number;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#timeoutMs = options.requestTimeoutMs ?? 30_000;
  }

  /** The same client (and connection), whose every write asks `guardWrite` first. */
  guarded(guardWrite: () => void): ApiClient {
    return new ApiClient({ ...this.#options, guardWrite });
  }

  lastHeardMs(): number | undefined {
    return this.#options.transport.lastHeardMs();
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef): Promise<Stored<T> | undefined> {
    try {
      return await this.#object<T>({ method: "GET", path: objectPath(resource, ref) }, "safe");
    } catch (error) {
      if (isKubernetesError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    const query = new URLSearchParams({ limit: String(options.limit ?? defaultPageSize) });
    if (options.continue !== undefined) query.set("continue", options.continue);
    addSelectors(query, options);
    const request: HttpRequest = { method: "GET", path: `${collectionPath(resource, options.namespace)}?${query.toString()}` };
    const list = parse(request, await this.#ok(request, "safe")) as ListBody<T>;
    const apiVersion = apiVersionOf(resource);
    // Items of a list carry neither apiVersion nor kind.
    const items = (list.items ?? []).map((item) => ({ ...item, apiVersion, kind: resource.kind }) as unknown as Stored<T>);
    const next = list.metadata.continue;
    return { items, resourceVersion: list.metadata.resourceVersion, ...(next ? { continue: next } : {}) };
  }

  create<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    const path = `${collectionPath(resource, object.metadata.namespace)}?fieldManager=${defaultFieldManager}`;
    return this.#object<T>({ method: "POST", path, contentType: "application/json", body: JSON.stringify(object) }, "never");
  }

  apply<T extends KubernetesObject>(resource: Resource<T>, object: T, options: ApplyOptions = {}): Promise<Stored<T>> {
    const query = `fieldManager=${encodeURIComponent(options.fieldManager ?? defaultFieldManager)}&force=true${dryRunQuery(options)}`;
    const path = `${objectPath(resource, refOfObject(object), options.subresource)}?${query}`;
    const body = JSON.stringify(object);
    return this.#object<T>({ method: "PATCH", path, contentType: "application/apply-patch+yaml", body }, "safe");
  }

  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: { readonly ref: ObjectRef; readonly patch: object },
    options: PatchOptions = {},
  ): Promise<Stored<T>> {
    const path = `${objectPath(resource, target.ref, options.subresource)}?fieldManager=${defaultFieldManager}${dryRunQuery(options)}`;
    const body = JSON.stringify(target.patch);
    return this.#object<T>({ method: "PATCH", path, contentType: "application/merge-patch+json", body }, "safe");
  }

  patchStatus<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, patch: object): Promise<Stored<T>> {
    return this.patch(resource, { ref, patch: { status: patch } }, { subresource: "status" });
  }

  replace<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    const path = `${objectPath(resource, refOfObject(object))}?fieldManager=${defaultFieldManager}`;
    const repeat = object.metadata.resourceVersion === undefined ? "never" : "safe";
    return this.#object<T>({ method: "PUT", path, contentType: "application/json", body: JSON.stringify(object) }, repeat);
  }

  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const preconditions = {
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.resourceVersion === undefined ? {} : { resourceVersion: options.resourceVersion }),
    };
    const body = JSON.stringify({
      apiVersion: "v1",
      kind: "DeleteOptions",
      ...(Object.keys(preconditions).length > 0 ? { preconditions } : {}),
      ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
      propagationPolicy: options.propagation ?? "Background",
    });
    try {
      await this.#ok({ method: "DELETE", path: objectPath(resource, ref), contentType: "application/json", body }, "safe");
      return true;
    } catch (error) {
      if (isKubernetesError(error, "NOT_FOUND")) return false;
      throw error;
    }
  }

  async watch<T extends KubernetesObject>(
    resource: Resource<T>,
    watch: { readonly options: WatchOptions; readonly handlers: WatchHandlers<T> },
    signal: AbortSignal,
  ): Promise<void> {
    const { options, handlers } = watch;
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    addSelectors(query, options);
    const request: HttpRequest = { method: "GET", path: `${collectionPath(resource, options.namespace)}?${query.toString()}` };
    const broken = new AbortController();
    const lines = new LineSplitter((line) => handlers.onEvent(watchEventOf<T>(request, line)));
    const onData = (chunk: Buffer): void => {
      try {
        if (!broken.signal.aborted) lines.push(chunk);
      } catch (error) {
        broken.abort(error);
      }
    };
    const stream = { onOpen: () => handlers.onOpen(), onData };
    const refused = await this.#options.transport.stream(request, stream, AbortSignal.any([signal, broken.signal]));
    if (refused === undefined) return;
    const error = errorOf(request, refused);
    if (error.code === "UNAUTHORIZED") this.#options.forgetCredentials?.();
    throw error;
  }

  async raw(
    path: string,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<{ readonly status: number; readonly text: string }> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const { status, text } = await this.#options.transport.exchange({ method: "GET", path }, { timeoutMs });
    return { status, text };
  }

  async #object<T extends KubernetesObject>(request: HttpRequest, repeat: Repeat): Promise<Stored<T>> {
    return parse(request, await this.#ok(request, repeat)) as Stored<T>;
  }

  /** The answer to a request that succeeded; anything else is thrown. */
  async #ok(request: HttpRequest, repeat: Repeat): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      if (request.method !== "GET") this.#options.guardWrite?.();
      const outcome = await this.#attempt(request);
      if (!(outcome instanceof KubernetesError)) return outcome;
      const waitMs = attempt < maxAttempts ? this.#waitBeforeRepeatMs(outcome, { attempt, repeat }) : undefined;
      if (waitMs === undefined) throw outcome;
      if (waitMs > 0) await this.#options.clock.sleep(waitMs);
    }
  }

  async #attempt(request: HttpRequest): Promise<HttpResponse | KubernetesError> {
    try {
      const response = await this.#options.transport.exchange(request, { timeoutMs: this.#timeoutMs });
      return response.status >= 200 && response.status < 300 ? response : errorOf(request, response);
    } catch (error) {
      if (error instanceof KubernetesError) return error;
      throw error;
    }
  }

  /** Undefined: give up. A refusal (429, 503 with Retry-After, 401 with stale credentials) means that nothing happened, so any request may be repeated. */
  #waitBeforeRepeatMs(error: KubernetesError, { attempt, repeat }: { attempt: number; repeat: Repeat }): number | undefined {
    if (error.code === "UNAUTHORIZED" && attempt === 1 && this.#options.forgetCredentials) {
      this.#options.forgetCredentials();
      return 0;
    }
    const { retryAfterMs } = error.context;
    if (retryAfterMs !== undefined && (error.code === "TOO_MANY_REQUESTS" || error.context.status === 503)) {
      return Math.min(retryAfterMs, maxRetryAfterMs) * (1 + this.#options.random.next() / 4);
    }
    const broke = error.code === "UNREACHABLE" || error.code === "CONNECTION_FROZEN";
    if (!broke || repeat === "never") return undefined;
    return attempt === 1 ? 0 : 50 * 2 ** attempt * (0.5 + this.#options.random.next() / 2);
  }
}

function refOfObject({ metadata }: KubernetesObject): ObjectRef {
  if (metadata.name === undefined) throw new TypeError("the object has no name");
  return { name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
}

function dryRunQuery({ dryRun }: { readonly dryRun?: boolean }): string {
  return dryRun ? "&dryRun=All" : "";
}

function addSelectors(query: URLSearchParams, options: Pick<ListOptions, "labelSelector" | "fieldSelector">): void {
  if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
}

function parse(request: HttpRequest, response: HttpResponse): unknown {
  try {
    return JSON.parse(response.text);
  } catch (cause) {
    throw new KubernetesError("INVALID_RESPONSE", `${request.method} ${request.path}: the answer is not JSON`, { cause });
  }
}

function errorOf(request: HttpRequest, response: HttpResponse): KubernetesError {
  const what = `${request.method} ${request.path}`;
  return errorOfStatus(what, { ...statusOf(response.text), code: response.status }, response.retryAfterMs);
}

/** Error bodies are Status objects, except for what proxies and plain paths send. */
function statusOf(text: string): StatusObject {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : { message: text.slice(0, 500) };
  } catch {
    return { message: text.slice(0, 500) };
  }
}

/** One line of a watch. An ERROR event is thrown: it ends the watch. */
function watchEventOf<T extends KubernetesObject>(request: HttpRequest, line: string): WatchEvent<T> {
  let event: { type: string; object: Stored<T> & StatusObject };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new KubernetesError("INVALID_RESPONSE", `${request.path}: a watch event is not JSON`, { cause });
  }
  if (event.type === "ERROR") throw errorOfStatus(`watch ${request.path}`, event.object);
  if (event.type === "BOOKMARK") return { type: "BOOKMARK", resourceVersion: event.object.metadata.resourceVersion };
  return { type: event.type as "ADDED" | "MODIFIED" | "DELETED", object: event.object };
}
