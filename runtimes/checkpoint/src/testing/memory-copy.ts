import { checkpointError } from "../errors.ts";
import type { Copy, CopyIdentity, StoredObject } from "../copies/copy.ts";

/** A copy in memory with the promises of the real ones: what is put stays, whole or not at all. */
export class MemoryCopy implements Copy {
  readonly name: string;
  readonly objects = new Map<string, { bytes: Buffer; modifiedMs: number }>();
  nowMs = Date.UTC(2026, 10, 22);
  readOnly = false;
  unreachable = false;
  identityIs: CopyIdentity;

  constructor(name: string) {
    this.name = name;
    this.identityIs = { kind: "volume", failureDomain: name };
  }

  async put(key: string, bytes: Buffer, { ifAbsent }: { readonly ifAbsent: boolean }): Promise<boolean> {
    this.#answer();
    if (this.readOnly) throw checkpointError("COPY_READ_ONLY", `${this.name} is read-only`);
    if (ifAbsent && this.objects.has(key)) return false;
    this.objects.set(key, { bytes: Buffer.from(bytes), modifiedMs: this.nowMs });
    return true;
  }

  async get(key: string): Promise<Buffer | undefined> {
    this.#answer();
    const object = this.objects.get(key);
    return object && Buffer.from(object.bytes);
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    this.#answer();
    for (const [key, { bytes, modifiedMs }] of this.objects)
      if (key.startsWith(prefix)) yield { key, bytes: bytes.length, modifiedMs };
  }

  async delete(key: string): Promise<void> {
    this.#answer();
    if (this.readOnly) throw checkpointError("COPY_READ_ONLY", `${this.name} is read-only`);
    this.objects.delete(key);
  }

  async identity(): Promise<CopyIdentity> {
    this.#answer();
    return this.identityIs;
  }

  async sweep(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  keys(prefix = ""): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  }

  /** Changes what is stored, as a disk might. */
  damage(key: string, change: (bytes: Buffer) => Buffer): void {
    const object = this.objects.get(key);
    if (!object) throw new Error(`no object ${key}`);
    object.bytes = change(Buffer.from(object.bytes));
  }

  #answer(): void {
    if (this.unreachable) throw checkpointError("COPY_UNREACHABLE", `${this.name} does not answer`);
  }
}
