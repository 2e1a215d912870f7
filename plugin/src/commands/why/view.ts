import { type Decimal, ZERO, add, formatDecimal, parseDecimal } from "@bellwether/trading/decimal";
import type { IntentOrder, IntentReply, VerdictStep } from "@bellwether/trading/wire";
import { exact, instant, money } from "../../render/figures.ts";
import { type Style, type Tone, oneLine, paint } from "../../render/style.ts";
import { type Table, tableLines } from "../../render/table.ts";
import { toneOf } from "../orders/view.ts";

const timeFields: ReadonlySet<string> = new Set(["validUntil", "marketTime", "expiresAt", "decisionTime"]);

/** The whole story of an intent: wish, world, sizes, rules, order, fills, and the end of it in words. */
export function whyLines(reply: IntentReply, policy: string, style: Style): string[] {
  const sections: readonly (readonly string[])[] = [
    headLines(reply, policy, style),
    section("Asked for", factLines(reply.asked), style),
    section("Models asked", evidenceLines(reply.evidence ?? [], style), style),
    section("Judged in", factLines(reply.judgedWith), style),
    section("Sized", sizingLines(reply, style), style),
    section("Rules, in order", chainLines(reply.chain, style), style),
    ...reply.orders.map((order) => orderSection(order, style)),
    section("In words", wordsOf(reply), style),
  ];
  return sections.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ["", ...lines]));
}

function section(title: string, lines: readonly string[], style: Style): readonly string[] {
  return lines.length === 0 ? [] : [paint(style, "bold", title), ...lines];
}

function headLines(
  { intentId, strategy, account, kind, decisionTime, judgedAt, side, market, verdict }: IntentReply,
  policy: string,
  style: Style,
): string[] {
  const what = [kind, side, market].filter((part) => part !== undefined).join(" ");
  const said = verdict.allowed
    ? paint(style, "good", "allowed")
    : `${paint(style, "bad", `denied ${verdict.reason ?? ""}`)}: ${oneLine(verdict.message ?? "")}`;
  return [
    `${paint(style, "bold", what)} of strategy ${strategy} on account ${account} under riskpolicy/${policy}`,
    `  intent   ${intentId}`,
    `  decided  ${instant(decisionTime)} (market time), judged ${instant(judgedAt)}`,
    `  verdict  ${said}`,
  ];
}

function factLines(facts: Readonly<Record<string, string>>): string[] {
  const longest = Math.max(0, ...Object.keys(facts).map((name) => name.length));
  return Object.entries(facts).map(([name, value]) => `  ${oneLine(name).padEnd(longest)}  ${shown(name, value)}`);
}

/** Epoch milliseconds are no time that a person reads. */
function shown(name: string, value: string): string {
  return timeFields.has(name) && /^\d{12,15}$/.test(value) ? instant(Number(value)) : oneLine(value);
}

function numbersText(numbers: Readonly<Record<string, string>>): string {
  return Object.entries(numbers)
    .map(([name, value]) => `${name} ${shown(name, value)}`)
    .join(", ");
}

function evidenceLines(evidence: NonNullable<IntentReply["evidence"]>, style: Style): string[] {
  if (evidence.length === 0) return [];
  const columns = [
    { title: "MARKET" },
    { title: "MODEL" },
    { title: "TOKENS", align: "right" },
    { title: "USD", align: "right" },
    { title: "CACHE" },
    { title: "PROMPT" },
    { title: "FAULT", least: 20 },
  ] as const;
  const rows = evidence.map(({ market, model, inputTokens, outputTokens, costUsd, cache, promptHash, fault }) => [
    market,
    model ?? "-",
    inputTokens === undefined ? "-" : `${inputTokens}+${outputTokens ?? 0}`,
    costUsd === undefined ? "-" : exact(costUsd),
    cache ?? "-",
    promptHash.slice(0, 12),
    fault ?? "",
  ]);
  return tableLines({ columns, rows }, style, 2);
}

function sizingLines({ sizing }: IntentReply, style: Style): string[] {
  if (sizing.length === 0) return [];
  const columns = [
    { title: "STEP" },
    { title: "BEFORE", align: "right" },
    { title: "AFTER", align: "right" },
    { title: "WHY", least: 20 },
    { title: "NUMBERS", least: 20 },
  ] as const;
  const rows = sizing.map(({ step, before, after, message, numbers }) => [
    step,
    exact(before),
    exact(after),
    message,
    numbersText(numbers),
  ]);
  return tableLines({ columns, rows }, style, 2);
}

const marks: Readonly<Record<VerdictStep["outcome"], { mark: string; tone: Tone }>> = {
  passed: { mark: "passed", tone: "good" },
  denied: { mark: "DENIED", tone: "bad" },
  notReached: { mark: "not reached", tone: "dim" },
};

function chainLines(chain: readonly VerdictStep[], style: Style): string[] {
  if (chain.length === 0) return [];
  const columns = [{ title: "RULE" }, { title: "OUTCOME" }, { title: "NUMBERS", least: 30 }, { title: "MESSAGE", least: 20 }];
  const rows = chain.map(({ rule, outcome, numbers, message }) => {
    const { mark, tone } = marks[outcome];
    return [rule, { text: mark, tone }, numbersText(numbers), message ?? ""];
  });
  return tableLines({ columns, rows }, style, 2);
}

