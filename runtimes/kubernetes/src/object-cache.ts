import { type KubernetesObject, type ObjectKey, type Stored, keyOf, refOf } from "./objects.ts";
import { isNewer } from "./resource-version.ts";

export interface CacheChange<T extends KubernetesObject> {
  readonly type: "added" | "modified" | "deleted";
  readonly key: ObjectKey;
  /** The newest known state; of a deleted object the last one. Never change it: it is shared. */
  readonly object: Stored<T>;
  readonly previous?: Stored<T>;
  /** Our own write came back: who wrote it has nothing to learn from it. */
  readonly own: boolean;
}

/** News held back during an own write; from a LIST it cannot be told what lay before it, so it stays news in any case. */
interface Held<T extends KubernetesObject> {
  readonly change: CacheChange<T>;
  readonly listed: boolean;
}

/** Own writes of one key that are under way, and what the watch told meanwhile. */
interface Writing<T extends KubernetesObject> {
  writes: number;
  readonly held: Held<T>[];
  /** The newest version of the key that watch or LIST told meanwhile; what an older answer says is over. */
  toldVersion?: string;
}

export type CacheListener<T extends KubernetesObject> = (change: CacheChange<T>) => void;

interface Entry<T extends KubernetesObject> {
  readonly object: Stored<T>;
  /** Taken over from our own write, whose watch event has not come yet. */
  awaitsEcho: boolean;
}

/** What an object is reduced to before it is kept. */
export type Transform<T extends KubernetesObject> = (object: Stored<T>) => Stored<T>;

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** Drops what no controller reads and what makes up much of an object's bytes. */
export function stripBookkeeping<T extends KubernetesObject>(object: Stored<T>): Stored<T> {
  const { managedFields: _, ...metadata } = object.metadata;
  if (metadata.annotations?.[lastApplied] === undefined) return { ...object, metadata };
  const { [lastApplied]: __, ...annotations } = metadata.annotations;
  return { ...object, metadata: { ...metadata, annotations } };
}

/**
 * The newest known state of a set of objects, from a watch and from our own writes.
 *
 * Own writes are laid over at once, so that a controller never decides on a state older than what it wrote; the version
 * of an object never goes back. A watch event that is only the echo of an own write is not announced as news. One that
 * is older than an own write *is*: somebody else's change lay in between, and the state we hold contains it.
 */
export class ObjectCache<T extends KubernetesObject> {
  readonly #entries = new Map<ObjectKey, Entry<T>>();
  /** uids that our own delete removed; kept until the watch says so, lest an older event brings them back. */
  readonly #removed = new Set<string>();
  /** Keys with own writes under way, and the news that came meanwhile. */
  readonly #writing = new Map<ObjectKey, Writing<T>>();
  readonly #listeners = new Set<CacheListener<T>>();
  #listing = false;
  readonly #indexes = new Map<string, Index<T>>();
  readonly #transform: Transform<T>;

  constructor(transform: Transform<T> = stripBookkeeping) {
    this.#transform = transform;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: ObjectKey): Stored<T> | undefined {
    return this.#entries.get(key)?.object;
  }

