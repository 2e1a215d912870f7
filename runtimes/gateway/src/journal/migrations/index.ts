import type { MigrationPlan } from "@bellwether/postgres";
import { gateway0001 } from "./0001-gateway.ts";

/** In order, forward only, never edited once released. */
export const gatewaySchema: MigrationPlan = {
  schema: "gateway",
  lock: 7_240_311_003n,
  migrations: [{ version: 1, name: "gateway", sql: gateway0001 }],
};
