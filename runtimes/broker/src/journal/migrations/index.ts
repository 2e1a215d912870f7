import { orders0001 } from "./0001-orders.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** In order, forward only, never edited once released. */
export const migrations: readonly Migration[] = [{ version: 1, name: "orders", sql: orders0001 }];
