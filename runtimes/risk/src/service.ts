import { randomUUID } from "node:crypto";
import { type JournalDatabase, type Transaction, migrate } from "@bellwether/postgres";
import { type Check, type Clock, CodedError, Dependency, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type AgentSnapshot,
  type BarEvent,
  type ControlReply,
  type DecisionReply,
  type DecisionRequest,
  type DriftEntry,
  type EquityEvent,
  type IntentReply,
  type OrdersReply,
  type PolicyView,
  type PortfolioView,
  type RegistrationReply,
  type StrategyRegistration,
  type TradingCondition,
  type TradingHold,
  type WireBar,
  decimalToNumber,
  type ordersQuery,
  parseDecimal,
} from "@bellwether/trading";
import { movingAssets, planAdoption } from "./account/adopt.ts";
import type { z } from "zod";
import { Account } from "./account/account.ts";
import { AccountRunner } from "./account/account-runner.ts";
import type { AlertWatch } from "./alerts/alert-watch.ts";
import type { EventHub } from "./api/event-hub.ts";
import { PolicyWatch } from "./breakers/policy-watch.ts";
import { type Author, ControlDesk } from "./control/control-desk.ts";
import { accountUidOf } from "./config.ts";
import { type DecideContext, decide } from "./decisions/decide.ts";
import type { RiskErrorCode } from "./errors.ts";
import type { FailPoints } from "./fail-points.ts";
import { type WriterEpoch, requireEpoch, takeEpoch } from "./journal/epoch.ts";
import { riskSchema } from "./journal/migrations/index.ts";
import { readIntent, readOrders } from "./journal/query-records.ts";
import { storeAdjustments } from "./journal/control-records.ts";
import { readRecentSales } from "./journal/order-records.ts";
import { ensureAccount, pruneDecisions, storePublicKey } from "./journal/policy-records.ts";
import type { RiskMetrics } from "./metrics.ts";
import { type CommittedOrder, dispatch } from "./orders/dispatch.ts";
import { flattenAccount } from "./orders/flatten-account.ts";
import { SaleAttempts, paceMemoryMs } from "./orders/sale-attempts.ts";
import type { SettlementWorld } from "./orders/plan-settlement.ts";
import { Settlement } from "./orders/settle.ts";
import type { Signer } from "./orders/signer.ts";
import type { EffectivePolicy } from "./policy/effective-policy.ts";
import { type TradingSources, holdsOf, tradingState } from "./policy/trading-state.ts";
import type { AccountBook, BookFill, BookOrder } from "./portfolio/book.ts";
import { policyViewOf } from "./portfolio/policy-view.ts";
import {
  type PolicyWorld,
  type StrategyWorld,
  agentSnapshot,
  dailyLossOf,
  equityEventOf,
  fillView,
  orderView,
  portfolioView,
} from "./portfolio/views.ts";
import { progressDeletion, requestDeletion } from "./strategies/delete.ts";
import { type LeaveContext, deleteElsewhere, leaveFormerAccount } from "./strategies/leave-account.ts";
import { register } from "./strategies/register.ts";
import { StrategySights } from "./strategies/strategy-sights.ts";
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
  /** Tells people what is worth telling; absent in tests that look at something else. */
  readonly alerts?: AlertWatch;
  /** Names control events; random UUIDs unless given. */
  readonly newId?: () => string;
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
  readonly #watch: PolicyWatch;
  readonly #desk: ControlDesk;
  readonly #sights: StrategySights;
  readonly #flattenAttempts = new SaleAttempts();
  readonly #deletionAttempts = new SaleAttempts();
  #epoch: WriterEpoch | undefined;
  #policy: EffectivePolicy | undefined;
  #prunedMs = 0;

  constructor(options: RiskServiceOptions) {
    this.#options = options;
    const { clock, log, database, policy } = options;
    this.#opening = new Dependency("journal", () => clock.nowMs(), "not opened yet");
    const onChange = (): void => this.#wakeAll();
    const write = <T>(work: (transaction: Transaction) => Promise<T>): Promise<T> => this.#write(work);
    const policyUid = policy.uid;
    this.#sights = new StrategySights(clock);
    this.#watch = new PolicyWatch({ policyUid, accounts: () => this.accounts, clock, log, write, onChange });
    this.#desk = new ControlDesk({
      policyUid,
      database,
      clock,
      log,
      newId: options.newId ?? randomUUID,
      write,
      resetOf: (type) => this.#watch.resetOf(type),
      breakers: () => this.#watch.views(),
      standing: () => this.#standing(),
      isOpen: () => this.#opening.ok,
      onChange,
    });
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
    return tradingState(this.#sources());
  }

  /** What people say of trading, breakers left out: a breaker's own sells are held by this only. */
  #tradingByPeople(): TradingCondition {
    return tradingState({ ...this.#sources(), breakers: undefined });
  }

  #sources(): TradingSources {
    return { policy: this.#policy, journalHalt: this.#desk.journalHalt, breakers: this.#watch.stop?.condition };
  }

  /** A new state of the RiskPolicy: in force for the next verdict, and for working orders at once. */
  setPolicy(policy: EffectivePolicy | undefined): void {
    const before = this.trading();
    this.#policy = policy;
    if (policy) this.#watch.configure(policy);
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
    if (!event.revision) {
      this.#runners.get(accountName)?.onBar(event);
      this.#watch.onBar(event);
    }
    const id = `${event.market}|${event.timeframe}|${event.bar.time}`;
    for (const strategy of this.#registry.ofAccount(account.accountUid)) {
      const follows = strategy.markets.some(({ market, timeframe }) => market === event.market && timeframe === event.timeframe);
      if (!follows) continue;
      this.#sights.barRelayed(strategy.uid);
      this.#options.hub.publish(strategy.uid, { event: "bar", id, data: event });
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
    this.#sights.decisionArrived(request.strategyUid);
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
    this.#sights.setAlerts(registration.uid, registration.alerts ?? []);
    await leaveFormerAccount(registration.uid, account, this.#leaveContext());
    const reply = await register(registration, { account, registry: this.#registry, policyUid, currency: policy.baseCurrency });
    for (const each of this.accounts) this.#announceSeries(each);
    this.#runners.get(account.name)?.wake();
    return reply;
  }

  async delete(uid: string, onDelete: "Keep" | "Flatten"): Promise<RegistrationReply> {
    if (!this.started) throw this.#notStarted();
    const account = this.#accountOf(this.#registry.get(uid));
    if (!account) {
      const unknown = { uid, run: 1, admitted: false, workingOrders: 0, settled: true };
      return (await deleteElsewhere(uid, onDelete, this.#leaveContext())) ?? unknown;
    }
    const reply = await requestDeletion(uid, onDelete, { account, registry: this.#registry });
    this.#runners.get(account.name)?.wake();
    return reply;
  }

  #leaveContext(): LeaveContext {
    const { database, policy } = this.#options;
    return {
      policyUid: policy.uid,
      accounts: this.accounts,
      registry: this.#registry,
      database,
      write: (work) => this.#write(work),
    };
  }

  snapshot(uid: string): AgentSnapshot {
    return agentSnapshot(this.#world(uid));
  }

  async bars(uid: string, query: BarsQuery): Promise<readonly WireBar[]> {
    return this.#strategyAndAccount(uid).account.broker.bars(query);
  }

  portfolio(): PortfolioView {
    return portfolioView(this.#policyWorld());
  }

  /** As the policy's stream shows it. */
  equity(): EquityEvent {
    return equityEventOf(this.portfolio(), this.#options.clock.nowMs());
  }

  #policyWorld(): PolicyWorld {
    return {
      policy: this.#policyInForce(),
      epoch: this.epoch,
      trading: this.trading(),
      accounts: this.accounts.map((account) => ({
        account,
        ...this.#readiness(account),
        reconciled: this.#runners.get(account.name)?.reconciliation,
      })),
      strategies: this.#registry.all().map(({ uid }) => this.#world(uid)),
      references: this.#watch.references,
      breakers: this.#watch.breakers,
      breakerViews: this.#watch.views(),
      holds: this.#holds(),
      controlEvents: this.#desk.events,
      alerts: this.#options.alerts?.recent ?? [],
    };
  }

  /** What people do to the policy and ask of it. */
  get desk(): ControlDesk {
    return this.#desk;
  }

  /** Newest first. @throws CodedError STRATEGY_UNKNOWN */
  async orders({ strategy, state, limit }: z.output<typeof ordersQuery>): Promise<OrdersReply> {
    const known = this.#registry.all().filter(({ uid, name }) => uid === strategy || name === strategy);
    if (strategy !== undefined && known.length === 0)
      throw new CodedError<RiskErrorCode>("STRATEGY_UNKNOWN", `policy ${this.#options.policy.name} has no strategy ${strategy}`);
    const found = await readOrders(this.#options.database, {
      accountUids: this.accounts.map(({ accountUid }) => accountUid),
      strategyUids: strategy === undefined ? undefined : known.map(({ uid }) => uid),
      open: state === "open",
      limit,
    });
    return { orders: found.slice(0, limit), more: found.length > limit };
  }

  /** By intent id or client order id. @throws CodedError INTENT_UNKNOWN */
  async intent(id: string): Promise<IntentReply> {
    const found = await readIntent(this.#options.database, this.#options.policy.uid, id);
    if (found) return found;
    throw new CodedError<RiskErrorCode>("INTENT_UNKNOWN", `the journal knows no intent and no order ${id.slice(0, 200)}`);
  }

  /** Takes the venue's balances for true, on a person's word. @throws CodedError ACCOUNT_UNKNOWN, VENUE_UNREACHABLE, NOT_DRIFTING, DRIFT_CHANGED, DRIFT_IN_SEND_LOG */
  async adopt(name: string, author: Author, seen: readonly DriftEntry[] | undefined): Promise<ControlReply> {
    const [account, runner] = [this.#account(name), this.#runners.get(name)];
    await account.broker.adopt?.({ who: author.who, reason: author.reason });
    const { drift } = (await runner?.reconcileNow()) ?? { drift: undefined };
    if (!drift)
      throw new CodedError<RiskErrorCode>("VENUE_UNREACHABLE", `account ${name} could not be compared with its venue now`);
    const currency = this.#policyInForce().baseCurrency;
    const reply = await account.exclusive(async (book) => {
      const adjustments = planAdoption({ drift, seen, moving: movingAssets(book, currency) });
      const shown = drift.map(({ asset, journal, venue }) => `${asset} ${journal} → ${venue}`).join(", ");
      const detail = `account ${name} takes the venue's amounts: ${shown}`;
      const done = await this.#desk
        .adopted(author, detail, (transaction, id) =>
          storeAdjustments(transaction, { id, accountUid: account.accountUid }, adjustments),
        )
        .catch((error: unknown) => {
          // It may be in the journal all the same: on the old book the next attempt would adopt the same difference again.
          account.foldAgain();
          throw error;
        });
      for (const { asset, amount } of adjustments) book.applyAdjustment(asset, amount);
      return done;
    });
    await runner?.reconcileNow();
    return { ...reply, ...this.#standing() };
  }

  #standing(): Pick<ControlReply, "state" | "holds" | "workingOrders"> {
    const workingOrders = this.accounts.reduce((sum, { book }) => sum + book.openOrders().length, 0);
    return { state: this.trading().state, holds: this.#holds(), workingOrders };
  }

  #holds(): TradingHold[] {
    const holds = holdsOf(this.#sources());
    for (const account of this.accounts) {
      const scope = { account: account.name };
      if (account.heldMessage !== undefined)
        holds.push({ by: "drift", state: "Halted", message: account.heldMessage.slice(0, 500), scope });
      const discrepancy = account.venueState?.discrepancy;
      if (discrepancy !== undefined) holds.push({ by: "venue", state: "Reducing", message: discrepancy, scope });
    }
    return holds;
  }

  /** Everything of a start but the loops. @throws CodedError JOURNAL_UNAVAILABLE */
  async open(): Promise<void> {
    const { database, policy, signer, holder, brokers, log } = this.#options;
    const applied = await migrate(database, riskSchema);
    if (applied.length > 0) log.info({ applied }, "the journal's schema has been brought up to date");
    const accountUids = [...brokers.keys()].map((name) => accountUidOf(policy.uid, name));
    // Kept from an attempt that was cut off later: the key of this process belongs to one epoch.
    const epoch = (this.#epoch ??= await takeEpoch(database, { scope: policy.uid, accountUids }, holder));
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
    await this.#restorePace();
    await this.#desk.restore();
    for (const [name, broker] of brokers) this.#addAccount(name, { broker, epoch });
    for (const account of this.accounts) {
      await account.exclusive(async () => undefined);
      this.#announceSeries(account);
    }
    await this.#watch.restore(database);
    this.#opening.up(`open, writer epoch ${epoch.epoch}`);
    log.info({ policy: policy.name, epoch: epoch.epoch, strategies: this.#registry.all().length }, "the journal is open");
  }

  /** Which of the two reasons a sale had, the journal does not say: each goes on at the pace of both. */
  async #restorePace(): Promise<void> {
    const { database, clock } = this.#options;
    const uids = this.#registry.all().map(({ uid }) => uid);
    const recent = await readRecentSales(database, uids, paceMemoryMs);
    const nowMs = clock.nowMs();
    const sales = recent.map(({ uid, agoMs }) => ({ uid, atMs: nowMs - agoMs }));
    for (const attempts of [this.#flattenAttempts, this.#deletionAttempts]) attempts.restore(sales);
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
      onChanges: (changes) => this.#onChanges(name, changes),
      onSuperseded,
    });
    const settlement = new Settlement(account, { epoch: epoch.epoch, clock, log, world: () => this.#settlementWorld(account) });
    const runner = new AccountRunner({
      account,
      settlement,
      policyUid: policy.uid,
      database,
      clock,
      log,
      currency: () => this.#policy?.baseCurrency ?? "",
      lookbackBars: () => this.#policy?.sizing?.lookbackBars,
      series: () => this.#registry.ofAccount(account.accountUid).flatMap(({ markets }) => markets),
      progressDeletions: async () => {
        await this.#progressDeletions(account);
        await this.#progressFlattening(account);
      },
      onOpened: () => log.info({ account: name }, "the account's opening balances are in the journal"),
    });
    this.#accounts.set(name, account);
    this.#runners.set(name, runner);
  }

  #settlementWorld({ accountUid, endedMessage }: Account): Omit<SettlementWorld, "inFlight"> {
    const strategies = this.#registry.ofAccount(accountUid);
    const uids = (list: readonly Strategy[]): Set<string> => new Set(list.map(({ uid }) => uid));
    const deleted = strategies.filter(({ deletion }) => deletion !== undefined);
    // At the end of its market nothing is sold any more.
    const isSold = ({ deletion }: Strategy): boolean => deletion === "Flatten" && endedMessage === undefined;
    return {
      // A policy that has not been read yet allows nothing new, but is no order to take working orders back: every restart would.
      halted: this.#desk.journalHalt?.state === "Halted" || (this.#policy !== undefined && this.trading().state === "Halted"),
      flattening: this.#isFlattening(),
      suspended: uids(strategies.filter(({ suspended }) => suspended)),
      sold: uids(deleted.filter(isSold)),
      deleted: uids(deleted.filter((strategy) => !isSold(strategy))),
    };
  }

  async #progressDeletions(account: Account): Promise<void> {
    for (const { uid, deletion } of this.#registry.ofAccount(account.accountUid)) {
      if (!deletion || !this.#policy) continue;
      const orders = await progressDeletion(uid, { ...this.#decideContext(account), attempts: this.#deletionAttempts });
      await this.#dispatchAll(account, orders);
    }
  }

  /** A breaker asks for everything to be sold, and no person has stopped trading altogether. */
  #isFlattening(): boolean {
    return this.#watch.stop?.action === "Flatten" && this.#policy !== undefined && this.#tradingByPeople().state !== "Halted";
  }

  async #progressFlattening(account: Account): Promise<void> {
    // Whoever sells everything must know tomorrow why: after a crash an armed breaker would let the strategy buy it all back.
    await this.#watch.storeTrips();
    if (!this.#isFlattening()) {
      if (this.#watch.stop?.action !== "Flatten") this.#flattenAttempts.clear();
      return;
    }
    const trading = (): TradingCondition => this.#tradingByPeople();
    const context = { ...this.#decideContext(account), trading: trading() };
    const orders = await flattenAccount(account, this.#flattenAttempts, context);
    await this.#dispatchAll(account, orders, trading);
  }

  async #dispatchAll(
    account: Account,
    orders: readonly CommittedOrder[],
    trading: () => TradingCondition = () => this.trading(),
  ): Promise<void> {
    const { signer, clock, log, failPoints, metrics } = this.#options;
    const context = { signer, epoch: this.epoch, clock, log, failPoints, trading };
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

  #onChanges(accountName: string, changes: { fills: readonly BookFill[]; orders: readonly BookOrder[] }): void {
    this.#publish(accountName, changes);
    const account = this.#accounts.get(accountName);
    if (account) this.#watch.onChanges(account, changes);
  }

  #publish(accountName: string, { fills, orders }: { fills: readonly BookFill[]; orders: readonly BookOrder[] }): void {
    const { hub } = this.#options;
    for (const fill of fills) hub.publish(fill.subAccount, { event: "fill", data: fillView(fill, accountName) });
    for (const order of orders) hub.publish(order.strategyUid, { event: "order", data: orderView(order) });
  }

  /** Twice a second: the journal's halt, which a person may set by hand, breakers, alerts and figures. */
  async #watchPortfolio(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(portfolioEveryMs, signal).catch(() => undefined);
      if (signal.aborted || !this.#options.database.available) continue;
      try {
        await this.lookAtPolicy();
      } catch (error) {
        log.warn({ err: messageOf(error) }, "halt, breakers or alerts could not be read or stored");
      }
    }
  }

  async #prune(nowMs: number): Promise<void> {
    if (nowMs - this.#prunedMs < pruneEveryMs) return;
    this.#prunedMs = nowMs;
    for (const { uid } of this.#registry.all()) await this.#write((transaction) => pruneDecisions(transaction, uid));
  }

  /** One look at the policy as a whole. @throws CodedError JOURNAL_UNAVAILABLE, EPOCH_LOST */
  async lookAtPolicy(): Promise<void> {
    await this.#desk.readHalt();
    await this.#watch.tick();
    await this.#desk.obeyAnnotation(this.#policy?.resetAnnotation);
    if (this.#policy) this.#showFigures();
    await this.#options.alerts?.look({
      strategies: this.#registry
        .all()
        .map((strategy) => this.#sights.of(strategy, this.#accountOf(strategy), this.#policy?.baseCurrency)),
      breakers: this.#watch.views(),
      controlEvents: this.#desk.events,
    });
    await this.#prune(this.#options.clock.nowMs());
  }

  #showFigures(): void {
    const { metrics, hub } = this.#options;
    if (!this.accounts.every(({ opened }) => opened)) return;
    const view = this.portfolio();
    const { dayStartEquity } = this.#watch.references;
    metrics.portfolio({
      equity: Number(view.equity),
      drawdownRatio: Number(view.drawdownRatio),
      openOrders: this.accounts.reduce((sum, { book }) => sum + book.openOrders().length, 0),
      riskScore: view.riskScore,
      dailyLossRatio: decimalToNumber(dailyLossOf(parseDecimal(view.equity), dayStartEquity)),
      heldAccounts: this.accounts.filter(({ heldMessage }) => heldMessage !== undefined).length,
    });
    metrics.breakers(this.#watch.views());
    hub.publishEquity(equityEventOf(view, this.#options.clock.nowMs()));
  }

  /** A transaction under the policy's writer epoch. @throws CodedError JOURNAL_UNAVAILABLE, EPOCH_LOST */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#write(work);
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
        this.#watch.references,
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
      venue: {
        reachable: account.venueReachable && account.compared,
        message: account.venueReachable ? "it has not told what the account holds yet" : account.venueCheck().message,
      },
      endedMessage: account.endedMessage,
    });
  }

  #readiness(account: Account): { ready: boolean; message: string } {
    const venue = account.venueCheck();
    if (!this.#options.database.available) return { ready: false, message: "Postgres does not answer." };
    if (account.heldMessage !== undefined) return { ready: false, message: account.heldMessage };
    if (!venue.ok) return { ready: false, message: `The broker cannot be reached: ${venue.message}.` };
    if (!account.hasVenueRecords) return { ready: false, message: "The broker has not opened its tables to risk yet." };
    const { feed, venue: atVenue } = account.venueState ?? {};
    // What a person has to mend there, such as a key that is missing, before what waits for it.
    if (atVenue?.accepts === "none") return { ready: false, message: atVenue.message };
    if (!account.opened) return { ready: false, message: "The opening balances have not been read from the venue yet." };
    if (feed?.state === "failed") return { ready: false, message: `The market feed has failed: ${feed.message}` };
    if (feed && feed.state !== "running") return { ready: true, message: `The market feed is ${feed.state}: ${feed.message}` };
    return { ready: true, message: "" };
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