function orderSection(entry: IntentOrder, style: Style): string[] {
  const { order, createdAt, approvals, reservedQuote, reservedBase, releasedAt, cancelRequested, fills } = entry;
  const { attempt, clientOrderId, side, type, quantity, limit, market, timeInForce, stopLoss, takeProfit } = order.order;
  const legs = [
    limit && `limit ${exact(limit)}`,
    stopLoss && `stop ${exact(stopLoss)}`,
    takeProfit && `target ${exact(takeProfit)}`,
  ];
  const terms = [`${side} ${exact(quantity)} ${market}`, type, timeInForce, ...legs].filter(Boolean).join(", ");
  const state = `${paint(style, toneOf(order.state), order.state)}, ${exact(order.filledQuantity)} filled`;
  const released = releasedAt === undefined ? "still reserved" : `released ${instant(releasedAt)}`;
  const reserved = [reservedQuote, reservedBase].some((amount) => parseDecimal(amount) !== ZERO)
    ? [`  reserved  ${money(reservedQuote)} quote, ${exact(reservedBase)} base: ${released}`]
    : [];
  return [
    paint(style, "bold", `Order, attempt ${attempt}`),
    `  order     ${clientOrderId}${order.venueOrderId === undefined ? "" : ` (at the venue: ${oneLine(order.venueOrderId)})`}`,
    `  terms     ${terms}`,
    `  state     ${state}${order.reason === undefined ? "" : `: ${oneLine(order.reason)}`}`,
    `  committed ${instant(createdAt)}${cancelRequested === undefined ? "" : `, cancellation of ${cancelRequested} asked for`}`,
    ...approvals.map(
      ({ nonce, keyId, epoch, createdAt: at }) => `  approved  ${instant(at)} under epoch ${epoch}, key ${keyId}, nonce ${nonce}`,
    ),
    ...reserved,
    ...(fills.length === 0 ? [] : tableLines(fillTable(fills), style, 2)),
  ];
}

function fillTable(fills: IntentOrder["fills"]): Table {
  return {
    columns: [
      { title: "FILLED AT (MARKET)" },
      { title: "LEG" },
      { title: "SIDE" },
      { title: "QUANTITY", align: "right" },
      { title: "PRICE", align: "right" },
      { title: "FEE", align: "right" },
      { title: "TRADE", least: 8 },
    ],
    rows: fills.map(({ time, leg, side, quantity, price, fee, feeAsset, tradeId }) => [
      instant(time),
      leg,
      side,
      exact(quantity),
      exact(price),
      `${exact(fee)} ${feeAsset}`,
      tradeId,
    ]),
  };
}

/** The end of it, in sentences that need no table. */
function wordsOf(reply: IntentReply): string[] {
  const { verdict, kind, orders, sizing } = reply;
  if (!verdict.allowed) {
    const denied = reply.chain.find(({ outcome }) => outcome === "denied");
    const by = denied === undefined ? "" : ` by ${denied.rule}`;
    return [`  Denied${by}: ${oneLine(verdict.message ?? verdict.reason ?? "")}. No order was made and nothing was sent.`];
  }
  if (kind === "cancel") return ["  Allowed: the cancellation was handed to the broker."];
  const [first, last] = [sizing[0], sizing.at(-1)];
  const sized = first && last && first.before !== last.after ? `, sized from ${exact(first.before)} to ${exact(last.after)}` : "";
  if (orders.length === 0) return [`  Allowed${sized}; the journal has no order of it.`];
  return [`  Allowed${sized}.`, ...orders.map((order) => `  ${orderWords(order)}`)];
}

function orderWords({ order, fills, approvals }: IntentOrder): string {
  const { quantity } = order.order;
  const approved = `Approved ${approvals.length === 1 ? "once" : `${approvals.length} times`}`;
  const entries = fills.filter(({ leg }) => leg === "entry");
  const exits = fills.length - entries.length;
  const filled = entries.reduce<Decimal>((sum, fill) => add(sum, parseDecimal(fill.quantity)), ZERO);
  const protective = exits === 0 ? "" : ` Protective legs filled ${exits} times.`;
  const ends: Readonly<Record<IntentOrder["order"]["state"], string>> = {
    Approved: "not acknowledged by the broker yet",
    AboutToSend: "about to be sent; the venue has not answered",
    Unknown: "sent, and the venue's answer was lost: the broker is finding out, nothing is sent again",
    Working: "working at the venue",
    Filled: "filled completely",
    Cancelled: "cancelled",
    Expired: "expired",
    Rejected: "rejected by the venue",
    NotSent: "never reached the venue and never will",
  };
  const count = entries.length === 1 ? "one fill" : `${entries.length} fills`;
  const amount = entries.length === 0 ? "" : `, ${formatDecimal(filled)} of ${exact(quantity)} in ${count}`;
  return `${approved}; ${ends[order.state]}${amount}.${protective}`;
}
