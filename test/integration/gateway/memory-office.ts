import { silentLogger, systemClock } from "@bellwether/service-kit";
import { BudgetKeeper, type LeaseOffice } from "../../../runtimes/gateway/src/answering/budget-keeper.ts";
import { EMPTY_LEDGER, type Ledger, applyLeaseUpdate } from "../../../runtimes/gateway/src/budget/ledger.ts";
import type { GatewayConfigInput } from "../../../runtimes/gateway/src/config.ts";

/** The ledger of one month in this process. */
export class MemoryOffice implements LeaseOffice {
  ledger: Ledger = EMPTY_LEDGER;
  /** As if Postgres were gone. */
  away = false;

  async update(...[, update, limits]: Parameters<LeaseOffice["update"]>): ReturnType<LeaseOffice["update"]> {
    if (this.away) throw new Error("the office is closed");
    const { ledger, reply } = applyLeaseUpdate(this.ledger, update, { limits, nowMs: systemClock.nowMs() });
    this.ledger = ledger;
    return reply;
  }
}

export function keeperOf(office: LeaseOffice, budget: NonNullable<GatewayConfigInput["budget"]>): BudgetKeeper {
  return new BudgetKeeper({
    office,
    budget: { ...budget, softRatio: budget.softRatio ?? "0.8", onExhausted: budget.onExhausted ?? "LocalOnly" },
    replica: crypto.randomUUID(),
    clock: systemClock,
    log: silentLogger,
  });
}
