import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { z } from "zod";
import { type TableShape, quotedTable } from "./catalogue.ts";
import { codedFault, quoted } from "./session.ts";

/** What a file of COPY holds. */
export const copiedShape = z.object({
  rows: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Copied = z.infer<typeof copiedShape>;

/** Postgres sends a row at a time; handing on so small pieces would cost more than the rows. */
const pieceBytes = 256 * 1024;
const lineFeed = 0x0a;

/** Every row of a table, in the order of its key: the same rows give the same bytes on any server. */
export function tableSql(table: TableShape): string {
  const columns = table.columns.map(quoted).join(", ");
  const order =
    table.order.length > 0 ? ` order by ${table.order.join(", ")}` : ` order by ${quotedTable(table)}::text collate "C"`;
  return `select ${columns} from ${quotedTable(table)}${order}`;
}

/**
 * Streams the answer to a query in COPY's text form; no more than a piece is held.
 *
 * @param done told once what went by, after the last piece
 */
export async function* copyOut(client: ClientBase, sql: string, done: (copied: Copied) => void): AsyncIterable<Buffer> {
  const hash = createHash("sha256");
  let [rows, bytes, held] = [0, 0, 0];
  let pieces: Buffer[] = [];
  for await (const piece of copyPieces(client, sql)) {
    hash.update(piece);
    rows += lineFeeds(piece);
    bytes += piece.length;
    held += piece.length;
    pieces.push(piece);
    if (held < pieceBytes) continue;
    yield Buffer.concat(pieces);
    [pieces, held] = [[], 0];
  }
  if (held > 0) yield Buffer.concat(pieces);
  done({ rows, bytes, sha256: hash.digest("hex") });
}

async function* copyPieces(client: ClientBase, sql: string): AsyncIterable<Buffer> {
  try {
    yield* client.query(copyTo(`copy (${sql}) to stdout`)) as AsyncIterable<Buffer>;
  } catch (error) {
    throw codedFault(error, client);
  }
}

/** Reads a query's answer to its end for its figures alone. */
export async function measure(client: ClientBase, sql: string): Promise<Copied> {
  let copied: Copied = { rows: 0, bytes: 0, sha256: "" };
  const pieces = copyOut(client, sql, (figures) => (copied = figures))[Symbol.asyncIterator]();
  for (let piece = await pieces.next(); piece.done !== true;) piece = await pieces.next();
  return copied;
}

/** Line feeds within a value are written as `\n`: each of these ends a row. */
function lineFeeds(piece: Buffer): number {
  let count = 0;
  for (let at = piece.indexOf(lineFeed); at !== -1; at = piece.indexOf(lineFeed, at + 1)) count += 1;
  return count;
}
