import type { JournalDatabase } from "@bellwether/postgres";
import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import { decimalFromNumber, timeframeMs, type BarEvent } from "@bellwether/trading";
import { storeMark } from "../journal/policy-records.ts";
import type { Settlement } from "../orders/settle.ts";
import type { Account } from "./account.ts";
import type { BarSeries } from "../venue/market-feed.ts";
import { heldMessage, movingAssets } from "./adopt.ts";
import { mayBeFiredLeg } from "./fired-leg.ts";
import { openAccount } from "./open.ts";
import { type Drift, type Reconciliation, reconcile } from "./reconcile.ts";

export interface RunnerOptions {
  readonly account: Account;
  readonly settlement: Settlement;
  readonly policyUid: string;
  readonly database: JournalDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  /** Steps of deletions, taken after each settlement pass. */
  readonly progressDeletions: () => Promise<void>;
  /** The policy's base currency; empty before the policy is known. */
  readonly currency: () => string;
  /** Bars that sizing looks back at; undefined: it does not look at any. */
  readonly lookbackBars: () => number | undefined;
  /** The series of the account's strategies. */
  readonly series: () => readonly BarSeries[];
  /** The account can be traded on from now on. */
  readonly onOpened: () => void;
}

/** While something is owed to an order, and while nothing is. */
const busyMs = 250;
const quietMs = 1_000;
/** Shortest time between two rounds, whatever happens. */
const restMs = 25;
const askEveryMs = 1_000;
const markEveryMs = 1_000;
const reconcileEveryMs = 30_000;
/** A difference may have been a fill that came late: it need not hold the account for longer than it lasts. */
const reconcileHeldEveryMs = 5_000;
/** A leg that has fired is in the venue's balances before the broker has asked about it: some of its rounds, which are a second apart. */
const firedLegMs = 3_000;
/** Nothing is ordered before the first comparison, and a difference that may pass is looked at again. */
const firstReconcileEveryMs = 500;
const longestPauseMs = 5_000;

/**
 * The heartbeat of one account: opens it, keeps its orders settled, its deletions moving, its marks stored and its books compared with the venue. Level-based:
 * every round looks at everything; `wake` only brings the next one forward. Nothing but its signal ends it.
 */