  *list(): Generator<Stored<T>> {
    for (const { object } of this.#entries.values()) yield object;
  }

  /** Objects for which the index function gave `value`. */
  byIndex(name: string, value: string): readonly Stored<T>[] {
    const index = this.#indexes.get(name);
    if (!index) throw new TypeError(`no index ${name}`);
    const keys = index.keysByValue.get(value);
    return keys ? [...keys].flatMap((key) => this.get(key) ?? []) : [];
  }

  /** Adds an index; `valuesOf` must be pure. */
  addIndex(name: string, valuesOf: (object: Stored<T>) => readonly string[]): this {
    const index: Index<T> = { valuesOf, keysByValue: new Map() };
    this.#indexes.set(name, index);
    for (const [key, { object }] of this.#entries) addToIndex(index, { key, object });
    return this;
  }

  /** Returns the way to end it. Listeners must not throw. */
  subscribe(listener: CacheListener<T>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A state from a LIST: it may stand for many changes at once, so the echo of an own write is news here. */
  observeListed(object: Stored<T>): void {
    this.#listing = true;
    try {
      this.observe(object);
    } finally {
      this.#listing = false;
    }
  }

  /** A state from a watch's ADDED or MODIFIED. */
  observe(object: Stored<T>): void {
    const key = keyOf(object.metadata);
    if (this.#removed.has(object.metadata.uid)) return;
    this.#told(key, object.metadata.resourceVersion);
    const current = this.#entries.get(key);
    if (!current || isNewer(object.metadata.resourceVersion, current.object.metadata.resourceVersion)) {
      this.#put({ key, object, current, own: false });
      return;
    }
    if (!current.awaitsEcho) return;
    const isEcho = object.metadata.resourceVersion === current.object.metadata.resourceVersion;
    if (isEcho) current.awaitsEcho = false;
    if (!isEcho || this.#listing) this.#announce({ type: "modified", key, object: current.object, own: false });
  }

  /** A watch's DELETED, whose resourceVersion is that of the deletion. */
  observeDeleted(object: Stored<T>): void {
    const key = keyOf(object.metadata);
    const wasOurs = this.#removed.delete(object.metadata.uid);
    this.#told(key, object.metadata.resourceVersion);
    const current = this.#entries.get(key);
    if (!current) return;
    const recreated = current.object.metadata.uid !== object.metadata.uid;
    if (recreated && isNewer(current.object.metadata.resourceVersion, object.metadata.resourceVersion)) return;
    this.#remove(key, { current, own: wasOurs });
  }

  /**
   * An own write of `key` begins. The watch may bring its echo before the answer comes: news of the key is held back until
   * then, so that the echo can be told from somebody else's change. Call the result once, with the answer if there is one.
   */
  beginWrite(key: ObjectKey): (answer?: Stored<T>) => void {
    const writing: Writing<T> = this.#writing.get(key) ?? { writes: 0, held: [] };
    writing.writes++;
    this.#writing.set(key, writing);
    return (answer) => {
      if (--writing.writes === 0) this.#writing.delete(key);
      const { toldVersion } = writing;
      if (answer && (toldVersion === undefined || isNewer(answer.metadata.resourceVersion, toldVersion))) this.overlay(answer);
      this.#announceHeld(writing, answer?.metadata.resourceVersion);
    };
  }

  /** The answer to our own write. */
  overlay(object: Stored<T>): void {
    const key = keyOf(object.metadata);
    const current = this.#entries.get(key);
    if (current && !isNewer(object.metadata.resourceVersion, current.object.metadata.resourceVersion)) return;
    this.#put({ key, object, current, own: true });
  }

  /** Our own delete removed the object at once (no finalizer, no grace period). */
  overlayDeleted(key: ObjectKey, uid: string): void {
    const current = this.#entries.get(key);
    if (current?.object.metadata.uid !== uid) return;
    this.#removed.add(uid);
    this.#remove(key, { current, own: true });
  }

  /** End of a complete LIST: what it did not name is gone, unless it was written after the list was made. */
  retain(keys: ReadonlySet<ObjectKey>, list: { readonly resourceVersion: string; readonly namespace?: string }): void {
    this.#removed.clear();
    for (const key of this.#writing.keys()) {
      if (list.namespace === undefined || refOf(key).namespace === list.namespace) this.#told(key, list.resourceVersion);
    }
    for (const [key, current] of this.#entries) {
      const { namespace, resourceVersion } = current.object.metadata;
      if (keys.has(key) || (list.namespace !== undefined && namespace !== list.namespace)) continue;
      if (isNewer(resourceVersion, list.resourceVersion)) continue;
      this.#remove(key, { current, own: false });
    }
  }

  #put(put: { key: ObjectKey; object: Stored<T>; current: Entry<T> | undefined; own: boolean }): void {
    const { key, current, own } = put;
    const object = this.#transform(put.object);
    this.#entries.set(key, { object, awaitsEcho: own });
    for (const index of this.#indexes.values()) {
      if (current) removeFromIndex(index, { key, object: current.object });
      addToIndex(index, { key, object });
    }
    if (current) this.#announce({ type: "modified", key, object, previous: current.object, own });
    else this.#announce({ type: "added", key, object, own });
  }

  #remove(key: ObjectKey, { current, own }: { current: Entry<T>; own: boolean }): void {
    this.#entries.delete(key);
    for (const index of this.#indexes.values()) removeFromIndex(index, { key, object: current.object });
    this.#announce({ type: "deleted", key, object: current.object, own });
  }

  #told(key: ObjectKey, version: string): void {
    const writing = this.#writing.get(key);
    if (writing && (writing.toldVersion === undefined || isNewer(version, writing.toldVersion))) writing.toldVersion = version;
  }

  #announceHeld(writing: Writing<T>, ownVersion: string | undefined): void {
    for (const held of writing.held.splice(0)) {
      const { change, listed } = held;
      const own = !listed && change.type !== "deleted" && change.object.metadata.resourceVersion === ownVersion;
      if (own) this.#announce({ ...change, own });
      else if (writing.writes > 0) writing.held.push(held);
      else this.#announce(change);
    }
  }

  #announce(change: CacheChange<T>): void {
    const writing = change.own ? undefined : this.#writing.get(change.key);
    if (writing) {
      writing.held.push({ change, listed: this.#listing });
      return;
    }
    for (const listener of this.#listeners) listener(change);
  }
}

interface Index<T extends KubernetesObject> {
  readonly valuesOf: (object: Stored<T>) => readonly string[];
  readonly keysByValue: Map<string, Set<ObjectKey>>;
}

interface Keyed<T extends KubernetesObject> {
  readonly key: ObjectKey;
  readonly object: Stored<T>;
}

function addToIndex<T extends KubernetesObject>(index: Index<T>, { key, object }: Keyed<T>): void {
  for (const value of index.valuesOf(object)) {
    const keys = index.keysByValue.get(value);
    if (keys) keys.add(key);
    else index.keysByValue.set(value, new Set([key]));
  }
}

function removeFromIndex<T extends KubernetesObject>(index: Index<T>, { key, object }: Keyed<T>): void {
  for (const value of index.valuesOf(object)) {
    const keys = index.keysByValue.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.keysByValue.delete(value);
  }
}
