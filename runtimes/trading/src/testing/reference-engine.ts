import {
  add,
  decimalFromNumber,
  formatDecimal,
  maximum,
  multiply,
  parseDecimal,
  subtract,
  ZERO,
  type Decimal,
} from "../decimal.ts";
import { barAt } from "../bars/series.ts";
import { prepareBacktest, type BacktestOptions, type PreparedBacktest } from "../engine/backtest-options.ts";
import { BarHistory } from "../engine/bar-history.ts";
import { cancelLine, DecisionLog, endLine, fillLine, intentLine } from "../engine/decision-log.ts";
import { ProgramHost } from "../engine/program-host.ts";
import type { ProgramFill, ProgramOrder, ProgramRejection } from "../engine/program.ts";
import type { JournalEntry } from "../portfolio/entries.ts";
import { foldEntries, type SubAccount } from "../portfolio/sub-account.ts";
import { markToMarket, averagePriceOf } from "../portfolio/valuation.ts";
import { describeDenial, type Denial } from "../rules/verdict.ts";
import { intentSizeFrom, remainingReservation, sizeOrder, type OrderSize, type SizingIntent } from "../sizing/size-order.ts";
import { stepVenue } from "../venue/paper-venue.ts";
import {
  emptyVenue,
  isLive,
  restingLegs,
  type PaperCommand,
  type PaperVenueState,
  type VenueOrder,
} from "../venue/paper-state.ts";
import type { Intent } from "../wire/intents.ts";

const optional = (text: string | undefined): Decimal | undefined => (text === undefined ? undefined : parseDecimal(text));

/**
 * The backtest as simply as it can be said: no float but the bars, nothing skipped, nothing remembered. Every bar meets the venue,
 * every question folds the whole journal from its beginning, every close is marked exactly. Knows intents and cancels. Slow;
 * for tests only: its log must equal the fast engine's to the byte.
 */
export class ReferenceEngine {
  readonly log = new DecisionLog(true);
  /** Exact equity after every bar. */
  readonly equities: Decimal[] = [];
  readonly #prepared: PreparedBacktest;
  readonly #options: BacktestOptions;
  readonly #journal: JournalEntry[] = [];
  readonly #reservations = new Map<string, Decimal>();
  #venue: PaperVenueState = emptyVenue();
  #close = ZERO;
  #closeMs = 0;
  #peak = ZERO;
  #dayStart = ZERO;
  readonly #orderTimes: number[] = [];
  #fills: ProgramFill[] = [];
  #rejections: ProgramRejection[] = [];

