import type { ProgramFill, ProgramOrder } from "@bellwether/trading/engine/program";
import { type AgentSnapshot, type BrokerOrder, type WireFill, terminalOrderStates } from "@bellwether/trading/wire";
import type { AccountFigures } from "../program/session.ts";

/** A snapshot as programs see it: working orders only, decimal strings as they came. */
export function accountFigures({ account, orders }: AgentSnapshot): AccountFigures {
  const positions = account.positions.map(({ market, quantity, averagePrice }) => [market, { quantity, averagePrice }] as const);
  return {
    equity: account.equity,
    cash: account.cash,
    positions: Object.fromEntries(positions),
    orders: orders.filter(isWorking).map(programOrder),
  };
}

function isWorking({ state, protectiveLegs }: BrokerOrder): boolean {
  return !terminalOrderStates.has(state) || protectiveLegs.length > 0;
}

function programOrder({ order, filledQuantity, protectiveLegs }: BrokerOrder): ProgramOrder {
  const { clientOrderId, market, side, type, quantity, limit, stopLoss, takeProfit, decisionTime, expiresAt } = order;
  return {
    id: clientOrderId,
    market,
    side,
    type,
    quantity,
    filledQuantity,
    decisionTime,
    protectiveLegs,
    ...(limit !== undefined && { limit }),
    ...(stopLoss !== undefined && { stopLoss }),
    ...(takeProfit !== undefined && { takeProfit }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

export function programFill({
  clientOrderId,
  tradeId,
  market,
  side,
  quantity,
  price,
  fee,
  feeAsset,
  time,
  leg,
}: WireFill): ProgramFill {
  return { orderId: clientOrderId, tradeId, market, side, quantity, price, fee, feeAsset, time, leg };
}
