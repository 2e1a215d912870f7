import type { JournalDatabase, Transaction } from "@bellwether/postgres";
import type { Clock, Logger } from "@bellwether/service-kit";
import {
  type BarEvent,
  type BreakerStop,
  type BreakerType,
  type Clocks,
  ZERO,
  add,
  decimalToNumber,
  isOpen,
  isTripped,
  parseDecimal,
  quotedFee,
  timeframeMs,
  viewBreakers,
  type BreakerView,
} from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import { readBreakers, readReferences, storeBreaker, storeReferences } from "../journal/control-records.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import type { BookFill, BookOrder } from "../portfolio/book.ts";
import type { EquityReferences } from "../portfolio/policy-view.ts";
import { accountEquity, depositsOf } from "../portfolio/valuation.ts";
import { type Mark, PolicyMonitor, type Unstored } from "./policy-monitor.ts";
import { RoundTrips } from "./round-trips.ts";

export interface PolicyWatchOptions {
  readonly policyUid: string;
  readonly accounts: () => readonly Account[];
  readonly clock: Clock;
  readonly log: Logger;
  /** A transaction under the policy's epoch. */
  readonly write: (work: (transaction: Transaction) => Promise<void>) => Promise<void>;
  /** Trading has become stricter or freer. */
  readonly onChange: () => void;
}

/** One reset, in two steps: the journal holds it before trading is freer. */
export interface BreakerReset {
  readonly write: (transaction: Transaction) => Promise<void>;
  readonly apply: () => void;
}

const storeEveryMs = 1_000;
/** References of the second source that are older say nothing. */
const referenceAgeMs = 30_000;
/** Orders whose outcome was counted, remembered so that none is counted twice. */
const maxCounted = 5_000;

/**
 * Shows the policy's breakers everything that happens to its accounts: each mark and fill, each order's outcome, each look at a venue; and writes down what
 * they remember. A trip is in force with the observation that caused it.
 */
export class PolicyWatch {
  readonly #options: PolicyWatchOptions;
  readonly #monitor = new PolicyMonitor();
  readonly #roundTrips = new RoundTrips();
  readonly #counted = new Set<string>();
  #policy: EffectivePolicy | undefined;
  #storedMs = Number.NEGATIVE_INFINITY;
  #shown = "";

  constructor(options: PolicyWatchOptions) {
    this.#options = options;
  }

