import type { CheckpointErrorCode } from "../errors.ts";

/** A manifest as it was found over all copies. */
export interface Candidate {
  readonly key: string;
  readonly id: string;
  readonly takenAtMs: number;
  /** How many of its chunks stand on no copy, or why it cannot be read. */
  readonly found:
    | { readonly readable: true; readonly missingChunks: number }
    | { readonly readable: false; readonly code: CheckpointErrorCode; readonly message: string };
}

export interface Skipped {
  readonly id: string;
  readonly code: CheckpointErrorCode;
  readonly message: string;
}

export interface Choice {
  readonly key: string | undefined;
  /** Newer than the one chosen, newest first; whoever restores decides whether an older state will do. */
  readonly skipped: readonly Skipped[];
}

/** The newest snapshot that can be restored from all copies together: its manifest can be read, and every chunk it names stands somewhere. */
export function chooseNewest(candidates: readonly Candidate[]): Choice {
  const newestFirst = candidates.toSorted((a, b) => b.takenAtMs - a.takenAtMs || b.key.localeCompare(a.key));
  const skipped: Skipped[] = [];
  for (const { key, id, found } of newestFirst) {
    if (found.readable && found.missingChunks === 0) return { key, skipped };
    skipped.push(
      found.readable
        ? { id, code: "CONTENT_LOST", message: `${found.missingChunks} of its chunks stand on no copy` }
        : { id, code: found.code, message: found.message },
    );
  }
  return { key: undefined, skipped };
}
