import { add, formatDecimal, multiply, ZERO, type Decimal } from "../decimal.ts";
import { decimalFromNumber } from "../decimal.ts";
import { matchBar } from "./match-bar.ts";
import type {
  OrderChange,
  OrderRequest,
  PaperCommand,
  PaperEvent,
  PaperVenueConfig,
  PaperVenueState,
  RefusalReason,
  VenueOrder,
} from "./paper-state.ts";
import { isLive } from "./paper-state.ts";

/** Orders that may rest at once, all owners together. */
export const MAX_RESTING_ORDERS = 10_000;

export interface StepResult {
  readonly state: PaperVenueState;
  readonly events: readonly PaperEvent[];
}

/**
 * One step of the paper venue: (state, command) → (state', events). Pure; the same commands lead to the same state and the same
 * ids, always. Refusals are events, never exceptions. docs/fill-model.md states what it does, exactly.
 *
 * Like a real exchange it refuses a client order id only while an order with it is open: sending twice really trades twice.
 */
export function stepVenue(state: PaperVenueState, command: PaperCommand, config: PaperVenueConfig): StepResult {
  switch (command.type) {
    case "deposit":
      return { state: deposit(state, command.asset, command.amount), events: [] };
    case "place":
      return place(state, command, config);
    case "cancel":
      return cancel(state, command);
    case "replace":
      return replace(state, command, config);
    case "bar":
      return matchBar(state, command, config);
  }
}

function deposit(state: PaperVenueState, asset: string, amount: Decimal): PaperVenueState {
  return { ...state, balances: { ...state.balances, [asset]: add(state.balances[asset] ?? ZERO, amount) } };
}

/** What a bar without resting orders changes: the clock and the last price. */
export function observePrice(
  state: PaperVenueState,
  { market, time, close }: { readonly market: string; readonly time: number; readonly close: number },
): PaperVenueState {
  return { ...state, marketTime: Math.max(state.marketTime, time), lastPrices: { ...state.lastPrices, [market]: close } };
}

interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
}

function place(
  state: PaperVenueState,
  { request, at }: { request: OrderRequest; at: number },
  config: PaperVenueConfig,
): StepResult {
  const refusal = refusePlacement(state, { request, at }, config);
  if (refusal !== undefined) return refused(state, { command: "place", clientOrderId: request.clientOrderId, ...refusal });
  const marketTime = Math.max(state.marketTime, at);
  const order: VenueOrder = {
    request,
    venueOrderId: `v${state.orderSequence + 1}`,
    eligibleFrom: Math.max(request.decisionTime, marketTime),
    state: "Working",
    filled: ZERO,
    spent: ZERO,
    protected: ZERO,
    stopTriggered: false,
    metFirstBar: false,
  };
  return {
    state: { ...state, marketTime, orderSequence: state.orderSequence + 1, orders: [...state.orders, order] },
    events: [{ type: "order", order, at: marketTime, reason: undefined }],
  };
}

function refusePlacement(
  state: PaperVenueState,
  { request, at }: { request: OrderRequest; at: number },
  config: PaperVenueConfig,
): Refusal | undefined {
  const terms = config.markets.get(request.market);
  if (terms === undefined) return { reason: "MARKET_UNKNOWN", message: `there is no market ${request.market}` };
  if (state.orders.length >= MAX_RESTING_ORDERS)
    return { reason: "TOO_MANY_ORDERS", message: `${MAX_RESTING_ORDERS} orders rest already` };
  if (state.orders.some((order) => order.request.clientOrderId === request.clientOrderId)) {
    return { reason: "DUPLICATE_CLIENT_ORDER_ID", message: "an order with this client order id is open" };
  }
  if (request.expiresAt !== undefined && request.expiresAt <= Math.max(state.marketTime, at)) {
    return { reason: "EXPIRED", message: `the order ended at ${request.expiresAt}` };
  }
  const invalid = requestFault(request);
  if (invalid !== undefined) return { reason: "ORDER_INVALID", message: invalid };
  if (request.quantity % terms.quantityStep !== 0n)
    return { reason: "ORDER_INVALID", message: `the quantity is no multiple of ${formatDecimal(terms.quantityStep)}` };
  const asset = request.side === "buy" ? terms.quote : terms.base;
  if ((state.balances[asset] ?? ZERO) <= 0n) return { reason: "INSUFFICIENT_BALANCE", message: `the account holds no ${asset}` };
  return belowMinimum(state, request, config);
}

