/** One place that snapshots are kept in: a volume, a bucket, a table of another Postgres. Keys are `chunks/…`, `manifests/…`, `journal/…`, `handled/…`, `quarantine/…`. */
export interface Copy {
  /** As the Checkpoint calls it. */
  readonly name: string;
  /**
   * Stores an object, all or nothing: whoever reads during a crash finds the old one, the new one or none, and it stays after a power cut once this returns.
   *
   * @param ifAbsent leave what stands under the key as it is
   * @returns whether it was written
   * @throws CodedError COPY_UNREACHABLE, COPY_READ_ONLY, COPY_FULL, COPY_REFUSED and others of the registry: the outcome is unknown
   */
  put(key: string, bytes: Buffer, options: { readonly ifAbsent: boolean }): Promise<boolean>;
  /** @returns undefined when there is no such object @throws CodedError OBJECT_TOO_LARGE above {@link largestObjectBytes}: it is none of ours */
  get(key: string): Promise<Buffer | undefined>;
  /** Objects whose keys begin with `prefix`, in no order. What is under way (a temporary file) is left out. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Nothing happens when there is no such object. */
  delete(key: string): Promise<void>;
  /** What tells whether two copies, or a copy and the source, stand or fall together. */
  identity(): Promise<CopyIdentity>;
  /** Removes what writes that never ended have left behind before `beforeMs` (epoch milliseconds, clock of the copy). @returns how many */
  sweep(beforeMs: number): Promise<number>;
  close(): Promise<void>;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** When it was written by the clock of the copy, epoch milliseconds. */
  readonly modifiedMs: number;
}

export interface CopyIdentity {
  readonly kind: "volume" | "s3" | "postgres";
  /** Copies with the same domain are lost together: a device, an endpoint, a server. */
  readonly failureDomain: string;
  /** Of Postgres only: the server's `system_identifier`. */
  readonly systemIdentifier?: string;
}

/** Nothing we store is larger; what claims to be is not read into memory. */
export const largestObjectBytes = 64 * 1024 * 1024;
