import type { OrderEntry, OrdersReply } from "@bellwether/trading/wire";
import { ago, exact } from "../../render/figures.ts";
import type { Style, Tone } from "../../render/style.ts";
import { type Cell, type Column, tableLines } from "../../render/table.ts";

interface About {
  readonly policy: string;
  readonly strategy: string | undefined;
  readonly openOnly: boolean;
  readonly nowMs: number;
}

const columns: readonly Column[] = [
  { title: "AGE", align: "right" },
  { title: "STRATEGY", least: 12 },
  { title: "MARKET" },
  { title: "SIDE" },
  { title: "TYPE" },
  { title: "QUANTITY", align: "right" },
  { title: "LIMIT", align: "right" },
  { title: "FILLED", align: "right" },
  { title: "AVERAGE", align: "right" },
  { title: "STATE" },
  { title: "ORDER", least: 9 },
  { title: "REASON", least: 6 },
];

export function orderLines({ orders, more }: OrdersReply, about: About, style: Style): string[] {
  const of =
    about.strategy === undefined ? `riskpolicy/${about.policy}` : `strategy ${about.strategy} under riskpolicy/${about.policy}`;
  if (orders.length === 0) return [`${of} has no ${about.openOnly ? "open " : ""}orders`];
  const lines = tableLines({ columns, rows: orders.map((entry) => rowOf(entry, about.nowMs)) }, style);
  if (more) lines.push("there are more: --limit, at most 500");
  return lines;
}

function rowOf({ strategy, order, createdAt, averagePrice }: OrderEntry, nowMs: number): (Cell | string)[] {
  const { market, side, type, quantity, limit, clientOrderId } = order.order;
  return [
    ago(createdAt, nowMs),
    strategy,
    market,
    side,
    type,
    exact(quantity),
    exact(limit),
    exact(order.filledQuantity),
    exact(averagePrice),
    { text: order.state, tone: toneOf(order.state) },
    clientOrderId,
    order.reason ?? "",
  ];
}

/** Green what is done, red what was refused, yellow what nobody knows yet. */
export function toneOf(state: OrderEntry["order"]["state"]): Tone {
  if (state === "Filled") return "good";
  if (state === "Unknown" || state === "AboutToSend") return "warn";
  return state === "Rejected" || state === "NotSent" ? "bad" : "plain";
}
