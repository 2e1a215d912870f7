import {
  add,
  decimalFromNumber,
  floorToStep,
  formatDecimal,
  multiply,
  ONE,
  parseDecimal,
  subtract,
  ZERO,
  type Decimal,
} from "../decimal.ts";
import type { SizedOrder } from "../rules/rule.ts";
import { describeDenial, type Denial } from "../rules/verdict.ts";
import { entryCap } from "../sizing/entry-cap.ts";
import { yearlyVolatility } from "../sizing/volatility.ts";
import { intentSizeFrom, sizeOrder, type OrderSize, type SizingIntent } from "../sizing/size-order.ts";
import { sizeReplace, type ReplaceChange } from "../sizing/size-replace.ts";
import { observePrice, stepVenue } from "../venue/paper-venue.ts";
import {
  emptyVenue,
  isLive,
  type EndReason,
  type OrderRequest,
  type PaperCommand,
  type PaperEvent,
  type PaperVenueConfig,
  type PaperVenueState,
  type VenueFill,
  type VenueOrder,
} from "../venue/paper-state.ts";
import type { Intent } from "../wire/intents.ts";
import type { BacktestAccount } from "./backtest-account.ts";
import type { PreparedBacktest } from "./backtest-options.ts";
import { cancelLine, endLine, fillLine, intentLine, replaceLine, type DecisionLog } from "./decision-log.ts";
import type { CancelAction, ProgramActions, ReplaceAction } from "./program-actions.ts";
import type { DecisionEvents } from "./program-host.ts";
import type { ProgramFill, ProgramRejection } from "./program.ts";

/** One execution in a result. Money as decimal text, `time` in epoch milliseconds (the opening of the bar it filled in). */
export interface BacktestFill {
  readonly time: number;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: string;
  readonly price: string;
  readonly fee: string;
}

/** A backtest has one strategy; the venue keeps owners apart by this name. */
const OWNER = "backtest";

/** Risk and broker of a backtest: judges what the program asks for and lets the paper venue have what passes. */
export class BacktestBroker {
  readonly fills: BacktestFill[] = [];
  readonly #prepared: PreparedBacktest;
  readonly #account: BacktestAccount;
  readonly #log: DecisionLog;
  #venue: PaperVenueState = emptyVenue();
  /** Venue bars before this one have been met. */
  #venueNext: number;
  /** Of the bar that is decided on. */
  #index = 0;
  /** Told of every order that the venue has taken or refused. */
  onVenueAnswer: ((rejected: boolean) => void) | undefined;
  #newFills: ProgramFill[] = [];
  #newRejections: ProgramRejection[] = [];

  constructor(prepared: PreparedBacktest, { account, log }: { account: BacktestAccount; log: DecisionLog }) {
    this.#prepared = prepared;
    this.#account = account;
    this.#log = log;
    this.#venueNext = prepared.venueBegin;
  }

  /** Puts the starting balances into account and venue; the starting equity, base units valued at the first open. */
  deposit(): Decimal {
    const { terms, decided, balances } = this.#prepared;
    const price = decimalFromNumber(decided.open[0] ?? 0);
    let equity = ZERO;
    for (const { asset, amount } of balances) {
      this.#venue = stepVenue(this.#venue, { type: "deposit", asset, amount }, this.#prepared.venueConfig).state;
      if (asset === terms.quote) this.#account.book({ kind: "transfer", asset, amount });
      else {
        const { symbol: market, base, quote } = terms;
        this.#account.book({ kind: "position", market, base, quote, quantity: amount, price });
      }
      equity = add(equity, asset === terms.quote ? amount : multiply(amount, price, "down"));
    }
    return equity;
  }

  get hasEvents(): boolean {
    return this.#newFills.length > 0 || this.#newRejections.length > 0;
  }

