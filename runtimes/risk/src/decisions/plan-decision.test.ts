import {
  ALLOWED,
  type DecisionRequest,
  type Denial,
  type PolicyView,
  type SizingSpec,
  type TradingCondition,
  TRADING_ACTIVE,
  ZERO,
  clientOrderId,
  effectiveLimits,
  effectiveSizing,
  formatDecimal,
  marketTerms,
  parseCanonicalOrder,
  parseDecimal,
  rulesFor,
  rulesFromSymbol,
  tradingCosts,
} from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { AccountBook, BookOrder } from "../portfolio/book.ts";
import { fill, openedBook, withOrders } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { type DecisionWorld, planDecision } from "./plan-decision.ts";

interface Given {
  readonly book?: AccountBook;
  readonly suspended?: boolean;
  readonly trading?: TradingCondition;
  readonly blocked?: Denial;
  readonly limits?: Parameters<typeof effectiveLimits>[0];
  readonly replaced?: readonly BookOrder[];
  readonly policy?: PolicyView;
  readonly sizing?: SizingSpec;
  readonly volatility?: number;
  readonly fee?: Denial;
  readonly ordersLastMinute?: number;
  readonly marketTime?: number;
}

const tenThousand = parseDecimal("10000");
const untouched = { equity: tenThousand, dayStartEquity: tenThousand, peakEquity: tenThousand };

function world(given: Given = {}): DecisionWorld {
  const limits = effectiveLimits(given.limits ?? { maxPositionRatio: "0.9" });
  return {
    strategy: { uid: "s-1", suspended: given.suspended ?? false, markets: ["BTC/USDT"] },
    book: given.book ?? openedBook(),
    currency: "USDT",
    costs: tradingCosts({ feeBps: "0", slippageBps: "0" }),
    rules: rulesFor(limits),
    limits,
    sizing: effectiveSizing(given.sizing),
    volatility: () => given.volatility,
    judgeFee: () => given.fee ?? ALLOWED,
    policy: given.policy ?? { ...untouched, exposure: () => ({ positionNotional: ZERO, workingBuysNotional: ZERO }) },
    ordersLastMinute: given.ordersLastMinute ?? 0,
    trading: given.trading ?? TRADING_ACTIVE,
    terms: (market) => {
      const rules = rulesFromSymbol(market);
      return rules && marketTerms(rules);
    },
    blocked: given.blocked,
    marketTime: given.marketTime ?? 60_000,
    replaced: new Map((given.replaced ?? []).map((order) => [order.order.clientOrderId, order])),
  };
}

const decision = (change: Partial<DecisionRequest>): DecisionRequest => ({
  strategyUid: "s-1",
  run: 1,
  marketSet: "m",
  decisionTime: 60_000,
  state: "{}",
  intents: [],
  cancels: [],
  replaces: [],
  ...change,
});

type WireIntent = DecisionRequest["intents"][number];
const buy = (change: Partial<WireIntent> = {}): WireIntent => ({
  ordinal: 0,
  market: "BTC/USDT",
  side: "buy",
  size: { notional: "1000" },
  signalPrice: "100",
  validUntil: 120_000,
  ...change,
});
const halted: TradingCondition = { state: "Halted", by: "annotation", message: "drill" };
const reducing: TradingCondition = { state: "Reducing", by: "policy", message: "spec" };
const holding = (): AccountBook => {
  const book = openedBook();
  book.applyFill(fill({ quantity: "10", price: "100" }));
  return book;
};

