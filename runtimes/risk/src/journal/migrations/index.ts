import type { MigrationPlan } from "@bellwether/postgres";
import { journal0001 } from "./0001-journal.ts";
import { control0002 } from "./0002-control.ts";
import { moves0003 } from "./0003-moves.ts";
import { evidence0004 } from "./0004-evidence.ts";
import { decisionFaults0005 } from "./0005-decision-faults.ts";

/** In order, forward only, never edited once released. */
export const riskSchema: MigrationPlan = {
  schema: "risk",
  lock: 7_240_311_001n,
  migrations: [
    { version: 1, name: "journal", sql: journal0001 },
    { version: 2, name: "control", sql: control0002 },
    { version: 3, name: "moves", sql: moves0003 },
    { version: 4, name: "evidence", sql: evidence0004 },
    { version: 5, name: "decision-faults", sql: decisionFaults0005 },
  ],
};
