import {
  type DecisionReply,
  type DecisionRequest,
  type Decimal,
  type Denial,
  type EntryCap,
  type FinalOrder,
  type Intent,
  type Limits,
  type MarketTerms,
  type OrderSize,
  type PolicyView,
  type RiskView,
  type Rule,
  type Sizing,
  type SizingStep,
  type TradingCondition,
  type TradingCosts,
  type Verdict,
  type VerdictStep,
  ZERO,
  add,
  canonicalOrder,
  clientOrderId,
  divide,
  entryCap,
  explainVerdict,
  formatDecimal,
  intentId,
  intentSizeFrom,
  isOpen,
  markToMarket,
  parseDecimal,
  sizeOrder,
  subtract,
  toWireVerdict,
  tradingState as tradingStateRule,
} from "@bellwether/trading";
import { type AccountBook, type BookOrder, baseOf } from "../portfolio/book.ts";
import { accountEquity, assetBalances, assetNotional, marksOf } from "../portfolio/valuation.ts";
import { boundCosts } from "./bound-costs.ts";

type IntentResult = DecisionReply["results"][number];

/** Everything a decision is judged by. Plain data and a book that is only read: the same world gives the same plan. */
export interface DecisionWorld {
  readonly strategy: { readonly uid: string; readonly suspended: boolean; readonly markets: readonly string[] };
  readonly book: AccountBook;
  readonly currency: string;
  readonly costs: TradingCosts;
  readonly rules: Rule;
  readonly limits: Limits;
  readonly sizing: Sizing | undefined;
  /** Yearly, over the sizing's lookback, of a market in the strategy's timeframe; undefined while too few bars are known. */
  readonly volatility: (market: string) => number | undefined;
  /** Whether the venue's fee may be paid now. */
  readonly judgeFee: (reduceOnly: boolean) => Verdict;
  /** All accounts together, and how many orders of this one the last minute saw. */
  readonly policy: PolicyView;
  readonly ordersLastMinute: number;
  readonly trading: TradingCondition;
  readonly terms: (market: string) => MarketTerms | undefined;
  /** Why nothing can be sent at all now, whatever it is. */
  readonly blocked: Denial | undefined;
  readonly marketTime: number;
  /** Orders that `replaces` name, ended ones included. */
  readonly replaced: ReadonlyMap<string, BookOrder>;
}

/** A row of risk.intents. */
export interface PlannedIntent {
  readonly intentId: string;
  readonly ordinal: number;
  readonly kind: "intent" | "cancel" | "replace" | "flatten";
  readonly body: unknown;
  readonly verdict: Verdict;
  readonly result: IntentResult;
  /** How it was judged; absent for cancels and what was refused unseen. */
  readonly reasons?: Reasons;
}

/** A row of risk.orders, and what is signed. */
export interface PlannedOrder {
  readonly order: FinalOrder;
  readonly body: string;
  readonly quantity: Decimal;
  readonly referencePrice: Decimal;
  readonly reservation: Decimal;
  readonly maxCost: Decimal;
}

export interface PlannedCancel {
  readonly clientOrderId: string;
  readonly legs: "entry" | "all";
}

export interface PlannedDecision {
  readonly intents: readonly PlannedIntent[];
  readonly orders: readonly PlannedOrder[];
  readonly cancels: readonly PlannedCancel[];
  /** For risk.intents.judged_with. */
  readonly judgedWith: Readonly<Record<string, string>>;
}

/** An intent on its way to an order. */
interface Candidate {
  readonly kind: "intent" | "replace" | "flatten";
  readonly intent: Intent;
  readonly expiresAt: number | undefined;
  readonly body: unknown;
}

interface Judged {
  readonly candidate: Candidate;
  readonly verdict: Denial | OrderSize;
  readonly reasons: Reasons;
}

/** How a verdict came about, for people who ask why. */
interface Reasons {
  readonly chain: readonly VerdictStep[];
  readonly sizing: readonly SizingStep[];
}

const noReasons: Reasons = Object.freeze({ chain: [], sizing: [] });