function requestFault({ type, side, limit, quantity, stopLoss, takeProfit, timeInForce }: OrderRequest): string | undefined {
  if (quantity <= 0n) return "the quantity must be above zero";
  if ((type === "limit") !== (limit !== undefined)) return "a limit order has a limit, a market order has none";
  if (limit !== undefined && limit <= 0n) return "the limit must be above zero";
  if (type === "market" && timeInForce === "PostOnly") return "a PostOnly order needs a limit";
  if (side === "sell" && (stopLoss !== undefined || takeProfit !== undefined)) return "stopLoss and takeProfit belong to a buy";
  if (stopLoss !== undefined && takeProfit !== undefined && stopLoss >= takeProfit) return "stopLoss must be below takeProfit";
  if (limit !== undefined && stopLoss !== undefined && stopLoss >= limit) return "stopLoss must be below the limit";
  if (limit !== undefined && takeProfit !== undefined && takeProfit <= limit) return "takeProfit must be above the limit";
  return undefined;
}

function belowMinimum(state: PaperVenueState, request: OrderRequest, config: PaperVenueConfig): Refusal | undefined {
  const terms = config.markets.get(request.market);
  if (terms?.minQuantity !== undefined && request.quantity < terms.minQuantity) {
    return { reason: "BELOW_MINIMUM", message: `the quantity is below ${formatDecimal(terms.minQuantity)}` };
  }
  const last = state.lastPrices[request.market];
  const price = request.limit ?? (last === undefined ? undefined : decimalFromNumber(last));
  if (terms?.minNotional !== undefined && price !== undefined && multiply(request.quantity, price, "up") < terms.minNotional) {
    return { reason: "BELOW_MINIMUM", message: `the notional is below ${formatDecimal(terms.minNotional)}` };
  }
  return undefined;
}

function refused(state: PaperVenueState, refusal: Omit<Extract<PaperEvent, { type: "refused" }>, "type">): StepResult {
  return { state, events: [{ type: "refused", ...refusal }] };
}

/** Ends a working entry; what it bought stays protected. With the entry ended already, ends the protective legs. */
function cancel(state: PaperVenueState, { clientOrderId, at }: { clientOrderId: string; at: number }): StepResult {
  const order = state.orders.find((candidate) => candidate.request.clientOrderId === clientOrderId);
  if (order === undefined) return unknownOrder(state, "cancel", clientOrderId);
  const changed: VenueOrder = order.state === "Working" ? { ...order, state: "Cancelled" } : { ...order, protected: ZERO };
  return withOrder(state, changed, { at, reason: "CANCELLED_BY_OWNER" });
}

function replace(
  state: PaperVenueState,
  { clientOrderId, change, at }: { clientOrderId: string; change: OrderChange; at: number },
  config: PaperVenueConfig,
): StepResult {
  const order = state.orders.find((candidate) => candidate.request.clientOrderId === clientOrderId);
  if (order === undefined) return unknownOrder(state, "replace", clientOrderId);
  const request: OrderRequest = { ...order.request, ...change };
  const message = replaceFault(order, { request, change }, config);
  if (message !== undefined) return refused(state, { command: "replace", clientOrderId, reason: "ORDER_INVALID", message });
  const marketTime = Math.max(state.marketTime, at);
  // A changed order queues anew: it meets the market like one placed now.
  const eligibleFrom = order.state === "Working" ? Math.max(order.eligibleFrom, marketTime) : order.eligibleFrom;
  const filledWhole = order.state === "Working" && request.quantity === order.filled;
  return withOrder(
    state,
    { ...order, request, eligibleFrom, state: filledWhole ? "Filled" : order.state },
    { at, reason: undefined },
  );
}

function replaceFault(
  order: VenueOrder,
  { request, change }: { request: OrderRequest; change: OrderChange },
  config: PaperVenueConfig,
): string | undefined {
  const step = config.markets.get(request.market)?.quantityStep;
  if (order.state !== "Working" && (change.quantity !== undefined || change.limit !== undefined))
    return "the entry has ended; only its legs can change";
  if (request.quantity < order.filled) return `${formatDecimal(order.filled)} of the order has filled already`;
  if (step !== undefined && request.quantity % step !== 0n) return `the quantity is no multiple of ${formatDecimal(step)}`;
  if (order.stopTriggered) return "the stop has triggered";
  return requestFault(request);
}

function unknownOrder(state: PaperVenueState, command: "cancel" | "replace", clientOrderId: string): StepResult {
  return refused(state, { command, clientOrderId, reason: "ORDER_UNKNOWN", message: "no open order has this client order id" });
}

function withOrder(
  state: PaperVenueState,
  changed: VenueOrder,
  { at, reason }: { at: number; reason: "CANCELLED_BY_OWNER" | undefined },
): StepResult {
  const marketTime = Math.max(state.marketTime, at);
  const same = (order: VenueOrder) => order.venueOrderId === changed.venueOrderId;
  const orders = isLive(changed)
    ? state.orders.map((order) => (same(order) ? changed : order))
    : state.orders.filter((order) => !same(order));
  return { state: { ...state, marketTime, orders }, events: [{ type: "order", order: changed, at: marketTime, reason }] };
}
