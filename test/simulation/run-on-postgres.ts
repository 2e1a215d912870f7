import { replayHistory } from "../integration/simulation/replay.ts";
import { startPostgres } from "../integration/order-path/postgres.ts";
import type { Failure, Run } from "./run-histories.ts";
import { makeTemplate } from "./world/world.ts";

export interface ReplayResult {
  readonly histories: number;
  readonly statements: number;
  readonly failures: readonly Failure[];
}

/** Runs histories, and each of their statements again on a Postgres of its own. @throws Error where no Postgres is installed */
export async function runOnPostgres({ firstSeed, histories, mostFailures, onHistory, onFailure }: Run): Promise<ReplayResult> {
  const postgres = await startPostgres();
  try {
    const template = await makeTemplate();
    const failures: Failure[] = [];
    let [done, statements] = [0, 0];
    while (done < histories && failures.length < mostFailures) {
      const seed = firstSeed + done;
      try {
        statements += await replayHistory(postgres, seed, template);
      } catch (error) {
        const failure = { seed, message: error instanceof Error ? error.message : String(error) };
        failures.push(failure);
        onFailure?.(failure);
      }
      done += 1;
      onHistory?.(done, failures.length);
    }
    return { histories: done, statements, failures };
  } finally {
    postgres.remove();
  }
}