/** Sizes, judges and makes final everything one decision asks for. Actions are taken in the order of their ordinals, each seeing those before it. */
export function planDecision(request: DecisionRequest, world: DecisionWorld): PlannedDecision {
  const cancels = request.cancels.map((cancel) => planCancel(request, cancel, world));
  const candidates: (Candidate | { refused: PlannedIntent })[] = [
    ...request.intents.map((intent): Candidate => ({
      kind: "intent",
      intent,
      expiresAt: expiryOf(request, intent),
      body: intent,
    })),
    ...request.replaces.map((replace) => planReplace(request, replace, world)),
  ];
  const refused = candidates.flatMap((entry) => ("refused" in entry ? [entry.refused] : []));
  const wanted = candidates.flatMap((entry) => ("refused" in entry ? [] : [entry]));
  wanted.sort((left, right) => left.intent.ordinal - right.intent.ordinal);
  const { intents, orders } = planOrders(request, wanted, world);
  return {
    intents: [...intents, ...refused, ...cancels.map(({ planned }) => planned)].sort(
      (left, right) => left.ordinal - right.ordinal,
    ),
    orders,
    cancels: cancels.flatMap(({ cancel }) => (cancel ? [cancel] : [])),
    judgedWith: {
      trading: world.trading.state,
      equity: formatDecimal(accountEquity(world.book, world.currency)),
      freeCash: formatDecimal(world.book.freeCash(world.strategy.uid, world.currency)),
      marketTime: String(world.marketTime),
    },
  };
}

/** Sells of everything a deleted strategy holds: judged like its own intents, but neither suspension nor a missing decision stands in the way. */
export function planFlatten(request: DecisionRequest, world: DecisionWorld): PlannedDecision {
  const wanted = request.intents.map((intent): Candidate => ({ kind: "flatten", intent, expiresAt: undefined, body: intent }));
  const judgedWith = { trading: world.trading.state, marketTime: String(world.marketTime) };
  return {
    ...planOrders(request, wanted, { ...world, strategy: { ...world.strategy, suspended: false } }),
    cancels: [],
    judgedWith,
  };
}

function planOrders(
  request: DecisionRequest,
  wanted: readonly Candidate[],
  world: DecisionWorld,
): { intents: PlannedIntent[]; orders: PlannedOrder[] } {
  const judged = judgeAll(wanted, world);
  const sized = judged.flatMap(({ candidate, verdict }) => (verdict.allowed ? [{ candidate, size: verdict }] : []));
  const buys = sized.filter(({ candidate }) => candidate.intent.side === "buy");
  const bounds = boundCosts(
    buys.map(({ candidate, size }) => ({ reservation: size.reservation, limited: candidate.intent.limit !== undefined })),
    world.book.freeCash(world.strategy.uid, world.currency),
  );
  const maxCosts = new Map(buys.map(({ candidate }, index) => [candidate, bounds[index] ?? ZERO]));
  const orders = sized.map(({ candidate, size }) =>
    makeFinal({ request, candidate, size, maxCost: maxCosts.get(candidate) }, world),
  );
  const orderOf = new Map(sized.map(({ candidate }, index) => [candidate, orders[index]]));
  const intents = judged.map(({ candidate, verdict, reasons }) => ({
    ...describe(request, { candidate, verdict, planned: orderOf.get(candidate) }),
    reasons,
  }));
  return { intents, orders };
}

/** What earlier actions of the same decision have claimed. */
interface Claims {
  cash: Decimal;
  openOrders: number;
  readonly buys: Map<string, Decimal>;
  readonly sells: Map<string, Decimal>;
}

function judgeAll(wanted: readonly Candidate[], world: DecisionWorld): Judged[] {
  const claims: Claims = { cash: ZERO, openOrders: 0, buys: new Map(), sells: new Map() };
  return wanted.map((candidate): Judged => {
    const { verdict, reasons } = judge(candidate, world, claims);
    if (verdict.allowed) claim(candidate.intent, verdict, claims);
    return { candidate, verdict, reasons };
  });
}

function claim(intent: Intent, size: OrderSize, claims: Claims): void {
  const table = intent.side === "buy" ? claims.buys : claims.sells;
  const amount = intent.side === "buy" ? size.reservation : size.quantity;
  table.set(intent.market, add(table.get(intent.market) ?? ZERO, amount));
  claims.cash = add(claims.cash, size.reservation);
  claims.openOrders += 1;
}

