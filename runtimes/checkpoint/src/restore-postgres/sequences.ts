import type { ClientBase } from "pg";
import { type Catalogue, readCatalogue } from "../source-postgres/catalogue.ts";

/** Puts each sequence behind all that it has given, as far as the capture and the rows know: rows come without their sequence. */
export async function settleSequences(client: ClientBase, captured: Catalogue): Promise<void> {
  const given = new Map(captured.sequences.map(({ name, lastValue }) => [name, lastValue ?? "0"]));
  for (const { name, table, column } of (await readCatalogue(client)).sequences) {
    const sql = `select setval('${name}', greatest((select max(${column}) from ${table}), $1::bigint, 1))`;
    await client.query(sql, [given.get(name) ?? "0"]);
  }
}