  constructor(options: BacktestOptions) {
    this.#options = options;
    this.#prepared = prepareBacktest(options);
    this.log.write(this.#prepared.header);
  }

  async run(): Promise<string> {
    const { decided, venueBars, venueBegin, venueEnds, stepMs, terms } = this.#prepared;
    this.#deposit();
    const { time: times, open: opens, high: highs, low: lows, close: closes, volume: volumes } = decided;
    const history = BarHistory.over({ times, opens, highs, lows, closes, volumes }, 0);
    const market = { symbol: terms.symbol, timeframe: this.#options.timeframe, timeframeMs: stepMs, history };
    const { program, parameters, seed } = this.#options;
    const host = new ProgramHost({
      program,
      parameters,
      markets: [market],
      account: this.#view(),
      seed,
      state: "",
      log: () => undefined,
    });
    let venueNext = venueBegin;
    for (let index = 0; index < decided.length; index++) {
      const end = venueEnds?.[index] ?? index + 1;
      for (; venueNext < end; venueNext++) this.#step({ type: "bar", market: terms.symbol, bar: barAt(venueBars, venueNext) });
      this.#close = decimalFromNumber(decided.close[index]!);
      history.moveTo(index + 1);
      const closeMs = decided.time[index]! + stepMs;
      const equity = this.#equity();
      const before = this.equities.at(-1) ?? this.#peak;
      // A close at midnight belongs to the day it ends.
      if (index === 0 || Math.ceil(closeMs / 86_400_000) !== Math.ceil(this.#closeMs / 86_400_000)) this.#dayStart = before;
      this.#peak = maximum(this.#peak, equity);
      this.#closeMs = closeMs;
      this.equities.push(equity);
      if (index < (this.#options.warmupBars ?? 0) || this.#options.decides?.(closeMs) === false) continue;
      const events = { fills: this.#fills, rejections: this.#rejections };
      this.#fills = [];
      this.#rejections = [];
      await host.decide(closeMs, [0], events);
      this.#act(host, closeMs);
    }
    this.log.write(
      `final ${formatDecimal(this.#equity())} fees=${formatDecimal(this.#fold().positions[terms.symbol]?.fees ?? ZERO)}`,
    );
    return this.log.sha256();
  }

  #fold(): SubAccount {
    return foldEntries(this.#journal);
  }

  #equity(): Decimal {
    const { quote, symbol } = this.#prepared.terms;
    return markToMarket(this.#fold(), quote, (market) => (market === symbol ? this.#close : undefined)).equity;
  }

  #deposit(): void {
    const { terms, balances, decided } = this.#prepared;
    const { symbol: market, base, quote } = terms;
    const price = decimalFromNumber(decided.open[0]!);
    for (const { asset, amount } of balances)
      this.#peak = add(this.#peak, asset === quote ? amount : multiply(amount, price, "down"));
    for (const { asset, amount } of balances) {
      this.#step({ type: "deposit", asset, amount });
      if (asset === quote) this.#journal.push({ kind: "transfer", asset, amount });
      else this.#journal.push({ kind: "position", market, base, quote, quantity: amount, price });
    }
  }

  #working(): VenueOrder[] {
    return this.#venue.orders.filter((order) => order.state === "Working");
  }

  #reserved(): Decimal {
    let sum = ZERO;
    for (const { request, filled } of this.#working()) {
      const reservation = this.#reservations.get(request.clientOrderId) ?? ZERO;
      if (request.side === "buy") sum = add(sum, remainingReservation(reservation, filled, request.quantity));
    }
    return sum;
  }

  #sizingAccount() {
    const { quote, base } = this.#prepared.terms;
    const { balances } = this.#fold();
    let workingSells = ZERO;
    for (const { request, filled } of this.#working()) {
      if (request.side === "sell") workingSells = add(workingSells, subtract(request.quantity, filled));
    }
    const free = subtract(balances[quote] ?? ZERO, this.#reserved());
    return { equity: this.#equity(), freeCash: free > 0n ? free : ZERO, held: balances[base] ?? ZERO, workingSells };
  }

  #act(host: ProgramHost, closeMs: number): void {
    const { intents, cancels } = host.actions;
    for (const action of [...intents, ...cancels].sort((left, right) => left.ordinal - right.ordinal)) {
      if ("side" in action) this.#intend(action, closeMs);
      else {
        const known = this.#venue.orders.some(({ request }) => request.clientOrderId === action.clientOrderId);
        const { clientOrderId } = action;
        this.log.write(
          cancelLine(closeMs, action, known ? undefined : { allowed: false, reason: "ORDER_UNKNOWN", clientOrderId }),
        );
        if (known) this.#step({ type: "cancel", clientOrderId, at: closeMs });
      }
    }
  }

  #intend(intent: Intent, closeMs: number): void {
    const sizing: SizingIntent = {
      ...intent,
      size: intentSizeFrom(intent.size),
      limit: optional(intent.limit),
      stopLoss: optional(intent.stopLoss),
      takeProfit: optional(intent.takeProfit),
      timeInForce: intent.timeInForce ?? "GTC",
      signalPrice: parseDecimal(intent.signalPrice),
    };
    const outcome = this.#judge(sizing);
    this.log.write(intentLine(closeMs, intent, outcome));
    const { ordinal, market, side } = intent;
    if (!outcome.allowed) {
      this.#rejections.push({
        decisionTime: closeMs,
        ordinal,
        market,
        side,
        reason: outcome.reason,
        message: describeDenial(outcome),
      });
      return;
    }
    this.#orderTimes.push(closeMs);
    const clientOrderId = `${closeMs}/${intent.ordinal}`;
    this.#reservations.set(clientOrderId, outcome.reservation);
    const type = sizing.limit === undefined ? ("market" as const) : ("limit" as const);
    const expiresAt = intent.expiresAfterMs === undefined ? undefined : closeMs + intent.expiresAfterMs;
    const { quantity, maxCost } = outcome;
    const request = {
      ...sizing,
      clientOrderId,
      owner: "backtest",
      type,
      quantity,
      maxCost,
      reduceOnly: side === "sell",
      decisionTime: closeMs,
      expiresAt,
    };
    for (const event of this.#step({ type: "place", request, at: closeMs })) {
      if (event.type !== "refused") continue;
      this.log.write(`refused ${closeMs} ${ordinal} ${event.reason} ${event.message}`);
      this.#rejections.push({ decisionTime: closeMs, ordinal, market, side, reason: event.reason, message: event.message });
    }
  }

  #judge(intent: SizingIntent): OrderSize | Denial {
    const account = this.#sizingAccount();
    const sized = sizeOrder(intent, account, this.#prepared);
    if (!sized.allowed) return sized;
    const { market, side } = intent;
    const exposure = { positionNotional: multiply(account.held, this.#close, "down"), workingBuysNotional: this.#reserved() };
    const view = {
      trading: this.#prepared.trading,
      equity: account.equity,
      exposure: () => exposure,
      openOrders: this.#working().length,
      ordersLastMinute: this.#orderTimes.filter((time) => time > this.#closeMs - 60_000).length,
      policy: {
        equity: account.equity,
        dayStartEquity: this.#dayStart,
        peakEquity: this.#peak,
        exposure: () => exposure,
      },
    };
    const order = { market, side, quantity: sized.quantity, notional: sized.notional, reduceOnly: side === "sell" };
    const verdict = this.#prepared.rules(order, view);
    return verdict.allowed ? sized : verdict;
  }

  #step(command: PaperCommand) {
    const { state, events } = stepVenue(this.#venue, command, this.#prepared.venueConfig);
    this.#venue = state;
    for (const event of events) {
      if (event.type === "fill") {
        const { base, quote } = this.#prepared.terms;
        const { fill } = event;
        this.#journal.push({ kind: "fill", ...fill, base, quote });
        const text = { quantity: formatDecimal(fill.quantity), price: formatDecimal(fill.price), fee: formatDecimal(fill.fee) };
        this.log.write(fillLine(fill, text));
        this.#fills.push({ ...fill, ...text, orderId: fill.clientOrderId });
      }
      if (event.type === "order" && event.reason !== undefined) {
        this.log.write(endLine(event.at, event.order, event.reason));
        const { clientOrderId, market, side, decisionTime } = event.order.request;
        const message = `the venue ended the order: ${event.reason}`;
        const ordinal = Number(clientOrderId.split("/")[1]);
        if (event.order.state === "Rejected")
          this.#rejections.push({ decisionTime, ordinal, market, side, reason: event.reason, message });
      }
    }
    return events;
  }

  #view() {
    const { symbol } = this.#prepared.terms;
    return {
      equity: () => formatDecimal(this.#equity()),
      cash: () => formatDecimal(this.#sizingAccount().freeCash),
      position: () => {
        const position = this.#fold().positions[symbol];
        return {
          quantity: formatDecimal(this.#sizingAccount().held),
          averagePrice: position === undefined ? "0" : formatDecimal(averagePriceOf(position)),
        };
      },
      orders: () => this.#venue.orders.filter(isLive).map(shown),
    };
  }
}

function shown(order: VenueOrder): ProgramOrder {
  const { clientOrderId: id, quantity, limit, stopLoss, takeProfit, expiresAt, market, side, type, decisionTime } = order.request;
  const filledQuantity = formatDecimal(order.filled);
  const prices = Object.entries({ limit, stopLoss, takeProfit }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, formatDecimal(value)]],
  );
  const ends = expiresAt === undefined ? {} : { expiresAt };
  return {
    id,
    market,
    side,
    type,
    quantity: formatDecimal(quantity),
    filledQuantity,
    decisionTime,
    ...Object.fromEntries(prices),
    ...ends,
    protectiveLegs: restingLegs(order),
  };
}