function judge(candidate: Candidate, world: DecisionWorld, claims: Claims): Omit<Judged, "candidate"> {
  const view = viewOf(world, claims);
  const early = judgeUnsized(candidate, world, view);
  return early ? { verdict: early, reasons: noReasons } : judgeSized(candidate.intent, { world, view, claims });
}

/** What speaks against an intent whatever its size is. */
function judgeUnsized({ intent, expiresAt }: Candidate, world: DecisionWorld, view: RiskView): Denial | undefined {
  const { strategy, marketTime } = world;
  if (strategy.suspended) return { allowed: false, reason: "SUSPENDED" };
  const terms = termsOf(intent, world);
  if (!terms || terms.quote !== world.currency) return { allowed: false, reason: "MARKET_UNKNOWN", market: intent.market };
  const reduceOnly = intent.side === "sell";
  // Before sizing, so that a halted strategy without cash reads HALTED.
  const halted = tradingStateRule({ market: intent.market, side: intent.side, quantity: ZERO, notional: ZERO, reduceOnly }, view);
  if (!halted.allowed) return halted;
  if (world.blocked) return world.blocked;
  const validUntil = Math.min(intent.validUntil, expiresAt ?? intent.validUntil);
  if (validUntil < marketTime) return { allowed: false, reason: "EXPIRED", validUntil, marketTime };
  const fee = world.judgeFee(reduceOnly);
  return fee.allowed ? undefined : fee;
}

function termsOf(intent: Intent, { strategy, terms }: DecisionWorld): MarketTerms | undefined {
  return strategy.markets.includes(intent.market) ? terms(intent.market) : undefined;
}

function judgeSized(
  intent: Intent,
  { world, view, claims }: { world: DecisionWorld; view: RiskView; claims: Claims },
): Omit<Judged, "candidate"> {
  const { strategy, book, currency, costs, limits } = world;
  const terms = termsOf(intent, world);
  if (!terms) return { verdict: { allowed: false, reason: "MARKET_UNKNOWN", market: intent.market }, reasons: noReasons };
  const account = {
    equity: markToMarket(book.subAccount(strategy.uid), currency, marksOf(book)).equity,
    freeCash: subtract(book.freeCash(strategy.uid, currency), claims.cash),
    held: book.held(strategy.uid, intent.market),
    workingSells: add(book.workingSells(strategy.uid, intent.market), claims.sells.get(intent.market) ?? ZERO),
  };
  const cap = capOf(intent, { world, view, equity: account.equity });
  const size = sizeOrder(sizingIntent(intent), account, { terms, costs, cap: cap?.cap });
  const sizing = sizingSteps(intent, { cap, size });
  if (!size.allowed) return { verdict: size, reasons: { chain: [], sizing } };
  const { quantity, notional } = size;
  const order = { market: intent.market, side: intent.side, quantity, notional, reduceOnly: intent.side === "sell" };
  const verdict = world.rules(order, view);
  const reasons = { chain: explainVerdict(order, view, limits), sizing };
  return { verdict: verdict.allowed ? size : verdict, reasons };
}

/** What `sizing` lets an entry be worth; undefined without it, and for exits. */
function capOf(
  { market, side }: Intent,
  { world, view, equity }: { world: DecisionWorld; view: RiskView; equity: Decimal },
): EntryCap | undefined {
  const { sizing, strategy, book, currency, limits, costs } = world;
  if (sizing === undefined || side === "sell") return undefined;
  const there = view.policy.exposure(market);
  const asset = world.terms(market)?.base ?? baseOf(market);
  const own = assetNotional(book, { asset, amount: book.held(strategy.uid, market), currency });
  return entryCap(sizing, {
    equity,
    exposure: add(own, book.workingBuysNotional(asset, strategy.uid)),
    policyExposure: add(there.positionNotional, there.workingBuysNotional),
    policyEquity: view.policy.equity,
    maxConcentration: limits.maxTokenConcentrationRatio,
    volatility: world.volatility(market),
    costs,
  });
}

