import { hostname } from "node:os";
import { join } from "node:path";
import { type JournalDatabase, migrate } from "@bellwether/postgres";
import {
  type Check,
  type Clock,
  CodedError,
  Dependency,
  type Logger,
  type Metrics,
  hasCode,
  messageOf,
} from "@bellwether/service-kit";
import type { BrokerAccount, BrokerOrder, WireBar } from "@bellwether/trading";
import type { BrokerService } from "./api.ts";
import { type BrokerConfig, accountUid } from "./config.ts";
import { SendLog, type SendRecord, type SendRecords } from "./durable/send-log.ts";
import type { BrokerErrorCode } from "./errors.ts";
import type { FailPoints } from "./fail-points.ts";
import type { BarsQuery, MarketFeed } from "./feeds/feed.ts";
import { BrokerMetrics } from "./metrics.ts";
import { Journal } from "./journal/journal.ts";
import { brokerSchema } from "./journal/migrations/index.ts";
import { ProtectiveOrders } from "./journal/protective-orders.ts";
import { ApprovalVerifier } from "./orders/approval-verifier.ts";
import { OrderDesk } from "./orders/order-desk.ts";
import { orderFromText } from "./orders/order-checks.ts";
import { RiskWatch } from "./orders/risk-watch.ts";
import type { ReferenceSource } from "./references/reference-source.ts";
import { sayReferences, tellReferences } from "./references/tell-references.ts";
import type { StreamHub } from "./stream-hub.ts";
import type { OpenVenue, Venue } from "./venues/venue.ts";

export interface BrokerOptions {
  readonly config: BrokerConfig;
  readonly openVenue: OpenVenue;
  readonly feed: MarketFeed;
  /** What its prices are checked by. */
  readonly reference?: ReferenceSource;
  readonly database: JournalDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly hub: StreamHub;
  readonly failPoints: FailPoints;
  /** Another broker has taken over this account: the process has to end. */
  onFenced(): void;
  /** Tests put a faulty line between broker and venue here. */
  readonly line?: (venue: Venue) => Venue;
  /** Another place for the send log than a folder of the data volume. */
  readonly openSendLog?: () => Promise<SendRecords>;
}

const sweepEveryMs = 1_000;
const sweepsPerAudit = 30;
const longestFillWaitMs = 1_000;
const retryStartMs = 1_000;
/** Most that an answer tells; the wire's bound. */
const mostForeignTrades = 20;

/**
 * The broker of one account, put together. Starting it, in this order: migrate, take the writer epoch, bring in what only the send log knows,
 * connect to the venue, ask it about every open order, then take orders.
 */
export class Broker implements BrokerService {
  readonly #options: BrokerOptions;
  readonly #journal: Journal;
  readonly #protectiveOrders: ProtectiveOrders;
  readonly #sendLog: SendRecords;
  readonly #venue: Venue;
  readonly #desk: OrderDesk;
  readonly #risk: RiskWatch;
  readonly #recovery: Dependency;
  readonly #volume: Dependency;
  readonly #market: Dependency;
  readonly #agreement: Dependency;
  readonly #approvals: Dependency;
  readonly #heard: Dependency;
  readonly #reference: Dependency;
  #recovered = false;
  /** Settles when all that the venue has hinted at is recorded; never rejects. */
  #refreshing: Promise<unknown> = Promise.resolve();
  #sweeps = 0;
  #stopSweeping: () => void = () => undefined;
  #stopping = false;

