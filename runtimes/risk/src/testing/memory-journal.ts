import { migrate } from "@bellwether/postgres";
import { noFailPoints } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { brokerSchema } from "../../../broker/src/journal/migrations/index.ts";
import {
  type JournalFault,
  MemoryDatabase,
  type MemoryPostgres,
  emptyPostgres,
} from "../../../../test/simulation/journal/memory-postgres.ts";
import { riskSchema } from "../journal/migrations/index.ts";

export interface MemoryJournal {
  readonly clock: ManualClock;
  readonly server: MemoryPostgres;
  readonly database: MemoryDatabase;
  /** What becomes of the next transactions, one each. */
  readonly faults: JournalFault[];
}

/** A migrated journal in memory, on a clock of its own: production's SQL, and faults on demand. */
export async function memoryJournal(): Promise<MemoryJournal> {
  const clock = new ManualClock(1_700_000_000_000);
  const server = emptyPostgres(clock);
  const faults: JournalFault[] = [];
  const database = new MemoryDatabase({
    server,
    clock,
    failPoints: noFailPoints,
    requireAlive: () => undefined,
    fault: () => faults.shift() ?? "none",
  });
  for (const schema of [riskSchema, brokerSchema]) await migrate(database, schema);
  return { clock, server, database, faults };
}
