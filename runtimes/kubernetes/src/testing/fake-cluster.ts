/**
 * An API server in memory, with behaviour: resource versions that grow, pages, watches with bookmarks, status as a
 * subresource, server-side apply of one manager, deletion with finalizers, conflicts, and faults on demand (cut
 * connections, forgotten history, refusals). For tests of controllers that need no real API server.
 */
import type {
  ApplyOptions,
  DeleteOptions,
  KubernetesClient,
  ListOptions,
  Page,
  PatchOptions,
  WatchEvent,
  WatchHandlers,
  WatchOptions,
} from "../client.ts";
import { KubernetesError } from "../errors.ts";
import { type KubernetesObject, type ObjectMeta, type ObjectRef, type Stored, keyOf } from "../objects.ts";
import { type Resource, apiVersionOf } from "../resource.ts";
import { deepEqual } from "../status-patch.ts";

type Json = Record<string, unknown>;
type AnyStored = Stored<KubernetesObject>;

export interface RecordedWrite {
  readonly verb: "create" | "apply" | "patch" | "patchStatus" | "replace" | "delete";
  readonly kind: string;
  readonly key: string;
}

interface Watcher {
  readonly id: string;
  readonly matches: (object: AnyStored) => boolean;
  readonly send: (event: WatchEvent<KubernetesObject>) => void;
  readonly end: (error?: unknown) => void;
}

interface LogEntry {
  readonly id: string;
  readonly version: number;
  readonly event: WatchEvent<KubernetesObject> & { readonly type: "ADDED" | "MODIFIED" | "DELETED" };
}

export class FakeCluster implements KubernetesClient {
  /** Every write that changed something or was refused by a fault is here, in order. */
  readonly writes: RecordedWrite[] = [];
  /** Answers of `raw`, by path. */
  readonly rawAnswers = new Map<string, { readonly status: number; readonly text: string }>();
  readonly #objects = new Map<string, AnyStored>();
  readonly #applied = new Map<string, Json>();
  readonly #watchers = new Set<Watcher>();
  #log: LogEntry[] = [];
  #version = 0;
  #uid = 0;
  #forgottenBefore = 0;
  #faults: { readonly matches: (call: RecordedWrite | { verb: string; kind: string }) => boolean; readonly error: Error }[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  // ---- faults

  /** The next call that fits fails with `error`. Verbs: list, watch, get and those of writes. */
  failNext(verb: string, error: Error, kind?: string): void {
    this.#faults.push({ matches: (call) => call.verb === verb && (kind === undefined || call.kind === kind), error });
  }

