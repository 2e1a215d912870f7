import type { OpenedSnapshot, Position, SourceFile, SourceName } from "../../../runtimes/checkpoint/src/source.ts";

export type SnapshotContents = ReadonlyMap<
  SourceName,
  { readonly position: Position; readonly files: ReadonlyMap<string, Buffer> }
>;

/** A snapshot in memory, as its reader would give it back. */
export interface HeldSnapshot extends OpenedSnapshot {
  readonly contents: SnapshotContents;
}

export function heldSnapshot(contents: SnapshotContents): HeldSnapshot {
  return {
    id: "20261122t010203004z-0123456789ab",
    takenAtMs: 1,
    contents,
    position: (source) => contents.get(source)?.position,
    files: (source) => given(contents.get(source)?.files ?? new Map()),
  };
}

/** The same with one file of the journal changed; undefined: without it. */
export function withFile(snapshot: HeldSnapshot, path: string, change: (bytes: Buffer) => Buffer | undefined): HeldSnapshot {
  const journal = snapshot.contents.get("Journal")!;
  const files = new Map(journal.files);
  const changed = change(files.get(path)!);
  if (changed) files.set(path, changed);
  else files.delete(path);
  return heldSnapshot(new Map([...snapshot.contents, ["Journal", { ...journal, files }]]));
}

/** As it travels to another process. */
export type StoredSnapshot = [SourceName, { position: Position; files: [string, string][] }][];

export function store({ contents }: HeldSnapshot): StoredSnapshot {
  return [...contents].map(([name, { position, files }]) => [
    name,
    { position, files: [...files].map(([file, bytes]) => [file, bytes.toString("base64")]) },
  ]);
}

export function readStored(stored: StoredSnapshot): SnapshotContents {
  return new Map(
    stored.map(([name, { position, files }]) => [
      name,
      { position, files: new Map(files.map(([file, text]) => [file, Buffer.from(text, "base64")])) },
    ]),
  );
}

async function* given(files: ReadonlyMap<string, Buffer>): AsyncIterable<SourceFile> {
  for (const [path, bytes] of files) yield { path, content: pieces(bytes) };
}

async function* pieces(bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}