/** Each step in base units at the signal price: what `sizing` left of the equity, and what became of it. */
function sizingSteps(
  { signalPrice, size: asked }: Intent,
  { cap, size }: { cap: EntryCap | undefined; size: OrderSize | Denial },
): SizingStep[] {
  const price = parseDecimal(signalPrice);
  const units = (notional: string): string => formatDecimal(divide(parseDecimal(notional), price, "down"));
  const steps = (cap?.steps ?? []).map((step) => ({ ...step, before: units(step.before), after: units(step.after) }));
  const quantity = size.allowed ? formatDecimal(size.quantity) : "0";
  const wanted = "quantity" in asked ? asked.quantity : (steps.at(-1)?.after ?? quantity);
  const numbers = Object.fromEntries(Object.entries(asked).map(([name, value]) => [`asked.${name}`, String(value)]));
  const message = "in whole steps, within cash and what is held";
  return [...steps, { step: "quantity", before: wanted, after: quantity, message, numbers }];
}

function sizingIntent(intent: Intent): Parameters<typeof sizeOrder>[0] {
  return {
    market: intent.market,
    side: intent.side,
    size: intentSizeFrom(intent.size),
    limit: optionalDecimal(intent.limit),
    stopLoss: optionalDecimal(intent.stopLoss),
    takeProfit: optionalDecimal(intent.takeProfit),
    timeInForce: intent.timeInForce ?? "GTC",
    signalPrice: parseDecimal(intent.signalPrice),
  };
}

function optionalDecimal(text: string | undefined): Decimal | undefined {
  return text === undefined ? undefined : parseDecimal(text);
}

/** The whole account, every strategy on it and every pending order counted. */
function viewOf({ book, trading, currency, terms, policy, ordersLastMinute }: DecisionWorld, claims: Claims): RiskView {
  const claimed = (market: string): Decimal => claims.buys.get(market) ?? ZERO;
  return {
    trading,
    equity: accountEquity(book, currency),
    openOrders: book.openOrders().length + claims.openOrders,
    ordersLastMinute: ordersLastMinute + claims.openOrders,
    policy: {
      equity: policy.equity,
      dayStartEquity: policy.dayStartEquity,
      peakEquity: policy.peakEquity,
      exposure(market) {
        const { positionNotional, workingBuysNotional } = policy.exposure(market);
        return { positionNotional, workingBuysNotional: add(workingBuysNotional, claimed(market)) };
      },
    },
    exposure(market) {
      const asset = terms(market)?.base ?? baseOf(market);
      const amount = assetBalances(book).get(asset) ?? ZERO;
      return {
        positionNotional: assetNotional(book, { asset, amount, currency }),
        workingBuysNotional: add(book.workingBuysNotional(asset), claimed(market)),
      };
    },
  };
}

interface Sized {
  readonly request: DecisionRequest;
  readonly candidate: Candidate;
  readonly size: OrderSize;
  readonly maxCost: Decimal | undefined;
}

function makeFinal({ request, candidate, size, maxCost }: Sized, { book }: DecisionWorld): PlannedOrder {
  const { intent, expiresAt } = candidate;
  const id = intentIdOf(request, intent.ordinal);
  const order: FinalOrder = {
    account: book.name,
    clientOrderId: clientOrderId(id, 1),
    intentId: id,
    attempt: 1,
    market: intent.market,
    side: intent.side,
    type: intent.limit === undefined ? "market" : "limit",
    quantity: formatDecimal(size.quantity),
    ...(intent.limit !== undefined && { limit: intent.limit }),
    timeInForce: intent.timeInForce ?? "GTC",
    ...(intent.stopLoss !== undefined && { stopLoss: intent.stopLoss }),
    ...(intent.takeProfit !== undefined && { takeProfit: intent.takeProfit }),
    ...(maxCost !== undefined && { maxCost: formatDecimal(maxCost) }),
    reduceOnly: intent.side === "sell",
    decisionTime: request.decisionTime,
    ...(expiresAt !== undefined && { expiresAt }),
  };
  return {
    order,
    body: canonicalOrder(order),
    quantity: size.quantity,
    referencePrice: parseDecimal(intent.signalPrice),
    reservation: size.reservation,
    maxCost: maxCost ?? ZERO,
  };
}

function describe(
  request: DecisionRequest,
  { candidate, verdict, planned }: { candidate: Candidate; verdict: OrderSize | Denial; planned: PlannedOrder | undefined },
): PlannedIntent {
  const { ordinal } = candidate.intent;
  const shown: Verdict = verdict.allowed ? { allowed: true } : verdict;
  const base = { intentId: intentIdOf(request, ordinal), ordinal };
  const result: IntentResult = { ...base, verdict: toWireVerdict(shown) };
  const placed = planned ? { ...result, clientOrderId: planned.order.clientOrderId, quantity: planned.order.quantity } : result;
  return { ...base, kind: candidate.kind, body: candidate.body, verdict: shown, result: placed };
}