  /** Every open watch ends, as after an RST. */
  cutWatches(error: Error = new KubernetesError("UNREACHABLE", "cut")): void {
    for (const watcher of this.#watchers) watcher.end(error);
  }

  /** Every open watch ends in order, as after its timeout. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.end();
  }

  /** A watch from a version before now is answered with 410 from here on. */
  forgetHistory(): void {
    this.#forgottenBefore = this.#version;
    this.#log = [];
  }

  bookmark(): void {
    for (const watcher of this.#watchers) watcher.send({ type: "BOOKMARK", resourceVersion: String(this.#version) });
  }

  get openWatches(): number {
    return this.#watchers.size;
  }

  // ---- what a test puts in and looks at

  /** Creates or overwrites an object as somebody else would (status included); not recorded as a write. */
  put<T extends KubernetesObject>(resource: Resource<T>, object: T): Stored<T> {
    const id = idOf(resource, object.metadata);
    const current = this.#objects.get(id);
    return this.#store(resource, this.#born(resource, object, current)) as Stored<T>;
  }

  /** Removes an object at once, whatever its finalizers. */
  remove(resource: Resource, ref: ObjectRef): void {
    const id = idOf(resource, ref);
    const object = this.#objects.get(id);
    if (object) this.#drop(resource, object);
  }

  read<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef): Stored<T> | undefined {
    return this.#objects.get(idOf(resource, ref)) as Stored<T> | undefined;
  }

  all<T extends KubernetesObject>(resource: Resource<T>): Stored<T>[] {
    const prefix = `${resource.group}/${resource.plural}:`;
    return [...this.#objects].filter(([id]) => id.startsWith(prefix)).map(([, object]) => object as Stored<T>);
  }

  // ---- KubernetesClient

  lastHeardMs(): number | undefined {
    return this.#nowMs();
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef): Promise<Stored<T> | undefined> {
    this.#mayFail({ verb: "get", kind: resource.kind });
    return this.read(resource, ref);
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    this.#mayFail({ verb: "list", kind: resource.kind });
    const matches = selection(options);
    const items = this.all(resource).filter((object) => matches(object)).sort((a, b) => (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1)); // prettier-ignore
    const start = options.continue === undefined ? 0 : Number(options.continue);
    const end = start + (options.limit ?? 500);
    const page = { items: items.slice(start, end), resourceVersion: String(this.#version) };
    return end < items.length ? { ...page, continue: String(end) } : page;
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    this.#write("create", resource, object.metadata);
    if (this.#objects.has(idOf(resource, object.metadata)))
      throw new KubernetesError("ALREADY_EXISTS", `${keyOf(object.metadata)} exists`);
    return this.#store(resource, this.#born(resource, object, undefined)) as Stored<T>;
  }

  async apply<T extends KubernetesObject>(resource: Resource<T>, object: T, options: ApplyOptions = {}): Promise<Stored<T>> {
    this.#write("apply", resource, object.metadata);
    const id = idOf(resource, object.metadata);
    const current = this.#objects.get(id);
    if (!current) {
      this.#applied.set(id, structuredClone(object) as unknown as Json);
      return this.#store(resource, this.#born(resource, object, undefined)) as Stored<T>;
    }
    const merged = structuredClone(current) as unknown as Json;
    removeDropped(merged, this.#applied.get(id) ?? {}, object as unknown as Json);
    mergeInto(merged, object as unknown as Json);
    if (!options.dryRun) this.#applied.set(id, structuredClone(object) as unknown as Json);
    return this.#store(resource, merged as unknown as AnyStored) as Stored<T>;
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: { readonly ref: ObjectRef; readonly patch: object },
    options: PatchOptions = {},
  ): Promise<Stored<T>> {
    this.#write(options.subresource === "status" ? "patchStatus" : "patch", resource, target.ref);
    const current = this.#existing(resource, target.ref);
    const version = (target.patch as Partial<KubernetesObject>).metadata?.resourceVersion;
    if (version !== undefined && version !== current.metadata.resourceVersion)
      throw new KubernetesError("CONFLICT", "the object changed");
    const merged = mergePatched(current as unknown as Json, target.patch as Json);
    return this.#store(resource, merged as unknown as AnyStored) as Stored<T>;
  }

  patchStatus<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, patch: object): Promise<Stored<T>> {
    return this.patch(resource, { ref, patch: { status: patch } }, { subresource: "status" });
  }

  async replace<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    this.#write("replace", resource, object.metadata);
    const current = this.#existing(resource, object.metadata as ObjectRef);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
      throw new KubernetesError("CONFLICT", `${keyOf(object.metadata)} changed`);
    }
    return this.#store(resource, this.#born(resource, object, current)) as Stored<T>;
  }

  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    this.#write("delete", resource, ref);
    const object = this.#objects.get(idOf(resource, ref));
    if (!object) return false;
    if (options.uid !== undefined && options.uid !== object.metadata.uid) throw new KubernetesError("CONFLICT", "another uid");
    if (!object.metadata.finalizers?.length) this.#drop(resource, object);
    else if (object.metadata.deletionTimestamp === undefined) {
      const deletionTimestamp = new Date(this.#nowMs()).toISOString();
      this.#store(resource, { ...object, metadata: { ...object.metadata, deletionTimestamp } });
    }
    return true;
  }

  watch<T extends KubernetesObject>(
    resource: Resource<T>,
    watch: { readonly options: WatchOptions; readonly handlers: WatchHandlers<T> },
    signal: AbortSignal,
  ): Promise<void> {
    const { options, handlers } = watch;
    return new Promise((resolve, reject) => {
      const id = `${resource.group}/${resource.plural}:`;
      try {
        this.#mayFail({ verb: "watch", kind: resource.kind });
        if (Number(options.resourceVersion) < this.#forgottenBefore)
          throw new KubernetesError("EXPIRED", "too old resource version");
      } catch (error) {
        reject(error);
        return;
      }
      const watcher: Watcher = {
        id,
        matches: selection(options),
        send: (event) => handlers.onEvent(event as WatchEvent<T>),
        end: (error) => {
          this.#watchers.delete(watcher);
          signal.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const onAbort = (): void => watcher.end(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#watchers.add(watcher);
      handlers.onOpen();
      for (const entry of this.#log) {
        if (entry.id === id && entry.version > Number(options.resourceVersion) && watcher.matches(entry.event.object))
          watcher.send(entry.event);
      }
    });
  }

  async raw(path: string): Promise<{ readonly status: number; readonly text: string }> {
    this.#mayFail({ verb: "raw", kind: path });
    return this.rawAnswers.get(path) ?? { status: 404, text: "not found" };
  }

  // ---- inside

  #write(verb: RecordedWrite["verb"], resource: Resource, ref: { readonly name?: string; readonly namespace?: string }): void {
    const write: RecordedWrite = { verb, kind: resource.kind, key: keyOf(ref) };
    this.writes.push(write);
    this.#mayFail(write);
  }

  #mayFail(call: { readonly verb: string; readonly kind: string }): void {
    const index = this.#faults.findIndex(({ matches }) => matches(call));
    const [fault] = index < 0 ? [] : this.#faults.splice(index, 1);
    if (fault) throw fault.error;
  }

  #existing(resource: Resource, ref: ObjectRef): AnyStored {
    const object = this.#objects.get(idOf(resource, ref));
    if (!object) throw new KubernetesError("NOT_FOUND", `${resource.kind} ${keyOf(ref)} not found`);
    return object;
  }

  #born(resource: Resource, object: KubernetesObject, current: AnyStored | undefined): AnyStored {
    const metadata = {
      creationTimestamp: new Date(this.#nowMs()).toISOString(),
      ...object.metadata,
      uid: current?.metadata.uid ?? `uid-${++this.#uid}`,
      generation: current?.metadata.generation ?? 1,
    } as unknown as AnyStored["metadata"];
    return structuredClone({ ...object, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata });
  }

  /** Takes a new state in; one that changes nothing gets no new version, as on the real server. */
  #store(resource: Resource, next: AnyStored): AnyStored {
    const id = idOf(resource, next.metadata);
    const current = this.#objects.get(id);
    if (current && deepEqual(withoutVersion(current), withoutVersion(next))) return current;
    const specChanged =
      current !== undefined && !deepEqual((current as unknown as Json)["spec"], (next as unknown as Json)["spec"]);
    const generation = (current?.metadata.generation ?? 0) + (current === undefined || specChanged ? 1 : 0);
    const stored = { ...next, metadata: { ...next.metadata, generation, resourceVersion: String(++this.#version) } };
    this.#objects.set(id, stored);
    if (stored.metadata.deletionTimestamp !== undefined && !stored.metadata.finalizers?.length) this.#drop(resource, stored);
    else this.#publish(resource, { type: current ? "MODIFIED" : "ADDED", object: stored });
    return stored;
  }

  #drop(resource: Resource, object: AnyStored): void {
    const id = idOf(resource, object.metadata);
    this.#objects.delete(id);
    this.#applied.delete(id);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#publish(resource, { type: "DELETED", object: last });
    this.#collectGarbage(object.metadata.uid);
  }

  /** Background deletion of what the object owned. */
  #collectGarbage(ownerUid: string): void {
    const children = [...this.#objects].map(([, object]) => object);
    for (const object of children) {
      if (!object.metadata.ownerReferences?.some(({ uid }) => uid === ownerUid)) continue;
      const entry = [...this.#objects].find(([, candidate]) => candidate === object);
      const [group = "", plural = ""] = (entry?.[0].split(":")[0] ?? "").split("/");
      this.#drop({ group, plural, version: "", kind: object.kind, namespaced: true }, object);
    }
  }

  #publish(resource: Resource, event: LogEntry["event"]): void {
    const id = `${resource.group}/${resource.plural}:`;
    this.#log.push({ id, version: this.#version, event });
    for (const watcher of this.#watchers) if (watcher.id === id && watcher.matches(event.object)) watcher.send(event);
  }
}

function idOf(resource: Resource, ref: { readonly name?: string; readonly namespace?: string }): string {
  return `${resource.group}/${resource.plural}:${keyOf(ref)}`;
}

function withoutVersion(object: AnyStored): unknown {
  const { resourceVersion: _, generation: __, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function selection({
  namespace,
  labelSelector,
  fieldSelector,
}: Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector">) {
  const labels = parseSelector(labelSelector);
  const fields = parseSelector(fieldSelector);
  return ({ metadata }: { readonly metadata: ObjectMeta }): boolean =>
    (namespace === undefined || metadata.namespace === namespace) &&
    labels.every(([label, value]) => metadata.labels?.[label] === value) &&
    fields.every(([field, value]) => (field === "metadata.name" ? metadata.name : metadata.namespace) === value);
}

/** Equality only: `a=b,c=d`. */
function parseSelector(selector: string | undefined): [string, string][] {
  if (!selector) return [];
  return selector.split(",").map((term) => {
    const [name = "", value = ""] = term.split("=");
    return [name, value];
  });
}

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mergeInto(target: Json, source: Json): void {
  for (const [member, value] of Object.entries(source)) {
    const old = target[member];
    if (isMap(value) && isMap(old)) mergeInto(old, value);
    else if (value !== undefined) target[member] = structuredClone(value);
  }
}

/** Fields of the last apply that this one no longer names go away. */
function removeDropped(target: Json, before: Json, after: Json): void {
  for (const [member, value] of Object.entries(before)) {
    const old = target[member];
    if (after[member] === undefined) delete target[member];
    else if (isMap(value) && isMap(old) && isMap(after[member])) removeDropped(old, value, after[member]);
  }
}

function mergePatched(current: Json, patch: Json): Json {
  const merged: Json = { ...current };
  for (const [member, value] of Object.entries(patch)) {
    const old = merged[member];
    if (value === null) delete merged[member];
    else if (isMap(value)) merged[member] = mergePatched(isMap(old) ? old : {}, value);
    else if (value !== undefined) merged[member] = structuredClone(value);
  }
  return merged;
}
