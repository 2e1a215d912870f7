import type { ClientBase } from "pg";
import { type Shipped, shippedShape } from "./position.ts";

/** Where a shipper writes down how far it is: in the database that it ships, so that both are lost together or not at all. */
export const shippingTable = "bellwether_checkpoint.shipping";

/** How far the journal has been shipped, to each target; none when nothing ships. */
export async function readShipped(client: ClientBase): Promise<Shipped[]> {
  const { rows: tables } = await client.query<{ present: boolean }>("select to_regclass($1) is not null as present", [
    shippingTable,
  ]);
  if (tables[0]?.present !== true) return [];
  const { rows } = await client.query(`select series, sequence::int as sequence, sha256 from ${shippingTable} order by series`);
  return shippedShape.array().parse(rows);
}