function intentIdOf({ strategyUid, run, decisionTime }: DecisionRequest, ordinal: number): string {
  return intentId({ strategyUid, run, decisionTime, ordinal });
}

function expiryOf({ decisionTime }: DecisionRequest, { expiresAfterMs }: Intent): number | undefined {
  return expiresAfterMs === undefined ? undefined : decisionTime + expiresAfterMs;
}

/** A working entry is cancelled and what it bought stays protected; with the entry ended, its protective legs are. */
function planCancel(
  request: DecisionRequest,
  cancel: DecisionRequest["cancels"][number],
  { book, strategy }: DecisionWorld,
): { planned: PlannedIntent; cancel: PlannedCancel | undefined } {
  const order = book.orders(strategy.uid).find((candidate) => candidate.order.clientOrderId === cancel.clientOrderId);
  const verdict: Verdict = order ? { allowed: true } : unknownOrder(cancel.clientOrderId);
  const base = { intentId: intentIdOf(request, cancel.ordinal), ordinal: cancel.ordinal };
  const planned: PlannedIntent = {
    ...base,
    kind: "cancel",
    body: cancel,
    verdict,
    result: { ...base, verdict: toWireVerdict(verdict) },
  };
  if (!order) return { planned, cancel: undefined };
  return { planned, cancel: { clientOrderId: cancel.clientOrderId, legs: isOpen(order.state) ? "entry" : "all" } };
}

function unknownOrder(id: string): Denial {
  return { allowed: false, reason: "ORDER_UNKNOWN", clientOrderId: id };
}

/**
 * A replacement is a new order for what the old one left unfilled, judged anew. The old one was cancelled before this decision was judged (see decide.ts):
 * while its end is not durable its reservation stands, and both together could buy twice.
 */
function planReplace(
  request: DecisionRequest,
  replace: DecisionRequest["replaces"][number],
  world: DecisionWorld,
): Candidate | { refused: PlannedIntent } {
  const refuse = (verdict: Denial): { refused: PlannedIntent } => {
    const base = { intentId: intentIdOf(request, replace.ordinal), ordinal: replace.ordinal };
    return {
      refused: { ...base, kind: "replace", body: replace, verdict, result: { ...base, verdict: toWireVerdict(verdict) } },
    };
  };
  const old = world.replaced.get(replace.clientOrderId);
  if (!old || old.strategyUid !== world.strategy.uid) return refuse(unknownOrder(replace.clientOrderId));
  if (isOpen(old.state))
    return refuse(invalid("the order's cancellation has not been confirmed by the venue; it is not replaced"));
  if (old.state !== "Cancelled" || !old.cancelRequested) return refuse(unknownOrder(replace.clientOrderId));

  const rest = subtract(replace.quantity === undefined ? old.quantity : parseDecimal(replace.quantity), old.filled);
  if (rest <= 0n) return refuse(invalid(`${formatDecimal(old.filled)} of the order has filled already`));
  const { market, side, timeInForce, expiresAt } = old.order;
  const limit = replace.limit ?? old.order.limit;
  const [stopLoss, takeProfit] = [replace.stopLoss ?? old.order.stopLoss, replace.takeProfit ?? old.order.takeProfit];
  const mark = world.book.mark(market)?.price;
  const signalPrice = mark ? formatDecimal(mark) : (limit ?? "0");
  const intent: Intent = {
    ordinal: replace.ordinal,
    market,
    side,
    size: { quantity: formatDecimal(rest) },
    timeInForce,
    signalPrice,
    validUntil: Number.MAX_SAFE_INTEGER,
    ...(limit !== undefined && { limit }),
    ...(stopLoss !== undefined && { stopLoss }),
    ...(takeProfit !== undefined && { takeProfit }),
  };
  if (signalPrice === "0") return refuse(invalid("no price is known to judge the replacement by"));
  return { kind: "replace", intent, expiresAt, body: replace };
}

function invalid(message: string): Denial {
  return { allowed: false, reason: "ORDER_INVALID", message };
}
