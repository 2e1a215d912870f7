import type { JournalDatabase } from "@bellwether/postgres";
import { readStrategies } from "../journal/strategy-records.ts";
import type { Strategy } from "./strategy.ts";

/** The strategies of the policy in memory: a copy of the journal's rows, replaced row by row after each committed change. */
export class StrategyRegistry {
  readonly #strategies = new Map<string, Strategy>();

  async load(database: JournalDatabase, policyUid: string): Promise<void> {
    const rows = await readStrategies(database, policyUid);
    this.#strategies.clear();
    for (const strategy of rows) this.#strategies.set(strategy.uid, strategy);
  }

  get(uid: string): Strategy | undefined {
    return this.#strategies.get(uid);
  }

  /** Takes over a row as it was committed; a settled one is forgotten. */
  put(strategy: Strategy): void {
    if (strategy.settled) this.#strategies.delete(strategy.uid);
    else this.#strategies.set(strategy.uid, strategy);
  }

  all(): Strategy[] {
    return [...this.#strategies.values()];
  }

  ofAccount(accountUid: string): Strategy[] {
    return this.all().filter((strategy) => strategy.accountUid === accountUid);
  }
}
