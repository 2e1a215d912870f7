import type { Copy } from "../copies/copy.ts";
import { Envelope } from "../format/envelope.ts";
import { KeyRing } from "../format/key-ring.ts";
import { openSnapshot } from "../snapshot/open-snapshot.ts";
import { type SnapshotOutcome, takeSnapshot } from "../snapshot/snapshot-writer.ts";
import type { OpenedSnapshot, Source, SourceName } from "../source.ts";
import { type VerifyOutcome, verifyCopies } from "../verification/verify.ts";
import { type PruneOutcome, pruneCopies } from "../retention/prune.ts";

const neverAborted = new AbortController().signal;

/** A Checkpoint as its jobs see it, with a clock that is set by hand; its jobs run one after the other, each with a name of its own. */
export class GivenCheckpoint {
  readonly envelope: Envelope;
  readonly owner: string;
  nowMs = Date.UTC(2026, 10, 22, 12);
  #runs = 0;

  /** @param key null: not encrypted */
  constructor({ owner = "uid-1", key = Buffer.alloc(32, 7) }: { owner?: string; key?: Buffer | null } = {}) {
    this.owner = owner;
    this.envelope = new Envelope(new KeyRing({ current: key ?? undefined }));
  }

  snapshot(copies: readonly Copy[], sources: readonly Source[]): Promise<SnapshotOutcome> {
    const checkpoint = { namespace: "bellwether", name: "hourly", uid: this.owner };
    return takeSnapshot({ ...this.#parts(copies), sources, checkpoint }, neverAborted);
  }

  verify(copies: readonly Copy[], share = { part: 0, of: 1 }): Promise<VerifyOutcome> {
    return verifyCopies({ ...this.#parts(copies), share }, neverAborted);
  }

  prune(copies: readonly Copy[], retention = { hourly: 1, daily: 0, weekly: 0 }, graceMs = 0): Promise<PruneOutcome> {
    return pruneCopies({ ...this.#parts(copies), retention, graceMs }, neverAborted);
  }

  async open(copies: readonly Copy[], id?: string): Promise<OpenedSnapshot> {
    return (await openSnapshot(this.#parts(copies), id)).snapshot;
  }

  #parts(copies: readonly Copy[]) {
    const { envelope, owner } = this;
    return { copies, envelope, owner, run: `run-${++this.#runs}`, clock: { nowMs: () => this.nowMs } };
  }
}

/** All files of a source, whole. */
export async function filesOf(snapshot: OpenedSnapshot, source: SourceName): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for await (const { path, content } of snapshot.files(source)) files[path] = Buffer.concat(await Array.fromAsync(content));
  return files;
}
