/** The parts of the state that a snapshot may hold; the same names stand in a Checkpoint's `include`. */
export const sourceNames = ["Journal", "Positions", "Memory", "LlmCache", "Specs"] as const;
export type SourceName = (typeof sourceNames)[number];

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What was true of a source at the point in time it was captured at: log position, schema versions, identity of the database, high-water marks. */
export type Position = Readonly<Record<string, Json>>;

export interface SourceFile {
  /** Relative, of lower-case words, `/` between: `journal/risk.intents.copy`. Unique within its source. */
  readonly path: string;
  /** Read once, to its end, before the next file is asked for. Pieces of any size; none of more than a few MiB, for they are held in memory. */
  readonly content: AsyncIterable<Buffer>;
}

/** A source held at one point in time until it is closed. */
export interface Captured {
  readonly position: Position;
  files(): AsyncIterable<SourceFile>;
  /** Lets go of what holds the point in time (a transaction, a connection). Called once, whatever happened. */
  close(): Promise<void>;
}

/** A source that is not there; the manifest says so, and a restore does not look for it. */
export interface Absent {
  /** A sentence for people. */
  readonly because: string;
}

export interface Source {
  readonly name: SourceName;
  /** @throws CodedError when the source should be there and cannot be read: then no snapshot is made */
  open(signal: AbortSignal): Promise<Captured | Absent>;
}

/** A snapshot as those who restore see it. */
export interface OpenedSnapshot {
  readonly id: string;
  /** Wall time, epoch milliseconds. */
  readonly takenAtMs: number;
  /** The position of a source; undefined when the snapshot holds none of it. */
  position(source: SourceName): Position | undefined;
  /**
   * The files of a source with the paths and bytes they were captured with; none when the source was absent. Every piece is checked before it is handed
   * out, and the whole file before its iteration ends: who cannot undo what was made of the pieces waits for the end.
   *
   * @throws CodedError CONTENT_LOST when no copy has a piece unharmed, CONTENT_CHANGED when the whole is not what the manifest says
   */
  files(source: SourceName): AsyncIterable<SourceFile>;
}