export class AccountRunner {
  readonly #options: RunnerOptions;
  #wakeUp = new AbortController();
  #askedMs = Number.NEGATIVE_INFINITY;
  #markedMs = Number.NEGATIVE_INFINITY;
  #reconciledMs = Number.NEGATIVE_INFINITY;
  readonly #changedMarks = new Set<string>();
  /** Series whose newest bar has been asked for. */
  readonly #caughtUp = new Set<string>();
  #reconciliation: Reconciliation | undefined;
  /** Since when a difference is looked at that a fired leg may explain. */
  #suspectedMs: number | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  get reconciliation(): Reconciliation | undefined {
    return this.#reconciliation;
  }

  wake(): void {
    this.#wakeUp.abort();
  }

  /** Takes a closed bar: the market's time and its mark. */
  onBar({ market, timeframe, bar }: BarEvent): void {
    this.#options.account.closes.add({ market, timeframe }, bar);
    this.#mark({ market, timeframe }, bar);
  }

  #mark({ market, timeframe }: BarSeries, { time, close }: BarEvent["bar"]): void {
    const { account } = this.#options;
    const timeMs = time + timeframeMs(timeframe);
    account.advanceMarketTime(timeMs);
    if (account.book.setMark(market, { price: decimalFromNumber(close), timeMs })) this.#changedMarks.add(market);
  }

  async run(signal: AbortSignal): Promise<void> {
    let pauseMs = busyMs;
    while (!signal.aborted) {
      this.#wakeUp = new AbortController();
      try {
        pauseMs = (await this.round()) > 0 ? busyMs : quietMs;
      } catch (error) {
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        this.#options.log.warn({ err: messageOf(error), account: this.#options.account.name }, "an account's round failed");
      }
      const { clock } = this.#options;
      // Hints come in flocks, and each round keeps decisions waiting while it looks.
      await clock.sleep(restMs, signal).catch(() => undefined);
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#wakeUp.signal])).catch(() => undefined);
    }
  }

  /** Looks at everything once. Returns how many orders are still owed something. */
  async round(): Promise<number> {
    const { account, settlement, clock, policyUid, database, progressDeletions, onOpened } = this.#options;
    if (!account.loaded) await account.exclusive(async () => undefined);
    if (!account.opened && database.available && (await openAccount(account, policyUid))) onOpened();
    await this.#fillHistories();
    const owed = await settlement.pass();
    await progressDeletions();
    const nowMs = clock.nowMs();
    if (nowMs - this.#askedMs >= askEveryMs) {
      this.#askedMs = nowMs;
      await account.askVenue();
      await this.#catchUpMarks();
    }
    if (account.opened && nowMs - this.#reconciledMs >= this.#reconcileDueMs()) await this.#reconcile(nowMs, firedLegMs);
    if (nowMs - this.#markedMs >= markEveryMs) await this.#storeMarks(nowMs);
    return owed;
  }

  #reconcileDueMs(): number {
    const { compared, heldMessage: held } = this.#options.account;
    if (!compared || this.#suspectedMs !== undefined) return firstReconcileEveryMs;
    return held === undefined ? reconcileEveryMs : reconcileHeldEveryMs;
  }

  /**
   * A bar that closed while nobody listened is a mark, too: until the next one closes, which may be a day, everything would be judged and sold by an older
   * price. Asked for once for each series.
   */
  async #catchUpMarks(): Promise<void> {
    const { account, series, log } = this.#options;
    if (!account.venueReachable || account.endedMessage !== undefined) return;
    for (const wanted of series()) {
      const key = `${wanted.market} ${wanted.timeframe}`;
      if (this.#caughtUp.has(key)) continue;
      try {
        for (const bar of await account.broker.bars({ ...wanted, limit: 1 })) this.#mark(wanted, bar);
        this.#caughtUp.add(key);
      } catch (error) {
        log.debug({ err: messageOf(error), ...wanted }, "the newest bar could not be read yet");
      }
    }
  }

  /** Volatility is not to be unknown after every restart: bars of the past are asked for, once for each series. */
  async #fillHistories(): Promise<void> {
    const { account, lookbackBars, series, log } = this.#options;
    const limit = lookbackBars();
    if (limit === undefined || account.endedMessage !== undefined) return;
    for (const wanted of series().filter((each) => !account.closes.isFilled(each))) {
      try {
        account.closes.prepend(wanted, await account.broker.bars({ ...wanted, limit: limit + 1 }));
      } catch (error) {
        log.warn({ err: messageOf(error), ...wanted }, "bars of the past could not be read yet");
      }
    }
  }

  async #reconcile(nowMs: number, patienceMs: number): Promise<void> {
    const { account, clock, log } = this.#options;
    this.#reconciledMs = nowMs;
    const result = await reconcile(account, () => clock.nowMs());
    if (!result) return;
    const before = account.heldMessage;
    const moving = movingAssets(account.book, this.#options.currency());
    const message = heldMessage(result.drift, moving, account.venueState?.foreignTrades);
    if (message !== undefined && before === undefined && this.#mayPass(result.drift, nowMs, patienceMs)) return;
    this.#suspectedMs = undefined;
    account.compared = true;
    account.heldMessage = message;
    if (account.heldMessage !== undefined && before === undefined)
      log.error({ account: account.name, drift: result.drift }, "journal and venue differ: the account is held");
    if (account.heldMessage === undefined && before !== undefined)
      log.info({ account: account.name }, "journal and venue agree again: the account is no longer held");
    this.#reconciliation = result;
  }

  #mayPass(drift: readonly Drift[], nowMs: number, patienceMs: number): boolean {
    if (!mayBeFiredLeg(drift, this.#options.account.book, this.#options.currency())) return false;
    this.#suspectedMs ??= nowMs;
    return nowMs - this.#suspectedMs < patienceMs;
  }

  /** Compares at once; the drift as it is now. Undefined: the venue does not answer or trades too fast to be compared. */
  async reconcileNow(): Promise<Reconciliation | undefined> {
    const before = this.#reconciliation;
    await this.#reconcile(this.#options.clock.nowMs(), 0);
    return this.#reconciliation === before ? undefined : this.#reconciliation;
  }

  async #storeMarks(nowMs: number): Promise<void> {
    this.#markedMs = nowMs;
    if (this.#changedMarks.size === 0) return;
    const { account } = this.#options;
    const markets = [...this.#changedMarks];
    this.#changedMarks.clear();
    await account.note(async (transaction) => {
      for (const market of markets) {
        const mark = account.book.mark(market);
        if (mark) await storeMark(transaction, account.accountUid, { ...mark, market });
      }
    });
  }
}