  takeEvents(): DecisionEvents {
    const events = { fills: this.#newFills, rejections: this.#newRejections };
    this.#newFills = [];
    this.#newRejections = [];
    return events;
  }

  /** Lets the venue's bars up to the close of decided bar `index` meet the resting orders. Without orders bars change nothing. */
  fillUpTo(index: number): void {
    const { venueEnds, venueBars } = this.#prepared;
    const end = venueEnds === undefined ? index + 1 : (venueEnds[index] ?? 0);
    for (let at = this.#venueNext; at < end && this.#account.hasOrders; at++) {
      const cell = (column: Float64Array) => column[at] ?? Number.NaN;
      const { time, open, high, low, close, volume } = venueBars;
      const bar = {
        time: cell(time),
        open: cell(open),
        high: cell(high),
        low: cell(low),
        close: cell(close),
        volume: cell(volume),
      };
      this.#command({ type: "bar", market: this.#prepared.terms.symbol, bar });
    }
    this.#venueNext = end;
  }

  /** Judges one decision's actions in the order the program asked for them. */
  act({ intents, cancels, replaces }: ProgramActions, closeMs: number, index: number): void {
    const { venueEnds, terms, decided } = this.#prepared;
    this.#account.judgeAt(closeMs);
    this.#index = index;
    this.#venueNext = venueEnds === undefined ? index + 1 : (venueEnds[index] ?? 0);
    this.#venue = observePrice(this.#venue, { market: terms.symbol, time: closeMs, close: decided.close[index] ?? 0 });
    if (cancels.length === 0 && replaces.length === 0) {
      for (const intent of intents) this.#intend(intent, closeMs);
      return;
    }
    const actions = [
      ...intents.map((intent) => ({ ordinal: intent.ordinal, run: () => this.#intend(intent, closeMs) })),
      ...cancels.map((cancel) => ({ ordinal: cancel.ordinal, run: () => this.#cancel(cancel, closeMs) })),
      ...replaces.map((replace) => ({ ordinal: replace.ordinal, run: () => this.#replace(replace, closeMs) })),
    ];
    actions.sort((left, right) => left.ordinal - right.ordinal);
    for (const { run } of actions) run();
  }

  #intend(intent: Intent, closeMs: number): void {
    const sizing = sizingIntent(intent);
    const outcome = this.#judge(sizing);
    this.#log.write(intentLine(closeMs, intent, outcome));
    if (!outcome.allowed) {
      this.#reject(intent, closeMs, { reason: outcome.reason, message: describeDenial(outcome) });
      return;
    }
    this.#account.countOrder();
    const request = orderRequestOf({ intent, sizing, outcome }, closeMs);
    for (const event of this.#step({ type: "place", request, at: closeMs })) {
      if (event.type === "order") this.#account.keep(event.order, outcome.reservation);
      if (event.type === "order") this.onVenueAnswer?.(false);
      if (event.type === "refused") this.#refused(intent, closeMs, event);
    }
  }

  #judge(intent: SizingIntent): OrderSize | Denial {
    const { terms, costs } = this.#prepared;
    const outcome = sizeOrder(intent, this.#account, { terms, costs, cap: this.#entryCap(intent) });
    if (!outcome.allowed) return outcome;
    const { market, side } = intent;
    const order: SizedOrder = {
      market,
      side,
      quantity: outcome.quantity,
      notional: outcome.notional,
      reduceOnly: side === "sell",
    };
    const verdict = this.#prepared.rules(order, this.#account);
    return verdict.allowed ? outcome : verdict;
  }

  /** What `sizing` lets an entry be worth; undefined without it, and for exits. */
  #entryCap({ side, market }: SizingIntent): Decimal | undefined {
    const { sizing, decided, stepMs, costs, limits } = this.#prepared;
    if (sizing === undefined || side === "sell") return undefined;
    const closes = decided.close.subarray(Math.max(0, this.#index - sizing.lookbackBars), this.#index + 1);
    const { positionNotional, workingBuysNotional } = this.#account.exposure();
    const { policy } = this.#account;
    const there = policy.exposure(market);
    return entryCap(sizing, {
      equity: this.#account.equity,
      exposure: add(positionNotional, workingBuysNotional),
      policyExposure: add(there.positionNotional, there.workingBuysNotional),
      policyEquity: policy.equity,
      maxConcentration: limits.maxTokenConcentrationRatio,
      volatility: yearlyVolatility(closes, stepMs),
      costs,
    }).cap;
  }

  /** A stop: entries that still wait are taken back; with `everything` the legs, too. */
  cancelResting(closeMs: number, everything: boolean): void {
    for (const { request, state } of this.#account.resting) {
      const { clientOrderId } = request;
      if (state === "Working" && (everything || request.side === "buy"))
        this.#command({ type: "cancel", clientOrderId, at: closeMs });
      if (everything && this.#account.find(clientOrderId) !== undefined)
        this.#command({ type: "cancel", clientOrderId, at: closeMs });
    }
  }

  /** Sells everything at the next open, or nothing where that is below the limit that `slippage` makes of the last close. */
  flatten(closeMs: number, index: number, slippage: Decimal): void {
    const { terms, venueEnds, decided } = this.#prepared;
    this.#venueNext = venueEnds === undefined ? index + 1 : (venueEnds[index] ?? 0);
    const { symbol: market, quantityStep, priceStep, minQuantity } = terms;
    const quantity = floorToStep(subtract(this.#account.held, this.#account.workingSells), quantityStep);
    if (quantity <= 0n || (minQuantity !== undefined && quantity < minQuantity)) return;
    const close = decimalFromNumber(decided.close[index] ?? 0);
    const limit = floorToStep(multiply(close, subtract(ONE, slippage), "down"), priceStep);
    this.#log.write(`flatten ${closeMs} ${formatDecimal(quantity)} limit=${formatDecimal(limit)}`);
    const request: OrderRequest = {
      clientOrderId: `${closeMs}/flatten`,
      owner: OWNER,
      market,
      side: "sell",
      type: "limit",
      quantity,
      limit,
      timeInForce: "IOC",
      stopLoss: undefined,
      takeProfit: undefined,
      maxCost: undefined,
      reduceOnly: true,
      decisionTime: closeMs,
      expiresAt: undefined,
    };
    for (const event of this.#step({ type: "place", request, at: closeMs })) {
      if (event.type === "order") this.#account.keep(event.order, ZERO);
    }
  }

  #cancel(action: CancelAction, closeMs: number): void {
    const { clientOrderId } = action;
    const known = this.#account.find(clientOrderId) !== undefined;
    this.#log.write(cancelLine(closeMs, action, known ? undefined : { allowed: false, reason: "ORDER_UNKNOWN", clientOrderId }));
    if (known) this.#command({ type: "cancel", clientOrderId, at: closeMs });
  }

  #replace(action: ReplaceAction, closeMs: number): void {
    const { clientOrderId } = action;
    const order = this.#account.find(clientOrderId);
    const denial: Denial | undefined =
      order === undefined ? { allowed: false, reason: "ORDER_UNKNOWN", clientOrderId } : this.#tryReplace(action, order, closeMs);
    this.#log.write(replaceLine(closeMs, action, denial));
    if (denial === undefined) return;
    const about = { ordinal: action.ordinal, market: this.#prepared.terms.symbol, side: order?.request.side ?? "buy" };
    this.#reject(about, closeMs, { reason: denial.reason, message: describeDenial(denial) });
  }

  #tryReplace(action: ReplaceAction, order: VenueOrder, closeMs: number): Denial | undefined {
    const { clientOrderId } = action;
    const change = replaceChange(action);
    const signalPrice = decimalFromNumber(this.#venue.lastPrices[order.request.market] ?? 0);
    const { market, side, quantity, limit } = order.request;
    const working = order.state === "Working";
    const replaced = { market, side, quantity, limit, filled: order.filled, spent: order.spent, working };
    const outcome = this.#account.without(clientOrderId, () => {
      const size = sizeReplace({ order: replaced, change, signalPrice }, this.#account, this.#prepared);
      if (!size.allowed || !working) return size;
      const sized = { market, side, quantity: size.remaining, notional: size.notional, reduceOnly: side === "sell" };
      const verdict = this.#prepared.rules(sized, this.#account);
      return verdict.allowed ? size : verdict;
    });
    if (!outcome.allowed) return outcome;
    const full = outcome.maxCost === undefined ? change : { ...change, maxCost: outcome.maxCost };
    for (const event of this.#step({ type: "replace", clientOrderId, change: full, at: closeMs })) {
      if (event.type === "refused") return { allowed: false, reason: "ORDER_INVALID", message: event.message };
      if (event.type === "order" && isLive(event.order)) this.#account.keep(event.order, outcome.reservation);
      if (event.type === "order" && !isLive(event.order)) this.#account.drop(clientOrderId);
    }
    return undefined;
  }

  #step(command: PaperCommand): readonly PaperEvent[] {
    const { state, events } = stepVenue(this.#venue, command, this.#configFor(command));
    this.#venue = state;
    return events;
  }

  /** Only bars fill, so only they meet a fee spike. */
  #configFor(command: PaperCommand): PaperVenueConfig {
    const { venueConfig, venueSpikes } = this.#prepared;
    if (venueSpikes.length === 0 || command.type !== "bar") return venueConfig;
    const { time } = command.bar;
    return venueSpikes.find(({ fromMs, toMs }) => time >= fromMs && time < toMs)?.config ?? venueConfig;
  }

  #command(command: PaperCommand): void {
    for (const event of this.#step(command)) {
      if (event.type === "fill") this.#booked(event.fill);
      if (event.type === "order") this.#changed(event.order, event.at, event.reason);
    }
  }

  #booked(fill: VenueFill): void {
    this.#account.bookFill(fill);
    const text = { quantity: formatDecimal(fill.quantity), price: formatDecimal(fill.price), fee: formatDecimal(fill.fee) };
    this.#log.write(fillLine(fill, text));
    const { time, market, side, clientOrderId: orderId, tradeId, feeAsset, leg } = fill;
    this.fills.push({ time, market, side, ...text });
    if (this.#prepared.options.program.onFill !== undefined) {
      this.#newFills.push({ orderId, tradeId, market, side, ...text, feeAsset, time, leg });
    }
  }

  #changed(order: VenueOrder, at: number, reason: EndReason | undefined): void {
    if (isLive(order)) this.#account.keep(order);
    else this.#account.drop(order.request.clientOrderId);
    if (reason === undefined) return;
    this.#log.write(endLine(at, order, reason));
    if (order.state !== "Rejected") return;
    this.onVenueAnswer?.(true);
    const { clientOrderId, market, side, decisionTime } = order.request;
    const ordinal = Number(clientOrderId.slice(clientOrderId.lastIndexOf("/") + 1));
    this.#reject({ ordinal, market, side }, decisionTime, { reason, message: `the venue ended the order: ${reason}` });
  }

  #refused(intent: Intent, closeMs: number, { reason, message }: Extract<PaperEvent, { type: "refused" }>): void {
    this.onVenueAnswer?.(true);
    this.#log.write(`refused ${closeMs} ${intent.ordinal} ${reason} ${message}`);
    this.#reject(intent, closeMs, { reason, message });
  }

  #reject(
    { ordinal, market, side }: Pick<ProgramRejection, "ordinal" | "market" | "side">,
    decisionTime: number,
    why: { readonly reason: string; readonly message: string },
  ): void {
    if (this.#prepared.options.program.onReject === undefined) return;
    this.#newRejections.push({ decisionTime, ordinal, market, side, ...why });
  }
}

function optional(text: string | undefined): Decimal | undefined {
  return text === undefined ? undefined : parseDecimal(text);
}

function sizingIntent(intent: Intent): SizingIntent {
  const { market, side, limit, stopLoss, takeProfit, timeInForce, signalPrice, size } = intent;
  return {
    market,
    side,
    size: intentSizeFrom(size),
    limit: optional(limit),
    stopLoss: optional(stopLoss),
    takeProfit: optional(takeProfit),
    timeInForce: timeInForce ?? "GTC",
    signalPrice: parseDecimal(signalPrice),
  };
}

function orderRequestOf(
  { intent, sizing, outcome }: { intent: Intent; sizing: SizingIntent; outcome: OrderSize },
  closeMs: number,
): OrderRequest {
  const { market, side, limit, stopLoss, takeProfit, timeInForce } = sizing;
  return {
    // A backtest's ids never reach a venue outside this process: the intent's own name is enough, and cheaper than a digest.
    clientOrderId: `${closeMs}/${intent.ordinal}`,
    owner: OWNER,
    market,
    side,
    type: limit === undefined ? "market" : "limit",
    quantity: outcome.quantity,
    limit,
    timeInForce,
    stopLoss,
    takeProfit,
    maxCost: outcome.maxCost,
    reduceOnly: side === "sell",
    decisionTime: closeMs,
    expiresAt: intent.expiresAfterMs === undefined ? undefined : closeMs + intent.expiresAfterMs,
  };
}

function replaceChange({ quantity, limit, stopLoss, takeProfit }: ReplaceAction): ReplaceChange {
  return {
    ...(quantity !== undefined && { quantity: parseDecimal(quantity) }),
    ...(limit !== undefined && { limit: parseDecimal(limit) }),
    ...(stopLoss !== undefined && { stopLoss: parseDecimal(stopLoss) }),
    ...(takeProfit !== undefined && { takeProfit: parseDecimal(takeProfit) }),
  };
}
