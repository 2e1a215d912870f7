import { type Cancel, type Clock, CodedError, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import { formatDecimal, parseDecimal } from "@bellwether/trading/decimal";
import { type BudgetState, budgetState } from "../budget/budget-state.ts";
import type { LeaseReply, LeaseUpdate } from "../budget/ledger.ts";
import { type BudgetPeriod, periodOf } from "../budget/period.ts";
import { BudgetPurse, type Reservation } from "../budget/purse.ts";
import type { Spend, SpendLimits } from "../budget/spend.ts";
import type { GatewayConfig } from "../config.ts";
import type { GatewayErrorCode } from "../errors.ts";
import type { Budget } from "./model-calls.ts";
import type { Hold } from "./metering.ts";
import type { RouteModel } from "./route-model.ts";

/** Carries updates of a lease to the ledger of a month. */
export interface LeaseOffice {
  update(period: string, update: LeaseUpdate, limits: SpendLimits): Promise<LeaseReply>;
}

export interface BudgetKeeperOptions {
  readonly office: LeaseOffice;
  readonly budget: NonNullable<GatewayConfig["budget"]>;
  /** A new one for each life of this process; a purse of it and the month is one lease. */
  readonly replica: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface OpenPurse {
  readonly period: BudgetPeriod;
  readonly purse: BudgetPurse;
  /** Why the last update did not come through; undefined when it did. */
  fault: string | undefined;
  updating: Promise<void> | undefined;
  answered: boolean;
}

const tickMs = 250;
/** Longest wait of a request for money that this replica does not hold: the ledger answers in milliseconds, or is away. */
const longestWaitMs = 2_000;
const mostWaits = 40;
/** A purse of a month that is over is kept for what is still in flight. */
const keepClosedMs = 7_200_000;

/**
 * The month's money on this replica: requests reserve from a purse in memory, and the purse's lease is renewed in the background. Fails closed: without a
 * lease no paid model is asked.
 */
export class BudgetKeeper implements Budget {
  readonly #options: BudgetKeeperOptions;
  readonly #limits: SpendLimits;
  readonly #purses = new Map<string, OpenPurse>();
  #latest: OpenPurse | undefined;
  #cancelTick: Cancel = () => undefined;
  #stopped = false;

  constructor(options: BudgetKeeperOptions) {
    this.#options = options;
    const { monthlyUsd, monthlyTokens } = options.budget;
    this.#limits = {
      usd: monthlyUsd === undefined ? undefined : parseDecimal(monthlyUsd),
      tokens: monthlyTokens === undefined ? undefined : BigInt(monthlyTokens),
    };
  }

  get limits(): SpendLimits {
    return this.#limits;
  }

  /** Leases ahead, so that the first request finds money. */
  start(): void {
    this.#current();
    this.#tick();
  }

  async hold(model: RouteModel, { id, worst, lastsMs }: { id: string; worst: Spend; lastsMs: number }): Promise<Hold> {
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    for (let wait = 0; ; wait++) {
      const nowMs = clock.nowMs();
      const open = this.#current();
      const reservation = open.purse.reserve({ id, worst, deadlineMs: nowMs + lastsMs }, nowMs);
      if (reservation.granted) return holdOf(open.purse, id);
      if (reservation.reason !== "LEASE_NEEDED") throw this.#refusal(model, { reservation, open });
      if (wait >= mostWaits || nowMs - startedMs > longestWaitMs) throw held(model);
      await this.#update(open);
      if (open.fault !== undefined) throw this.#unavailable(model, open.fault);
      // The ledger lends nothing although there is something: another replica holds it, and gives back what it does not need.
      if (wait > 0) await clock.sleep(Math.min(10 * wait, 100));
    }
  }

  /** What is known here of the month, for status, routing and metrics. */
  figures(): { period: BudgetPeriod; spent: Spend; reserved: Spend; state: BudgetState; overruns: number } {
    const { purse, period } = this.#current();
    const { spent, reserved, overruns } = purse.figures();
    return {
      period,
      spent,
      reserved,
      overruns,
      state: budgetState({ spent, limits: this.#limits }, Number(this.#options.budget.softRatio)),
    };
  }

  /** Undefined while the ledger answers. */
  get fault(): string | undefined {
    const open = this.#current();
    return open.fault ?? (open.answered ? undefined : "not answered yet");
  }

  /** Takes no more, charges what nobody will settle any more, and says so to the ledger. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick();
    for (const open of this.#purses.values()) {
      await open.updating;
      open.purse.close({ charge: true });
      await this.#update(open);
    }
  }

  #current(): OpenPurse {
    const { clock, replica } = this.#options;
    const nowMs = clock.nowMs();
    const latest = this.#latest;
    // Asked several times for each request: the month is reckoned once.
    if (latest && latest.period.startMs <= nowMs && nowMs < latest.period.endMs) return latest;
    const period = periodOf(nowMs);
    const known = this.#purses.get(period.name);
    if (known) return (this.#latest = known);
    for (const { purse } of this.#purses.values()) purse.close({ charge: false });
    const purse = new BudgetPurse({ holder: `${replica}/${period.name}`, limits: this.#limits });
    const open: OpenPurse = { period, purse, fault: undefined, updating: undefined, answered: false };
    this.#purses.set(period.name, open);
    this.#latest = open;
    return open;
  }

  #tick(): void {
    const { clock } = this.#options;
    if (this.#stopped) return;
    this.#current();
    for (const [name, open] of this.#purses) {
      if (clock.nowMs() > open.period.endMs + keepClosedMs) this.#purses.delete(name);
      else void this.#update(open);
    }
    this.#cancelTick = clock.setTimeout(() => this.#tick(), tickMs);
  }

  /** Sends what is due; whoever asks meanwhile waits for the same answer. Never throws. */
  #update(open: OpenPurse): Promise<void> {
    open.updating ??= this.#send(open).finally(() => (open.updating = undefined));
    return open.updating;
  }

  async #send(open: OpenPurse): Promise<void> {
    const { office, clock, log } = this.#options;
    const update = open.purse.nextUpdate(clock.nowMs());
    if (!update) return;
    try {
      open.purse.accept(await office.update(open.period.name, update, this.#limits));
      open.fault = undefined;
      open.answered = true;
    } catch (error) {
      open.purse.lost(update.sequence);
      if (open.fault === undefined) log.warn({ err: error }, "the budget's ledger does not answer");
      open.fault = messageOf(error);
      // Wrong, and not away: waiting mends nothing, and paid models stay closed until somebody looks.
      if (!hasCode(error, "JOURNAL_UNAVAILABLE")) log.error({ err: error }, "the budget's ledger refuses");
    }
  }

  #refusal(
    model: RouteModel,
    { reservation, open }: { reservation: Exclude<Reservation, { granted: true }>; open: OpenPurse },
  ): CodedError<GatewayErrorCode> {
    return reservation.reason === "EXHAUSTED"
      ? this.#spentUp(open, reservation.spent)
      : this.#unavailable(model, reservation.reason);
  }

  /** What is said when the month's money is gone: how much it was, and when there is more. */
  exhausted(): CodedError<GatewayErrorCode> {
    const open = this.#current();
    return this.#spentUp(open, open.purse.figures().spent);
  }

  #spentUp({ period }: OpenPurse, spent: Spend): CodedError<GatewayErrorCode> {
    const limits = this.#limits;
    const endsAt = new Date(period.endMs).toISOString();
    const used = [
      ...(limits.usd === undefined ? [] : [`${formatDecimal(spent.usd)} of ${formatDecimal(limits.usd)} USD`]),
      ...(limits.tokens === undefined ? [] : [`${spent.tokens} of ${limits.tokens} tokens`]),
    ].join(" and ");
    return new CodedError("BUDGET_EXHAUSTED", `the month's budget is spent: ${used}; it begins anew at ${endsAt}`, {
      context: { endsAt, retryAfterMs: period.endMs - this.#options.clock.nowMs() },
    });
  }

  #unavailable(model: RouteModel, why: string): CodedError<GatewayErrorCode> {
    return new CodedError("BUDGET_UNAVAILABLE", `${model.name} costs money and the budget's ledger does not answer: ${why}`, {
      context: { model: model.name },
    });
  }
}

function held(model: RouteModel): CodedError<GatewayErrorCode> {
  const message = `what is left of the month's budget for ${model.name} is held for requests under way`;
  return new CodedError("BUDGET_HELD", message, { context: { model: model.name, retryAfterMs: 1_000 } });
}

function holdOf(purse: BudgetPurse, id: string): Hold {
  return {
    settle: (spend) => void purse.settle(id, spend),
    release: () => void purse.release(id),
    abandon: () => void purse.abandon(id),
  };
}

/** A route without a budget: nothing is held, because nothing is limited. */
export const noBudget: Budget = {
  hold: async () => ({ settle: () => undefined, release: () => undefined, abandon: () => undefined }),
};