  /** After the accounts have been folded. */
  async restore(database: JournalDatabase): Promise<void> {
    const { policyUid, accounts } = this.#options;
    for (const { book } of accounts()) this.#roundTrips.begin(book);
    this.#monitor.restore(await readBreakers(database, policyUid), await readReferences(database, policyUid));
    if (this.#policy) this.configure(this.#policy);
  }

  configure(policy: EffectivePolicy): void {
    this.#policy = policy;
    this.#monitor.configure(policy.circuitBreakers, this.clocks());
    this.#announce();
  }

  get stop(): BreakerStop | undefined {
    return this.#monitor.stop;
  }

  get references(): EquityReferences {
    return this.#monitor.references;
  }

  get breakers(): PolicyMonitor["breakers"] {
    return this.#monitor.breakers;
  }

  views(): BreakerView[] {
    return viewBreakers(this.#monitor.breakers, this.clocks());
  }

  /** Market time of the policy is that of its furthest account. */
  clocks(): Clocks {
    const marketMs = Math.max(0, ...this.#options.accounts().map(({ marketTimeMs }) => marketTimeMs));
    return { marketMs, wallMs: this.#options.clock.nowMs() };
  }

  /** A closed bar, after the account has taken it in. */
  onBar({ market, timeframe, bar }: BarEvent): void {
    const marketMs = bar.time + timeframeMs(timeframe);
    this.#monitor.observe({ kind: "price", market, price: bar.close }, { ...this.clocks(), marketMs });
    this.#mark();
  }

  /** What the broker's journal brought, after the book has taken it in. */
  onChanges(account: Account, { fills, orders }: { fills: readonly BookFill[]; orders: readonly BookOrder[] }): void {
    for (const { scope, profit } of this.#roundTrips.take(account.book, fills))
      this.#monitor.observe({ kind: "roundTrip", scope, profit: decimalToNumber(profit) }, this.clocks());
    for (const order of orders) this.#count(account, order);
    if (fills.length > 0) this.#mark();
    this.#announce();
  }

  /** Once for each order: whether the venue has taken it. */
  #count(account: Account, { order: { clientOrderId }, state }: BookOrder): void {
    const answered = state === "Working" || !isOpen(state);
    if (!answered || state === "NotSent" || this.#counted.has(clientOrderId)) return;
    this.#counted.add(clientOrderId);
    if (this.#counted.size > maxCounted) for (const oldest of this.#counted) if (this.#counted.delete(oldest)) break;
    this.#monitor.observe({ kind: "order", account: account.name, rejected: state === "Rejected" }, this.clocks());
  }

  /** Every half second: what the venues say, the time that has passed, and what is to be written. */
  async tick(): Promise<void> {
    const accounts = this.#options.accounts();
    const nowMs = this.#options.clock.nowMs();
    const fresh = Object.fromEntries(
      accounts.filter((account) => !account.endedMessage).map((account) => [account.name, isFresh(account)]),
    );
    this.#monitor.observe({ kind: "venues", fresh }, this.clocks());
    for (const account of accounts) this.#lookAtVenue(account, nowMs);
    this.#mark();
    this.#monitor.observe(undefined, this.clocks());
    this.#announce();
    if (this.#monitor.hasNews || nowMs - this.#storedMs >= storeEveryMs) await this.#store();
  }

  /** A tripped breaker armed again, from the present. Undefined when none of the type is tripped. */
  resetOf(type: BreakerType): BreakerReset | undefined {
    const after = this.#monitor.afterReset(type, this.clocks());
    if (!after) return undefined;
    return {
      write: (transaction) => this.#storeIn(transaction, after),
      apply: () => {
        this.#monitor.reset(type, this.clocks());
        this.#announce();
      },
    };
  }

  /** A trip that nothing has come of may be forgotten by a crash; what sells because of one calls this first. */
  async storeTrips(): Promise<void> {
    if (this.#monitor.hasNews) await this.#store();
  }

  async #store(): Promise<void> {
    const { write, clock } = this.#options;
    const unstored = this.#monitor.unstored();
    this.#storedMs = clock.nowMs();
    if (unstored.breakers.length === 0 && unstored.references === undefined) return;
    await write((transaction) => this.#storeIn(transaction, unstored));
    this.#monitor.markStored(unstored);
  }

  async #storeIn(transaction: Transaction, { breakers, references }: Unstored): Promise<void> {
    const { policyUid } = this.#options;
    for (const { config, state } of breakers) await storeBreaker(transaction, policyUid, { type: config.type, state });
    if (references) await storeReferences(transaction, policyUid, references);
  }

  #lookAtVenue(account: Account, nowMs: number): void {
    const state = account.venueState;
    const quote = state?.fees;
    const fee =
      quote &&
      quotedFee({
        gasPriceGwei: quote.gasPriceGwei === undefined ? undefined : parseDecimal(quote.gasPriceGwei),
        priorityFeeMicroLamports: quote.priorityFeeMicroLamports,
      });
    if (fee !== undefined && account.venueReachable)
      this.#monitor.observe({ kind: "fee", account: account.name, fee }, this.clocks());
    for (const { market, price, own, time } of state?.references ?? []) {
      // The broker's own price is of the reference's minute; a mark may be as old as the strategy's timeframe.
      const compared = own === undefined ? account.book.mark(market)?.price : parseDecimal(own);
      if (compared === undefined || nowMs - time > referenceAgeMs) continue;
      const [seen, reference] = [decimalToNumber(compared), decimalToNumber(parseDecimal(price))];
      this.#monitor.observe({ kind: "reference", market, price: seen, reference }, this.clocks());
    }
  }

  #mark(): void {
    const accounts = this.#options.accounts();
    const currency = this.#policy?.baseCurrency;
    if (currency === undefined || accounts.length === 0 || !accounts.every(({ opened, loaded }) => opened && loaded)) return;
    const sum = accounts.reduce<Mark>(
      ({ equity, transfers }, { book }) => ({
        equity: add(equity, accountEquity(book, currency)),
        transfers: add(transfers, depositsOf(book, currency)),
      }),
      { equity: ZERO, transfers: ZERO },
    );
    this.#monitor.mark(sum, this.clocks());
    this.#announce();
  }

  /** Says what has changed, once. */
  #announce(): void {
    const tripped = this.#monitor.breakers.filter(({ state }) => isTripped(state));
    const shown = tripped.map(({ config, state }) => `${config.type}/${config.action}/${state.episode}`).join(" ");
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#options.log.warn(
      { tripped: this.views().filter(({ state }) => state !== "Armed") },
      "the circuit breakers have changed",
    );
    this.#options.onChange();
  }
}

/** The broker answers and its feed brings prices. A replay that is only beginning is not stale. */
function isFresh(account: Account): boolean {
  const state = account.venueState;
  return account.venueReachable && state !== undefined && state.feed.state === "running" && state.venue?.accepts !== "none";
}
