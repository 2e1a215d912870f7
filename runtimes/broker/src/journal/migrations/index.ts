import type { MigrationPlan } from "@bellwether/postgres";
import { orders0001 } from "./0001-orders.ts";

/** In order, forward only, never edited once released. */
export const brokerSchema: MigrationPlan = {
  schema: "broker",
  lock: 7_240_311_002n,
  migrations: [{ version: 1, name: "orders", sql: orders0001 }],
};
