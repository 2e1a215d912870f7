import { z } from "zod";
import type { Clock } from "@bellwether/service-kit/clock";
import { CodedError } from "@bellwether/service-kit/coded-error";
import type { Copy } from "../copies/copy.ts";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";
import type { Envelope } from "../format/envelope.ts";
import { prefixes } from "../format/object-keys.ts";

/** What a lock says, and for whom: `read` and `snapshot` may run side by side, `prune` only alone. */
const lockSchema = z.strictObject({
  kind: z.enum(["snapshot", "verify", "prune"]),
  owner: z.string().max(64),
  run: z.string().max(64),
  takenAtMs: z.number().int().nonnegative(),
  expiresAtMs: z.number().int().nonnegative(),
});
export type Lock = z.infer<typeof lockSchema>;

export interface LockRequest {
  readonly kind: Lock["kind"];
  /** The Checkpoint's uid. Its operator runs one job at a time, so that a lock of the same owner is of a job that died, and is taken over. */
  readonly owner: string;
  readonly run: string;
  /** A job that takes longer must not finish. */
  readonly holdMs: number;
}

/**
 * Whoever collects chunks and whoever is about to name them shut one another out: each puts its lock first and looks at the others' then, so that of two
 * that begin at once at least one sees the other and leaves.
 */
export class CopyLock {
  readonly #copy: Copy;
  readonly #envelope: Envelope;
  readonly #clock: Pick<Clock, "nowMs">;
  /** What the copy's own clock said when the lock was taken, epoch milliseconds. */
  copyNowMs = 0;

  constructor(copy: Copy, { envelope, clock }: { readonly envelope: Envelope; readonly clock: Pick<Clock, "nowMs"> }) {
    this.#copy = copy;
    this.#envelope = envelope;
    this.#clock = clock;
  }

  /** @throws CodedError COPIES_BUSY, then nothing of ours is left behind; a code of the copy */
  async take({ holdMs, ...request }: LockRequest): Promise<Lock> {
    const takenAtMs = this.#clock.nowMs();
    const lock: Lock = { ...request, takenAtMs, expiresAtMs: takenAtMs + holdMs };
    const key = lockKey(lock.owner);
    await this.#copy.put(key, await this.#envelope.seal(key, Buffer.from(JSON.stringify(lock))), { ifAbsent: false });
    const other = await this.#conflicting(lock);
    if (!other) return lock;
    await this.#copy.delete(key);
    const until = new Date(other.expiresAtMs).toISOString();
    throw checkpointError(
      "COPIES_BUSY",
      `${this.#copy.name} is in use by ${other.owner} (${other.kind}, until ${until} at most)`,
      {
        context: { copy: this.#copy.name, owner: other.owner },
      },
    );
  }

  /** Whether the lock is still ours and has not run out. */
  async holds(lock: Lock): Promise<boolean> {
    if (this.#clock.nowMs() >= lock.expiresAtMs) return false;
    const found = await this.#read(lockKey(lock.owner));
    return found?.run === lock.run;
  }

  /** Leaves what a successor has taken over. */
  async release(lock: Lock): Promise<void> {
    const key = lockKey(lock.owner);
    const found = await this.#read(key);
    if (found?.run === lock.run) await this.#copy.delete(key);
  }

  async #conflicting(mine: Lock): Promise<Lock | undefined> {
    let found: Lock | undefined;
    for await (const { key, modifiedMs } of this.#copy.list(prefixes.locks)) {
      if (key === lockKey(mine.owner)) {
        this.copyNowMs = modifiedMs;
        continue;
      }
      const other = await this.#read(key);
      const excluded = other && (other.kind === "prune" || mine.kind === "prune");
      if (other && excluded && other.expiresAtMs > this.#clock.nowMs()) found = other;
    }
    return found;
  }

  /** A lock that cannot be read is of nobody who shares our key, or damaged: chunks of other keys are never collected, for their manifests cannot be read. */
  async #read(key: string): Promise<Lock | undefined> {
    const sealed = await this.#copy.get(key);
    if (!sealed) return undefined;
    try {
      return lockSchema.safeParse(JSON.parse((await this.#envelope.open(key, sealed)).toString("utf8"))).data;
    } catch (error) {
      const codes: readonly CheckpointErrorCode[] = ["OBJECT_CORRUPT", "KEY_UNKNOWN", "FORMAT_NEWER"];
      if (error instanceof CodedError && (codes as readonly string[]).includes(error.code)) return undefined;
      throw error;
    }
  }
}

function lockKey(owner: string): string {
  return `${prefixes.locks}${owner}`;
}
