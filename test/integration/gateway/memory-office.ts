import { silentLogger, systemClock } from "@bellwether/service-kit";
import { BudgetKeeper, type LeaseOffice } from "../../../runtimes/gateway/src/answering/budget-keeper.ts";
import { EMPTY_LEDGER, type Ledger, applyLeaseUpdate } from "../../../runtimes/gateway/src/budget/ledger.ts";
import type { GatewayConfig } from "../../../runtimes/gateway/src/config.ts";

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

export function keeperOf(office: LeaseOffice, budget: Partial<NonNullable<GatewayConfig["budget"]>>): BudgetKeeper {
  return new BudgetKeeper({
    office,
    budget: { softRatio: "0.8", onExhausted: "LocalOnly", ...budget },
    replica: crypto.randomUUID(),
    clock: systemClock,
    log: silentLogger,
  });
}
