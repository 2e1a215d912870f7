import type { MigrationPlan } from "@bellwether/postgres";
import { orders0001 } from "./0001-orders.ts";
import { liveAccounts0002 } from "./0002-live-accounts.ts";
import { solana0003 } from "./0003-solana.ts";
import { protectiveOrders0004 } from "./0004-protective-orders.ts";

/** In order, forward only, never edited once released. */
export const brokerSchema: MigrationPlan = {
  schema: "broker",
  lock: 7_240_311_002n,
  migrations: [
    { version: 1, name: "orders", sql: orders0001 },
    { version: 2, name: "live-accounts", sql: liveAccounts0002 },
    { version: 3, name: "solana", sql: solana0003 },
    { version: 4, name: "protective-orders", sql: protectiveOrders0004 },
  ],
};
