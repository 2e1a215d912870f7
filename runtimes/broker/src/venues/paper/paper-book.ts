import { CodedError } from "@bellwether/service-kit";
import {
  type MarketRules,
  type MarketTerms,
  type PaperCommand,
  type PaperEvent,
  type PaperVenueConfig,
  type PaperVenueState,
  type VenueOrder as PaperOrder,
  type WireBar,
  emptyVenue,
  formatDecimal,
  marketTerms,
  orderRequest,
  parseCanonicalOrder,
  parseDecimal,
  parseVenue,
  restingLegs,
  serialiseVenue,
  stepVenue,
  tradingCosts,
  wireFill,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import type { VenueOrder, VenueTrade } from "../venue.ts";

/** What trading costs on this account. Changing it takes effect at the next start; what has happened stays as it was. */
export interface PaperSettings {
  readonly feeBps: string;
  readonly slippageBps: string;
  readonly volumeShare: string;
  readonly volumeUnit: "Base" | "Quote";
}

/** What is written to the log, one frame for all that belongs together. `order` is canonical text, `at` market time. */
export type StoredCommand =
  | { readonly type: "market"; readonly rules: MarketRules }
  | { readonly type: "deposit"; readonly asset: string; readonly amount: string }
  /** `sentAt`: the request's time stamp, wall time. */
  | { readonly type: "place"; readonly order: string; readonly at: number; readonly sentAt: number }
  | { readonly type: "cancel"; readonly clientOrderId: string; readonly at: number }
  | { readonly type: "bar"; readonly market: string; readonly bar: WireBar };

/** An order and its trades, as long as the venue remembers them. */
interface HistoryEntry {
  readonly order: VenueOrder;
  readonly live: boolean;
  readonly sentAt: number;
  readonly trades: readonly VenueTrade[];
}

interface Snapshot {
  readonly format: "bellwether-paper-account/1";
  readonly accountUid: string;
  readonly settings: PaperSettings;
  readonly markets: readonly MarketRules[];
  readonly venue: string;
  readonly history: readonly HistoryEntry[];
  readonly processed: Readonly<Record<string, number>>;
  readonly forgottenUntil: number;
}

/** Ended orders beyond this are forgotten, oldest first, as exchanges do. */
const rememberedOrders = 2_000;

export interface Applied {
  readonly events: readonly PaperEvent[];
  /** Client order ids of orders that changed. */
  readonly changed: readonly string[];
}

/**
 * The paper account in memory: the pure venue, and beside it what an exchange remembers of ended orders. Deterministic: the same commands
 * lead to the same book, which is how a restart gets it back.
 */
export class PaperBook {
  readonly #accountUid: string;
  readonly #account: string;
  readonly #history = new Map<string, HistoryEntry>();
  readonly #markets = new Map<string, MarketRules>();
  readonly #terms = new Map<string, MarketTerms>();
  readonly #processed = new Map<string, number>();
  #settings: PaperSettings;
  #forgottenUntil = 0;
  #state: PaperVenueState = emptyVenue();

  constructor(options: { accountUid: string; account: string; settings: PaperSettings }) {
    this.#accountUid = options.accountUid;
    this.#account = options.account;
    this.#settings = options.settings;
  }

  /** @throws CodedError PAPER_STATE_CHANGED when the snapshot is another account's */
  static restore(text: string, options: { accountUid: string; account: string }): PaperBook {
    const snapshot = JSON.parse(text) as Snapshot;
    if (snapshot.format !== "bellwether-paper-account/1" || snapshot.accountUid !== options.accountUid) {
      throw new CodedError<BrokerErrorCode>(
        "PAPER_STATE_CHANGED",
        `the volume holds the state of account ${snapshot.accountUid}`,
        {
          context: { accountUid: options.accountUid, found: snapshot.accountUid },
        },
      );
    }
    const book = new PaperBook({ ...options, settings: snapshot.settings });
    book.#state = parseVenue(snapshot.venue);
    for (const rules of snapshot.markets) book.#learn(rules);
    for (const entry of snapshot.history) book.#history.set(entry.order.clientOrderId, entry);
    for (const [market, time] of Object.entries(snapshot.processed)) book.#processed.set(market, time);
    book.#forgottenUntil = snapshot.forgottenUntil;
    return book;
  }

  snapshot(): string {
    const snapshot: Snapshot = {
      format: "bellwether-paper-account/1",
      accountUid: this.#accountUid,
      settings: this.#settings,
      markets: [...this.#markets.values()],
      venue: serialiseVenue(this.#state),
      history: [...this.#history.values()],
      processed: Object.fromEntries(this.#processed),
      forgottenUntil: this.#forgottenUntil,
    };
    return JSON.stringify(snapshot);
  }

  /** Between two generations of the log only: commands are replayed under the settings they were taken under. */
  changeSettings(settings: PaperSettings): void {
    this.#settings = settings;
  }

  get marketTime(): number {
    return this.#state.marketTime;
  }

  get balances(): readonly { asset: string; free: string; locked: string }[] {
    return Object.entries(this.#state.balances).map(([asset, amount]) => ({ asset, free: formatDecimal(amount), locked: "0" }));
  }

  rules(symbol: string): MarketRules | undefined {
    return this.#markets.get(symbol);
  }

  order(clientOrderId: string): VenueOrder | undefined {
    return this.#history.get(clientOrderId)?.order;
  }

  tradesOf(clientOrderId: string): readonly VenueTrade[] {
    return this.#history.get(clientOrderId)?.trades ?? [];
  }

  tradesSince(sinceMs: number): readonly VenueTrade[] {
    return [...this.#history.values()].flatMap((entry) => entry.trades.filter((trade) => trade.time >= sinceMs));
  }

  openOrders(): readonly VenueOrder[] {
    return this.#state.orders.map((order) => reportOf(order, undefined));
  }

  /** Time stamp of the youngest request whose order has been forgotten. */
  get forgottenUntil(): number {
    return this.#forgottenUntil;
  }

  waitingMarkets(): readonly string[] {
    return [...new Set(this.#state.orders.map((order) => order.request.market))];
  }

  hasOrders(market: string): boolean {
    return this.#state.orders.some((order) => order.request.market === market);
  }

  /** Opening time of the last bar of the market that the book has met. */
  processedUntil(market: string): number | undefined {
    return this.#processed.get(market);
  }

  /** What the commands would do, without doing it. */
  tried(commands: readonly StoredCommand[]): readonly PaperEvent[] {
    return this.#stepped(commands).events;
  }

  apply(commands: readonly StoredCommand[]): Applied {
    for (const command of commands) if (command.type === "market") this.#learn(command.rules);
    const { state, events } = this.#stepped(commands);
    this.#state = state;
    for (const command of commands) if (command.type === "bar") this.#processed.set(command.market, command.bar.time);
    const changed = new Set<string>();
    const sentAt = commands.reduce((latest, command) => (command.type === "place" ? command.sentAt : latest), 0);
    for (const event of events) this.#remember(event, { changed, sentAt });
    this.#forget();
    return { events, changed: [...changed] };
  }

  #stepped(commands: readonly StoredCommand[]): { state: PaperVenueState; events: readonly PaperEvent[] } {
    const config = this.#config(commands);
    let state = this.#state;
    const events: PaperEvent[] = [];
    for (const command of commands) {
      const parsed = paperCommand(command);
      if (!parsed) continue;
      const step = stepVenue(state, parsed, config);
      state = step.state;
      events.push(...step.events);
    }
    return { state, events };
  }

  #config(commands: readonly StoredCommand[]): PaperVenueConfig {
    const { feeBps, slippageBps, volumeShare, volumeUnit } = this.#settings;
    let markets: ReadonlyMap<string, MarketTerms> = this.#terms;
    for (const command of commands) {
      if (command.type === "market") markets = new Map(markets).set(command.rules.symbol, marketTerms(command.rules));
    }
    return { markets, costs: tradingCosts({ feeBps, slippageBps }), volumeShare: parseDecimal(volumeShare), volumeUnit };
  }

  #learn(rules: MarketRules): void {
    this.#markets.set(rules.symbol, rules);
    this.#terms.set(rules.symbol, marketTerms(rules));
  }

  #remember(event: PaperEvent, { changed, sentAt }: { changed: Set<string>; sentAt: number }): void {
    if (event.type === "refused") return;
    if (event.type === "fill") {
      const { account: _account, ...trade } = wireFill(event.fill, this.#account);
      const entry = this.#history.get(trade.clientOrderId);
      if (!entry) throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "the venue has filled an order it never took");
      this.#history.set(trade.clientOrderId, { ...entry, trades: [...entry.trades, trade] });
      changed.add(trade.clientOrderId);
      return;
    }
    const { clientOrderId } = event.order.request;
    const known = this.#history.get(clientOrderId);
    const order = reportOf(event.order, event.reason ?? known?.order.reason);
    const live = event.order.state === "Working" || event.order.protected > 0n;
    // Last changed, last forgotten.
    this.#history.delete(clientOrderId);
    this.#history.set(clientOrderId, { order, live, sentAt: known?.sentAt ?? sentAt, trades: known?.trades ?? [] });
    changed.add(clientOrderId);
  }

  #forget(): void {
    if (this.#history.size <= rememberedOrders) return;
    let excess = this.#history.size - rememberedOrders;
    for (const [id, entry] of this.#history) {
      if (excess === 0) return;
      if (entry.live) continue;
      this.#history.delete(id);
      this.#forgottenUntil = Math.max(this.#forgottenUntil, entry.sentAt);
      excess -= 1;
    }
  }
}

function reportOf(order: PaperOrder, reason: string | undefined): VenueOrder {
  const { state } = order;
  if (state !== "Working" && state !== "Filled" && state !== "Cancelled" && state !== "Expired" && state !== "Rejected") {
    throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", `a venue order cannot be ${state}`);
  }
  return {
    clientOrderId: order.request.clientOrderId,
    venueOrderId: order.venueOrderId,
    state,
    filledQuantity: formatDecimal(order.filled),
    protectiveLegs: restingLegs(order),
    ...(reason === undefined ? {} : { reason }),
  };
}

function paperCommand(command: StoredCommand): PaperCommand | undefined {
  switch (command.type) {
    case "market":
      return undefined;
    case "deposit":
      return { type: "deposit", asset: command.asset, amount: parseDecimal(command.amount) };
    case "place":
      return { type: "place", request: orderRequest(parseCanonicalOrder(command.order)), at: command.at };
    case "cancel":
    case "bar":
      return command;
  }
}
