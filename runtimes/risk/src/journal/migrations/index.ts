import { journal0001 } from "./0001-journal.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** In order, forward only, never edited once released. */
export const migrations: readonly Migration[] = [{ version: 1, name: "journal", sql: journal0001 }];
