import { type JournalDatabase, type Transaction, migrate } from "@bellwether/postgres";
import { type Check, type Clock, CodedError, Dependency, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type AgentSnapshot,
  type BarEvent,
  type DecisionReply,
  type DecisionRequest,
  type Decimal,
  type PolicyView,
  type PortfolioView,
  type RegistrationReply,
  type StrategyRegistration,
  type TradingCondition,
  type WireBar,
  ZERO,
  decimalToNumber,
  maximum,
} from "@bellwether/trading";
import { Account } from "./account/account.ts";
import { AccountRunner } from "./account/account-runner.ts";
import type { EventHub } from "./api/event-hub.ts";
import { accountUidOf } from "./config.ts";
import { type DecideContext, decide } from "./decisions/decide.ts";
import type { RiskErrorCode } from "./errors.ts";
import type { FailPoints } from "./fail-points.ts";
import { type WriterEpoch, requireEpoch, takeEpoch } from "./journal/epoch.ts";
import { riskSchema } from "./journal/migrations/index.ts";
import {
  clearHalt,
  ensureAccount,
  pruneDecisions,
  readHalt,
  readPeak,
  storeHalt,
  storePeak,
  storePublicKey,
} from "./journal/policy-records.ts";
import type { RiskMetrics } from "./metrics.ts";
import { type CommittedOrder, dispatch } from "./orders/dispatch.ts";
import { Settlement } from "./orders/settle.ts";
import type { Signer } from "./orders/signer.ts";
import type { EffectivePolicy } from "./policy/effective-policy.ts";
import { type JournalHalt, tradingState } from "./policy/trading-state.ts";
import type { AccountBook, BookFill, BookOrder } from "./portfolio/book.ts";
import { policyViewOf } from "./portfolio/policy-view.ts";
import {
  type StrategyWorld,
  agentSnapshot,
  drawdownOf,
  fillView,
  orderView,
  portfolioView,
  totalEquity,
} from "./portfolio/views.ts";
import { progressDeletion, requestDeletion } from "./strategies/delete.ts";
import { register } from "./strategies/register.ts";
import { StrategyRegistry } from "./strategies/registry.ts";
import type { Strategy } from "./strategies/strategy.ts";
import { type TradingStatus, tradingStatus } from "./strategies/trading-status.ts";
import type { BarsQuery, Broker } from "./venue/broker.ts";
import type { BarSeries } from "./venue/market-feed.ts";

export interface RiskServiceOptions {
  readonly policy: { readonly uid: string; readonly name: string };
  /** One for each account of the configuration. */
  readonly brokers: ReadonlyMap<string, Broker>;
  readonly database: JournalDatabase;
  readonly signer: Signer;
  readonly hub: EventHub;
  readonly metrics: RiskMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failPoints: FailPoints;
  /** Names this process in risk.writer_epochs. */
  readonly holder: string;
  /** Which bars each account's feed is to follow, whenever that changes. */
  readonly onSeries: (account: string, series: readonly BarSeries[]) => void;
  readonly onSuperseded: (error: Error) => void;
}

const startRetryMs = 500;
const portfolioEveryMs = 500;
const pruneEveryMs = 300_000;

/** The composition of one policy's risk: accounts, strategies, trading state. Everything durable is in the journal. */
export class RiskService {
  readonly #options: RiskServiceOptions;
  readonly #registry = new StrategyRegistry();
  readonly #accounts = new Map<string, Account>();
  readonly #runners = new Map<string, AccountRunner>();
  readonly #dispatches = new Set<Promise<unknown>>();
  readonly #opening: Dependency;
  #epoch: WriterEpoch | undefined;
  #policy: EffectivePolicy | undefined;
  #journalHalt: JournalHalt | undefined;
  #peakEquity: Decimal = ZERO;
  #dayStartEquity: Decimal = ZERO;
  #storedPeak: Decimal = ZERO;
  #prunedMs = 0;

  constructor(options: RiskServiceOptions) {
    this.#options = options;
    this.#opening = new Dependency("journal", () => options.clock.nowMs(), "not opened yet");
  }