  private constructor(options: BrokerOptions, parts: { journal: Journal; sendLog: SendRecords; venue: Venue }) {
    this.#options = options;
    this.#journal = parts.journal;
    this.#protectiveOrders = new ProtectiveOrders(parts.journal, accountUid(options.config));
    this.#sendLog = parts.sendLog;
    this.#venue = options.line?.(parts.venue) ?? parts.venue;
    const { config, clock, feed, failPoints, log, hub } = options;
    const dependency = (name: string, message: string): Dependency => new Dependency(name, () => clock.nowMs(), message);
    this.#recovery = dependency("journal-recovery", "not begun");
    this.#volume = dependency("volume", "not written yet");
    this.#market = dependency("feed", "not begun");
    this.#agreement = dependency("venue-agreement", "not compared yet");
    this.#approvals = dependency("approvals", "none has come yet");
    this.#heard = dependency("risk", "not heard yet");
    this.#reference = dependency("reference-prices", "not read yet");
    this.#risk = new RiskWatch({ clock, silenceMs: config.riskSilenceMs });
    this.#desk = new OrderDesk({
      risk: this.#risk,
      deadManMs: config.deadManMs,
      marketTimeMs: () => feed.marketTimeMs(),
      account: config.account.name,
      hardCaps: config.hardCaps,
      journal: parts.journal,
      protectiveOrders: this.#protectiveOrders,
      sendLog: parts.sendLog,
      venue: this.#venue,
      verifier: new ApprovalVerifier({ keys: parts.journal, policyUid: config.policy.uid, clock }),
      lastPrice: (market) => feed.lastPrice(market),
      follow: (market) => feed.follow(market),
      clock,
      failPoints,
      metrics: new BrokerMetrics(options.metrics, {
        feedState: () => feed.state().state,
        listeners: () => hub.listeners,
        referencesMissing: () => sayReferences(options.reference?.read() ?? []).missing,
      }),
      log,
      publish: (change) => hub.change(change),
    });
    // A hint of the venue; the sweep finds what a lost one leaves.
    this.#venue.onChange((ids) => {
      if (this.#recovered) this.#refreshing = Promise.all([this.#refreshing, this.#desk.refresh(ids)]);
    });
  }

  /** Reads what the volume holds. Postgres is not needed yet. @throws CodedError LOG_CORRUPT, PAPER_STATE_CHANGED */
  static async open(options: BrokerOptions): Promise<Broker> {
    const { config, feed, database, clock, log, failPoints } = options;
    const uid = accountUid(config);
    const journal = new Journal({
      database,
      accountUid: uid,
      account: config.account.name,
      failPoints,
      onFenced: () => options.onFenced(),
    });
    const sendLog = await (options.openSendLog?.() ?? SendLog.open(join(config.dataDirectory, "send-log"), { failPoints }));
    const { dataDirectory } = config;
    const account = config.account.name;
    const venue = await options.openVenue({
      accountUid: uid,
      account,
      dataDirectory,
      feed,
      journal,
      sendLog,
      clock,
      failPoints,
      log,
    });
    return new Broker(options, { journal, sendLog, venue });
  }

  get venue(): Venue {
    return this.#venue;
  }

  /** Takes the account over, again and again until Postgres lets it; then keeps asking the venue about what is open. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.recover();
        break;
      } catch (error) {
        if (!hasCode(error, "JOURNAL_UNAVAILABLE")) throw error;
        this.#recovery.down(error.message);
        log.warn({ err: error }, "the account cannot be taken over yet");
        await clock.sleep(retryStartMs, signal).catch(() => undefined);
      }
    }
    this.#scheduleSweep();
  }

  /** One attempt to take the account over; safe to repeat. @throws CodedError JOURNAL_UNAVAILABLE, MIGRATION_CHANGED, LOG_CORRUPT */
  async recover(): Promise<void> {
    const { database, log } = this.#options;
    await migrate(database, brokerSchema);
    const floors = await this.#epochFloors();
    const epoch = await this.#journal.takeWriterEpoch(`${hostname()}/${process.pid}`, floors.writer);
    if (floors.risk > 0) await this.#journal.raiseRiskEpoch(floors.risk);
    const imported = await this.#importSendLog();
    await this.#sendLog.prune();
    await this.#connectVenue();
    await this.#desk.sweep();
    await this.#desk.audit();
    this.#recovered = true;
    this.#recovery.up(`writer epoch ${epoch}`);
    log.info({ epoch, imported }, "the account is taken over");
  }

  async submit(request: Parameters<BrokerService["submit"]>[0]): Promise<BrokerOrder> {
    this.#requireRecovered();
    return this.#desk.submit(request);
  }

  heard(readsAccount: boolean): void {
    this.#risk.heard(readsAccount);
  }

  async adopt(who: string, reason: string): Promise<{ adopted: number }> {
    this.#requireRecovered();
    return { adopted: await this.#desk.adopt(who, reason) };
  }

  async find(clientOrderId: string): Promise<BrokerOrder> {
    return this.#desk.find(clientOrderId);
  }

  async void(clientOrderId: string, { order, epoch }: Parameters<BrokerService["void"]>[1]): Promise<BrokerOrder> {
    this.#requireRecovered();
    const named = orderFromText(order);
    const { name } = this.#options.config.account;
    if (named.account !== name)
      throw new CodedError<BrokerErrorCode>(
        "ACCOUNT_MISMATCH",
        `the order is for account ${named.account}, this broker is ${name}'s`,
      );
    if (named.clientOrderId === clientOrderId) return this.#desk.void(order, epoch);
    throw new CodedError<BrokerErrorCode>("ORDER_MALFORMED", "the order in the body is not the one in the path", {
      context: { clientOrderId },
    });
  }

  async cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder> {
    this.#requireRecovered();
    return this.#desk.cancel(clientOrderId, legs);
  }

  async account(): Promise<BrokerAccount> {
    const { config, feed, clock, reference } = this.#options;
    const fees = this.#venue.fees?.();
    const { accepts, code, message, clockOffsetMs, answeredAtMs } = this.#venue.health();
    return {
      account: config.account.name,
      kind: this.#venue.kind,
      epoch: this.#journal.writerEpoch,
      marketTime: Math.floor(feed.marketTimeMs()),
      feed: this.#feedState(),
      balances: [...(await this.#venue.balances())],
      markets: [...this.#venue.markets()],
      venue: {
        accepts,
        message: message.slice(0, 500),
        ...(code === undefined ? {} : { code }),
        ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
        ...(answeredAtMs === undefined ? {} : { answeredAt: answeredAtMs }),
      },
      ...(fees === undefined ? {} : { fees }),
      ...tellReferences(reference?.read() ?? [], clock.nowMs()),
      alarms: this.#desk.alarms.recent(clock.nowMs()).map(({ lastAtMs, ...alarm }) => ({ ...alarm, lastAt: lastAtMs })),
      ...this.#foreignTrades(),
      ...(this.#desk.discrepancies.message === undefined ? {} : { discrepancy: this.#desk.discrepancies.message.slice(0, 500) }),
    };
  }

  #foreignTrades(): Pick<BrokerAccount, "foreignTrades"> {
    const found = this.#desk.foreignTrades.found.slice(0, mostForeignTrades);
    if (found.length === 0) return {};
    return {
      foreignTrades: found.map(({ tradeId, market, side, quantity, price, time }) => ({
        tradeId,
        market,
        side,
        quantity,
        price,
        time,
      })),
    };
  }

  /** A market whose venue takes no orders is no market to trade on, whatever its candles do. */
  #feedState(): BrokerAccount["feed"] {
    const { accepts, message } = this.#venue.health();
    const feed = this.#options.feed.state();
    if (accepts === "none" && feed.state !== "failed") return { state: "failed", message: message.slice(0, 500) };
    if (accepts === "reducing" && feed.state === "running") return { state: "stale", message: message.slice(0, 500) };
    return feed;
  }

  async bars(query: BarsQuery): Promise<readonly WireBar[]> {
    const { feed } = this.#options;
    const bars = await feed.bars(query);
    // Whoever has read a market's past wants to hear how it goes on.
    feed.watch(query.market, query.timeframe);
    return bars;
  }

  /** Asks the venue about every order that something may still happen to. */
  async sweep(): Promise<void> {
    await this.#connectVenue();
    await this.#desk.sweep();
    this.#sweeps += 1;
    if (this.#sweeps % sweepsPerAudit === 0) await this.#desk.audit();
  }

  /** Announces bars of a market from now on; a market that cannot be had is left out. */
  watch(market: string, timeframe: string): void {
    try {
      this.#options.feed.watch(market, timeframe);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#options.log.warn({ err: error, market, timeframe }, "these bars cannot be announced");
    }
  }

  /** Runs the market until `signal` aborts. */
  async runFeed(signal: AbortSignal): Promise<void> {
    const { feed, hub, log, reference } = this.#options;
    const { played } = this.#venue;
    await feed.run(
      {
        onBaseBar: async (market, bar) => {
          reference?.onOwnBar(market, bar);
          try {
            await played?.onBar(market, bar);
            await this.#hintsRecorded();
          } catch (error) {
            if (!(error instanceof CodedError)) throw error;
            log.error({ err: error }, "the paper venue could not take a bar");
          }
        },
        onBar: (event) => hub.bar(event),
        onEnd: (message) => hub.end(message),
      },
      { signal, waiting: played?.waitingMarkets() ?? [], resumeAfter: (market) => played?.resumeAfter(market) },
    );
  }

  /** Asks the second source, when there is one, until `signal` aborts. */
  async runReference(signal: AbortSignal): Promise<void> {
    await this.#options.reference?.run(signal);
  }

  /** A bar is announced after the fills it made, so that nobody decides on it with an old position; not waited for when Postgres is away. */
  async #hintsRecorded(): Promise<void> {
    const waited = new AbortController();
    const longest = this.#options.clock.sleep(longestFillWaitMs, waited.signal).catch(() => undefined);
    await Promise.race([this.#refreshing, longest]);
    waited.abort();
  }

  /** Only what a restart can mend: a volume that took a write badly has to be read afresh. */
  live(): readonly Check[] {
    const ok = this.#venue.health().restart !== true && this.#sendLog.healthy;
    return [shown(this.#volume, ok, ok ? "takes writes" : "a write failed: the logs have to be read afresh")];
  }

  /** Whether it can answer at all. A market that stands still belongs to the dependencies: risk has to reach the broker to hear of it, and to sell. */
  ready(): readonly Check[] {
    return [this.#recovery.check(), ...this.live()];
  }

  dependencies(): readonly Check[] {
    const { state, message } = this.#feedState();
    const disagreement = this.#desk.discrepancies.message;
    const [alarm] = this.#desk.alarms.recent(this.#options.clock.nowMs());
    const { reference } = this.#options;
    const second = reference && sayReferences(reference.read());
    return [
      this.#options.database.check(),
      shown(this.#market, state === "running" || state === "ended", message),
      shown(this.#agreement, disagreement === undefined, disagreement ?? "journal and venue agree"),
      shown(
        this.#approvals,
        !alarm,
        alarm ? `${alarm.count} × ${alarm.code}: ${alarm.message}` : "none refused that should not have come",
      ),
      shown(this.#heard, !this.#risk.silent, this.#risk.silent ? "RiskSilent: nothing that adds exposure is sent" : "heard"),
      ...(second ? [shown(this.#reference, second.missing === 0, second.message)] : []),
    ];
  }

  async close(): Promise<void> {
    this.#stopping = true;
    this.#stopSweeping();
    await this.#venue.close();
    await this.#sendLog.close();
  }

  /** What the send log remembers of epochs: a Postgres from an older copy must not issue them again. */
  async #epochFloors(): Promise<{ writer: number; risk: number }> {
    const floors = { writer: 0, risk: 0 };
    for await (const records of this.#sendLog.history()) {
      for (const record of records) {
        floors.writer = Math.max(floors.writer, record.writerEpoch);
        if (record.kind !== "protective") floors.risk = Math.max(floors.risk, record.riskEpoch);
      }
    }
    return floors;
  }

  async #importSendLog(): Promise<number> {
    let imported = 0;
    for await (const records of this.#sendLog.history()) {
      for (const record of records) if (record.kind === "signed") await this.#venue.recall?.(record);
      const ofOrders = records.filter((record) => record.kind !== "signed" && record.kind !== "protective");
      const ids = ofOrders.map((record) => orderFromText(record.order).clientOrderId);
      const missing = await this.#journal.missing(ids);
      for (const [index, record] of ofOrders.entries()) {
        if (!missing.has(ids[index] ?? "")) continue;
        await this.#journal.importSent(record);
        imported += 1;
      }
      imported += await this.#importProtective(records);
    }
    return imported;
  }

  /** Legs whose order nobody knows any more are left for the audit to find. */
  async #importProtective(records: readonly SendRecord[]): Promise<number> {
    const legs = records.filter((record) => record.kind === "protective");
    if (legs.length === 0) return 0;
    const known = await this.#protectiveOrders.known(legs.flatMap((record) => record.legs.map(({ id }) => id)));
    const orphans = await this.#journal.missing(legs.map(({ clientOrderId }) => clientOrderId));
    const lost = legs.filter((record) => !known.has(record.legs[0]?.id ?? "") && !orphans.has(record.clientOrderId));
    for (const record of lost) await this.#protectiveOrders.importSent(record);
    return lost.length;
  }

  /** A venue that is away must not keep the broker from starting: what is known can still be asked for, and the next sweep tries again. */
  async #connectVenue(): Promise<void> {
    try {
      await this.#venue.connect();
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      this.#options.log.warn({ err: error }, "the venue does not answer");
    }
  }

  #scheduleSweep(): void {
    this.#stopSweeping = this.#options.clock.setTimeout(() => {
      void this.sweep()
        .catch((error: unknown) =>
          this.#options.log.warn({ err: error }, `open orders could not be asked about: ${messageOf(error)}`),
        )
        .finally(() => {
          if (!this.#stopping) this.#scheduleSweep();
        });
    }, sweepEveryMs);
  }

  #requireRecovered(): void {
    if (this.#recovered) return;
    throw new CodedError<BrokerErrorCode>("JOURNAL_UNAVAILABLE", "the broker has not taken the account over yet; retry");
  }
}

function shown(dependency: Dependency, ok: boolean, message: string): Check {
  if (ok) dependency.up(message);
  else dependency.down(message);
  return dependency.check();
}