describe("planDecision", () => {
  test("makes an allowed intent final: canonical text, derived id, bound to what it may cost", () => {
    const { orders, intents } = planDecision(decision({ intents: [buy()] }), world());
    const [order] = orders;
    expect(order?.order).toMatchObject({
      account: "paper",
      clientOrderId: clientOrderId("s-1/1/60000/0", 1),
      intentId: "s-1/1/60000/0",
      type: "market",
      quantity: "10",
      maxCost: "1100",
      reduceOnly: false,
      decisionTime: 60_000,
    });
    expect(parseCanonicalOrder(order?.body ?? "")).toEqual(order?.order);
    expect(intents[0]?.result).toMatchObject({
      verdict: { allowed: true },
      quantity: "10",
      clientOrderId: order?.order.clientOrderId,
    });
  });

  test.each([
    { when: "the strategy is suspended", given: { suspended: true }, intent: buy(), then: "SUSPENDED" },
    { when: "trading is halted", given: { trading: halted }, intent: buy(), then: "HALTED" },
    {
      when: "trading is halted, also for exits",
      given: { trading: halted, book: holding() },
      intent: buy({ side: "sell", size: { all: true } }),
      then: "HALTED",
    },
    { when: "trading is reducing", given: { trading: reducing }, intent: buy(), then: "REDUCING" },
    { when: "the strategy does not follow the market", given: {}, intent: buy({ market: "ETH/USDT" }), then: "MARKET_UNKNOWN" },
    { when: "the intent is too old", given: { marketTime: 120_001 }, intent: buy(), then: "EXPIRED" },
    {
      when: "the broker is away",
      given: { blocked: { allowed: false, reason: "VENUE_UNREACHABLE", account: "paper" } as const },
      intent: buy(),
      then: "VENUE_UNREACHABLE",
    },
    { when: "it is too large", given: { limits: { maxOrderNotional: "999" } }, intent: buy(), then: "ORDER_NOTIONAL" },
    {
      when: "the position would be too large",
      given: { limits: { maxPositionRatio: "0.0999" } },
      intent: buy(),
      then: "POSITION_RATIO",
    },
    { when: "nothing is held", given: {}, intent: buy({ side: "sell", size: { all: true } }), then: "NOTHING_TO_SELL" },
  ])("denies an intent when $when: $then", ({ given, intent, then }) => {
    const { orders, intents } = planDecision(decision({ intents: [intent] }), world(given));
    expect(orders).toEqual([]);
    expect(intents[0]?.verdict).toMatchObject({ allowed: false, reason: then });
  });

  test("lets an exit through while reducing", () => {
    const { orders } = planDecision(
      decision({ intents: [buy({ side: "sell", size: { all: true } })] }),
      world({ trading: reducing, book: holding() }),
    );
    expect(orders[0]?.order).toMatchObject({ side: "sell", quantity: "10", reduceOnly: true });
  });

  test("counts what earlier intents of the same decision have claimed", () => {
    const two = decision({ intents: [buy({ size: { notional: "800" } }), buy({ ordinal: 1, size: { notional: "800" } })] });
    const limited = planDecision(two, world({ limits: { maxPositionRatio: "0.15" } }));
    expect(limited.intents.map(({ verdict }) => verdict.allowed)).toEqual([true, false]);
    const single = planDecision(two, world({ limits: { maxPositionRatio: "0.9", maxOpenOrders: 1 } }));
    expect(single.intents.map(({ verdict }) => verdict)).toMatchObject([{ allowed: true }, { reason: "OPEN_ORDERS" }]);
  });

  test("counts orders of other strategies on the account, also those whose outcome is unknown", () => {
    const book = withOrders(
      openedBook(),
      bookOrder({ id: "other", strategyUid: "s-2", reservation: "900", state: "Unknown", known: true }),
    );
    const { intents } = planDecision(
      decision({ intents: [buy({ size: { notional: "200" } })] }),
      world({ book, limits: { maxPositionRatio: "0.1" } }),
    );
    expect(intents[0]?.verdict).toMatchObject({ reason: "POSITION_RATIO" });
  });

  test("all bounds together stay within the strategy's own cash", () => {
    const { orders } = planDecision(
      decision({ intents: [buy({ size: { notional: "3000" } }), buy({ ordinal: 1, size: { notional: "3000" } })] }),
      world(),
    );
    expect(orders.map(({ maxCost }) => formatDecimal(maxCost))).toEqual(["3000", "2000"]);
  });

  test("a second sale of the same position finds nothing left", () => {
    const sells = [buy({ side: "sell", size: { all: true } }), buy({ ordinal: 1, side: "sell", size: { all: true } })];
    const { intents } = planDecision(decision({ intents: sells }), world({ book: holding() }));
    expect(intents.map(({ verdict }) => verdict)).toMatchObject([{ allowed: true }, { reason: "NOTHING_TO_SELL" }]);
  });

  test("takes actions in the order of their ordinals and answers in it", () => {
    const { intents } = planDecision(
      decision({ intents: [buy({ ordinal: 2 }), buy({ ordinal: 0 })], cancels: [{ ordinal: 1, clientOrderId: "nobody" }] }),
      world(),
    );
    expect(intents.map(({ ordinal, kind }) => [ordinal, kind])).toEqual([
      [0, "intent"],
      [1, "cancel"],
      [2, "intent"],
    ]);
  });
});

describe("planDecision on cancels", () => {
  test.each([
    {
      when: "the order works",
      order: bookOrder({ known: true, state: "Working" }),
      then: [{ clientOrderId: "order-1", legs: "entry" }],
    },
    {
      when: "only its legs rest",
      order: bookOrder({ known: true, state: "Filled", protectiveLegs: ["stopLoss"] }),
      then: [{ clientOrderId: "order-1", legs: "all" }],
    },
    { when: "it is another strategy's", order: bookOrder({ strategyUid: "s-2", known: true, state: "Working" }), then: [] },
    { when: "it has ended", order: bookOrder({ known: true, state: "Cancelled" }), then: [] },
  ])("when $when", ({ order, then }) => {
    const { cancels } = planDecision(
      decision({ cancels: [{ ordinal: 0, clientOrderId: "order-1" }] }),
      world({ book: withOrders(openedBook(), order) }),
    );
    expect(cancels).toEqual(then);
  });
});

describe("planDecision on replaces", () => {
  const cancelled = (): BookOrder =>
    bookOrder({ limit: "90", quantity: "2", known: true, state: "Cancelled", cancelRequested: "entry" });
  const replace = { ordinal: 0, clientOrderId: "order-1", limit: "95" };

  test("the replacement is a new order for the rest, with what was not changed", () => {
    const old = cancelled();
    old.filled = (old.quantity / 2n) as typeof old.filled;
    const { orders } = planDecision(decision({ replaces: [replace] }), world({ replaced: [old] }));
    expect(orders[0]?.order).toMatchObject({ type: "limit", limit: "95", quantity: "1", side: "buy", intentId: "s-1/1/60000/0" });
  });

  test.each([
    {
      when: "the venue has not confirmed the cancellation",
      order: { ...cancelled(), state: "Working" as const },
      then: "ORDER_INVALID",
    },
    { when: "the order was filled meanwhile", order: { ...cancelled(), state: "Filled" as const }, then: "ORDER_UNKNOWN" },
    { when: "nobody asked for its cancellation", order: { ...cancelled(), cancelRequested: undefined }, then: "ORDER_UNKNOWN" },
    { when: "it is another strategy's", order: { ...cancelled(), strategyUid: "s-2" }, then: "ORDER_UNKNOWN" },
  ])("is refused when $when", ({ order, then }) => {
    const { orders, intents } = planDecision(decision({ replaces: [replace] }), world({ replaced: [order] }));
    expect(orders).toEqual([]);
    expect(intents[0]?.verdict).toMatchObject({ reason: then });
  });
});