  /** Whether the journal has been opened, and what that waits for. */
  journalCheck(): Check {
    return this.#opening.check();
  }

  get epoch(): number {
    return this.#epoch?.epoch ?? 0;
  }

  /** True once the journal has been folded and the epoch is ours. */
  get started(): boolean {
    return this.#accounts.size > 0;
  }

  get accounts(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  runner(account: string): AccountRunner | undefined {
    return this.#runners.get(account);
  }

  trading(): TradingCondition {
    return tradingState({ policy: this.#policy, journalHalt: this.#journalHalt });
  }

  /** A new state of the RiskPolicy: in force for the next verdict, and for working orders at once. */
  setPolicy(policy: EffectivePolicy | undefined): void {
    const before = this.trading();
    this.#policy = policy;
    const after = this.trading();
    if (before.state !== after.state) this.#options.log.info({ trading: after }, "the trading state has changed");
    this.#wakeAll();
  }

  /** Migrates, takes the epoch, publishes the key, folds the journal, and runs the accounts until `signal` aborts. Waits for Postgres as long as it takes. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.open();
        break;
      } catch (error) {
        if (!hasCode(error, "JOURNAL_UNAVAILABLE")) throw error;
        // At a first start schema and rights appear while we look: each new reason once, not twice a second.
        if (this.#opening.message !== error.message) log.warn({ err: error }, `waiting for the journal: ${error.message}`);
        this.#opening.down(error.message);
        await clock.sleep(startRetryMs, signal).catch(() => undefined);
      }
    }
    const loops = [...this.#runners.values()].map((runner) => runner.run(signal));
    await Promise.all([...loops, this.#watchPortfolio(signal)]);
  }

  /** Waits for approvals that are being handed over. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#dispatches);
  }

  onBar(accountName: string, event: BarEvent): void {
    const account = this.#accounts.get(accountName);
    if (!account) return;
    if (!event.revision) this.#runners.get(accountName)?.onBar(event);
    const id = `${event.market}|${event.timeframe}|${event.bar.time}`;
    for (const strategy of this.#registry.ofAccount(account.accountUid)) {
      const follows = strategy.markets.some(({ market, timeframe }) => market === event.market && timeframe === event.timeframe);
      if (follows) this.#options.hub.publish(strategy.uid, { event: "bar", id, data: event });
    }
  }

  onVenueHint(accountName: string): void {
    this.#runners.get(accountName)?.wake();
  }

  onMarketEnd(accountName: string, message: string): void {
    const account = this.#accounts.get(accountName);
    if (!account) return;
    account.markEnded(message);
    for (const { uid } of this.#registry.ofAccount(account.accountUid))
      this.#options.hub.publish(uid, { event: "end", data: { message } });
  }

  strategy(uid: string): Strategy | undefined {
    return this.#registry.get(uid);
  }

  /** The one strategy that a ServiceAccount speaks for; undefined for none or several. */
  strategyOf(subject: string): Strategy | undefined {
    const own = this.#registry.all().filter((strategy) => strategy.subject === subject);
    return own.length === 1 ? own[0] : undefined;
  }

  /** Judges and stores a decision, hands its orders over, and answers. */
  async decide(request: DecisionRequest): Promise<DecisionReply> {
    const { clock, metrics, failPoints } = this.#options;
    const startedMs = clock.nowMs();
    const { account } = this.#strategyAndAccount(request.strategyUid);
    const { reply, orders, cancels, strategy } = await decide(request, this.#decideContext(account));
    if (strategy) {
      for (const { verdict } of reply.results) metrics.verdict(verdict.reason ?? "allowed");
    }
    metrics.decisionSeconds((clock.nowMs() - startedMs) / 1_000);
    await this.#dispatchAll(account, orders);
    if (orders.length > 0 || cancels) this.#runners.get(account.name)?.wake();
    failPoints.pass("before-reply");
    return reply;
  }

  async register(registration: StrategyRegistration): Promise<RegistrationReply> {
    const account = this.#account(registration.account);
    const policy = this.#policyInForce();
    const { uid: policyUid } = this.#options.policy;
    const reply = await register(registration, { account, registry: this.#registry, policyUid, currency: policy.baseCurrency });
    this.#announceSeries(account);
    this.#runners.get(account.name)?.wake();
    return reply;
  }

  async delete(uid: string, onDelete: "Keep" | "Flatten"): Promise<RegistrationReply> {
    const strategy = this.#registry.get(uid);
    const account = this.#accountOf(strategy) ?? this.accounts[0];
    if (!account) throw this.#notStarted();
    const reply = await requestDeletion(uid, onDelete, { account, registry: this.#registry });
    this.#runners.get(account.name)?.wake();
    return reply;
  }

  snapshot(uid: string): AgentSnapshot {
    return agentSnapshot(this.#world(uid));
  }

  async bars(uid: string, query: BarsQuery): Promise<readonly WireBar[]> {
    return this.#strategyAndAccount(uid).account.broker.bars(query);
  }

  portfolio(): PortfolioView {
    const policy = this.#policyInForce();
    return portfolioView({
      policy,
      epoch: this.epoch,
      trading: this.trading(),
      accounts: this.accounts.map((account) => ({
        account,
        ...this.#readiness(account),
        reconciled: this.#runners.get(account.name)?.reconciliation,
      })),
      strategies: this.#registry.all().map(({ uid }) => this.#world(uid)),
      peakEquity: this.#peakEquity,
    });
  }

  /** Halts in the journal; only `resume` undoes it. Orders are stopped even when the journal does not answer. */
  async halt(halt: JournalHalt): Promise<void> {
    this.#journalHalt ??= halt;
    this.#wakeAll();
    await this.#write((transaction) => storeHalt(transaction, this.#options.policy.uid, halt));
  }

  async resume(by: string): Promise<void> {
    await this.#write((transaction) => clearHalt(transaction, this.#options.policy.uid, by));
    this.#journalHalt = undefined;
    this.#wakeAll();
  }

  /** Everything of a start but the loops. @throws CodedError JOURNAL_UNAVAILABLE */
  async open(): Promise<void> {
    const { database, policy, signer, holder, brokers, log } = this.#options;
    const applied = await migrate(database, riskSchema);
    if (applied.length > 0) log.info({ applied }, "the journal's schema has been brought up to date");
    // Kept from an attempt that was cut off later: the key of this process belongs to one epoch.
    const epoch = (this.#epoch ??= await takeEpoch(database, policy.uid, holder));
    await this.#write(async (transaction) => {
      await storePublicKey(transaction, {
        keyId: signer.keyId,
        policyUid: policy.uid,
        epoch: epoch.epoch,
        publicKey: signer.publicKey,
      });
      for (const name of brokers.keys())
        await ensureAccount(transaction, { accountUid: accountUidOf(policy.uid, name), policyUid: policy.uid, name });
    });
    await this.#registry.load(database, policy.uid);
    this.#journalHalt = await readHalt(database, policy.uid);
    this.#peakEquity = this.#storedPeak = (await readPeak(database, policy.uid)) ?? ZERO;
    for (const [name, broker] of brokers) this.#addAccount(name, { broker, epoch });
    for (const account of this.accounts) {
      await account.exclusive(async () => undefined);
      this.#announceSeries(account);
    }
    this.#opening.up(`open, writer epoch ${epoch.epoch}`);
    log.info({ policy: policy.name, epoch: epoch.epoch, strategies: this.#registry.all().length }, "the journal is open");
  }

  #addAccount(name: string, { broker, epoch }: { broker: Broker; epoch: WriterEpoch }): void {
    const { database, clock, log, policy, onSuperseded } = this.#options;
    const account = new Account({
      accountUid: accountUidOf(policy.uid, name),
      name,
      epoch,
      database,
      broker,
      clock,
      log,
      onChanges: (changes) => this.#publish(name, changes),
      onSuperseded,
    });
    const settlement = new Settlement(account, { epoch: epoch.epoch, clock, log, world: () => this.#settlementWorld() });
    const runner = new AccountRunner({
      account,
      settlement,
      policyUid: policy.uid,
      database,
      clock,
      log,
      progressDeletions: () => this.#progressDeletions(account),
      onOpened: () => log.info({ account: name }, "the account's opening balances are in the journal"),
    });
    this.#accounts.set(name, account);
    this.#runners.set(name, runner);
  }

  #settlementWorld(): { halted: boolean; suspended: ReadonlySet<string>; deleted: ReadonlySet<string> } {
    const strategies = this.#registry.all();
    const uids = (list: readonly Strategy[]): Set<string> => new Set(list.map(({ uid }) => uid));
    return {
      // A policy that has not been read yet allows nothing new, but is no order to take working orders back: every restart would.
      halted: this.#journalHalt !== undefined || (this.#policy !== undefined && this.trading().state === "Halted"),
      suspended: uids(strategies.filter(({ suspended }) => suspended)),
      deleted: uids(strategies.filter(({ deletion }) => deletion !== undefined)),
    };
  }

  async #progressDeletions(account: Account): Promise<void> {
    for (const { uid, deletion } of this.#registry.ofAccount(account.accountUid)) {
      if (!deletion || !this.#policy) continue;
      const orders = await progressDeletion(uid, this.#decideContext(account));
      await this.#dispatchAll(account, orders);
    }
  }

  async #dispatchAll(account: Account, orders: readonly CommittedOrder[]): Promise<void> {
    const { signer, clock, log, failPoints, metrics } = this.#options;
    const context = { signer, epoch: this.epoch, clock, log, failPoints, trading: () => this.trading() };
    const sending = orders.map(async (order) => {
      const startedMs = clock.nowMs();
      const outcome = await dispatch(account, order, context);
      metrics.dispatchSeconds((clock.nowMs() - startedMs) / 1_000, outcome);
    });
    const all = Promise.all(sending);
    this.#dispatches.add(all);
    try {
      await all;
    } finally {
      this.#dispatches.delete(all);
    }
  }

  #publish(accountName: string, { fills, orders }: { fills: readonly BookFill[]; orders: readonly BookOrder[] }): void {
    const { hub } = this.#options;
    for (const fill of fills) hub.publish(fill.subAccount, { event: "fill", data: fillView(fill, accountName) });
    for (const order of orders) hub.publish(order.strategyUid, { event: "order", data: orderView(order) });
  }

  /** Twice a second: the journal's halt, which a person may set by hand, the peak of equity and the figures. */
  async #watchPortfolio(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(portfolioEveryMs, signal).catch(() => undefined);
      if (signal.aborted || !this.#options.database.available) continue;
      try {
        await this.#readHalt();
        await this.#markPeak();
        await this.#prune(clock.nowMs());
      } catch (error) {
        log.warn({ err: messageOf(error) }, "halt and peak could not be read or stored");
      }
    }
  }

  async #prune(nowMs: number): Promise<void> {
    if (nowMs - this.#prunedMs < pruneEveryMs) return;
    this.#prunedMs = nowMs;
    for (const { uid } of this.#registry.all()) await this.#write((transaction) => pruneDecisions(transaction, uid));
  }

  async #readHalt(): Promise<void> {
    const halt = await readHalt(this.#options.database, this.#options.policy.uid);
    if ((halt === undefined) === (this.#journalHalt === undefined)) return;
    this.#journalHalt = halt;
    this.#options.log.info({ halt }, "the journal's halt has changed");
    this.#wakeAll();
  }

  async #markPeak(): Promise<void> {
    const policy = this.#policy;
    if (!policy || !this.accounts.every(({ opened }) => opened)) return;
    const equity = totalEquity(
      this.accounts.map((account) => ({ account })),
      policy.baseCurrency,
    );
    this.#peakEquity = maximum(this.#peakEquity, equity);
    this.#options.metrics.portfolio({
      equity: decimalToNumber(equity),
      drawdownRatio: decimalToNumber(drawdownOf(equity, this.#peakEquity)),
      openOrders: this.accounts.reduce((sum, { book }) => sum + book.openOrders().length, 0),
    });
    const peak = this.#peakEquity;
    if (peak <= this.#storedPeak) return;
    await this.#write((transaction) => storePeak(transaction, policy.uid, peak));
    this.#storedPeak = peak;
  }

  async #write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const epoch = this.#epoch;
    if (!epoch) throw this.#notStarted();
    try {
      return await this.#options.database.transaction(async (transaction) => {
        await requireEpoch(transaction, epoch);
        return work(transaction);
      });
    } catch (error) {
      if (hasCode(error, "EPOCH_LOST")) this.#options.onSuperseded(error);
      throw error;
    }
  }

  #decideContext(account: Account): DecideContext {
    const { signer, clock, log, failPoints } = this.#options;
    const [registry, policy, trading] = [this.#registry, this.#policyInForce(), this.trading()];
    const policyView = (book: AccountBook): PolicyView =>
      policyViewOf(
        this.accounts.map((each) => (each === account ? book : each.book)),
        policy.baseCurrency,
        { dayStartEquity: this.#dayStartEquity, peakEquity: this.#peakEquity },
      );
    return { account, registry, policy, trading, policyView, signer, epoch: this.epoch, clock, log, failPoints };
  }

  #policyInForce(): EffectivePolicy {
    if (this.#policy) return this.#policy;
    throw new CodedError<RiskErrorCode>("POLICY_UNKNOWN", `RiskPolicy ${this.#options.policy.name} has not been read yet`);
  }

  #account(name: string): Account {
    if (!this.started) throw this.#notStarted();
    const account = this.#accounts.get(name);
    if (account) return account;
    throw new CodedError<RiskErrorCode>("ACCOUNT_UNKNOWN", `policy ${this.#options.policy.name} has no account ${name}`, {
      context: { account: name },
    });
  }

  #accountOf(strategy: Strategy | undefined): Account | undefined {
    return strategy && this.accounts.find(({ accountUid }) => accountUid === strategy.accountUid);
  }

  #strategyAndAccount(uid: string): { strategy: Strategy; account: Account } {
    if (!this.started) throw this.#notStarted();
    const strategy = this.#registry.get(uid);
    if (!strategy)
      throw new CodedError<RiskErrorCode>(
        "NOT_REGISTERED",
        `strategy ${uid} is not registered with policy ${this.#options.policy.name}`,
      );
    const account = this.#accountOf(strategy);
    if (account) return { strategy, account };
    throw new CodedError<RiskErrorCode>(
      "ACCOUNT_UNKNOWN",
      `the account of strategy ${strategy.name} is not among the policy's any more`,
    );
  }

  #world(uid: string): StrategyWorld {
    const { strategy, account } = this.#strategyAndAccount(uid);
    return { strategy, account, currency: this.#policyInForce().baseCurrency, status: this.#status(strategy, account) };
  }

  #status(strategy: Strategy, account: Account): TradingStatus {
    return tradingStatus({
      strategy,
      trading: this.trading(),
      journalAvailable: this.#options.database.available,
      venue: { reachable: account.venueReachable, message: account.venueCheck().message },
      endedMessage: account.endedMessage,
    });
  }

  #readiness(account: Account): { ready: boolean; message: string } {
    const venue = account.venueCheck();
    if (!this.#options.database.available) return { ready: false, message: "Postgres does not answer." };
    if (!venue.ok) return { ready: false, message: `The broker cannot be reached: ${venue.message}.` };
    if (!account.hasVenueRecords) return { ready: false, message: "The broker has not opened its tables to risk yet." };
    if (!account.opened) return { ready: false, message: "The opening balances have not been read from the venue yet." };
    const feed = account.venueState?.feed;
    if (feed?.state === "failed") return { ready: false, message: `The market feed has failed: ${feed.message}` };
    return { ready: true, message: feed && feed.state !== "running" ? `The market feed is ${feed.state}: ${feed.message}` : "" };
  }

  #announceSeries(account: Account): void {
    this.#options.onSeries(
      account.name,
      this.#registry.ofAccount(account.accountUid).flatMap(({ markets }) => markets),
    );
  }

  #wakeAll(): void {
    for (const runner of this.#runners.values()) runner.wake();
  }

  #notStarted(): CodedError<RiskErrorCode> {
    return new CodedError<RiskErrorCode>("JOURNAL_UNAVAILABLE", `the journal is not open yet: ${this.#opening.message}`);
  }
}
