import type { Position, Source, SourceFile, SourceName } from "../source.ts";

/** A source of given files. @param pieceBytes how its streams are cut */
export function givenSource(
  name: SourceName,
  files: Readonly<Record<string, Buffer>>,
  { position = {}, pieceBytes = 64 * 1024 }: { position?: Position; pieceBytes?: number } = {},
): Source {
  return {
    name,
    async open() {
      return { position, files: () => given(files, pieceBytes), close: () => Promise.resolve() };
    },
  };
}

async function* given(files: Readonly<Record<string, Buffer>>, pieceBytes: number): AsyncIterable<SourceFile> {
  for (const [path, bytes] of Object.entries(files)) yield { path, content: pieces(bytes, pieceBytes) };
}

async function* pieces(bytes: Buffer, pieceBytes: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
