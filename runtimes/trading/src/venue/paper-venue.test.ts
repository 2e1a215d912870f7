import { describe, expect, test } from "vitest";
import { formatDecimal } from "../decimal.ts";
import { MARKET, MINUTE_MS, TestVenue, venueConfig } from "../testing/venue-fixtures.ts";
import { restingLegs, type PaperEvent } from "./paper-state.ts";
import { parseVenue, serialiseVenue } from "./serialise.ts";

/** `buy 1 @ 100 entry` and `a Cancelled EXPIRED 0.5`: what happened, to read at a glance. Plain working reports are left out. */
function told(events: readonly PaperEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.type === "refused") return [`refused ${event.command} ${event.clientOrderId} ${event.reason}`];
    if (event.type === "fill") {
      const { side, quantity, price, leg, fee } = event.fill;
      return [
        `${side} ${formatDecimal(quantity)} @ ${formatDecimal(price)} ${leg}${fee === 0n ? "" : ` fee ${formatDecimal(fee)}`}`,
      ];
    }
    const { order, reason } = event;
    return reason === undefined ? [] : [`${order.request.clientOrderId} ${order.state} ${reason} ${formatDecimal(order.filled)}`];
  });
}

describe("a market order", () => {
  test("fills at the open of the first bar that opens after it was accepted", () => {
    const venue = new TestVenue();
    venue.place({}, 3 * MINUTE_MS);
    expect(told(venue.bar(2, [90, 90, 90, 90]))).toEqual([]);
    expect(told(venue.bar(3, [100, 120, 80, 110]))).toEqual(["buy 1 @ 100 entry"]);
    expect(venue.state.orders).toEqual([]);
  });

  test("pays slippage and fee, rounded against the trader", () => {
    const venue = new TestVenue(venueConfig({ feeBps: "10", slippageBps: "5" }));
    venue.place({});
    expect(told(venue.bar(1, [100, 100, 100, 100]))).toEqual(["buy 1 @ 100.05 entry fee 0.10005"]);
    venue.place({ id: "b", side: "sell" });
    expect(told(venue.bar(2, [33.333_333, 34, 33, 34]))).toEqual(["sell 1 @ 33.3166663335 entry fee 0.03331667"]);
    expect(formatDecimal(venue.state.balances["USDT"]!)).toBe("933.1332996635");
  });

  test("takes at most the volume share of each bar and goes on at the next opens", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1" }));
    venue.place({ quantity: "2.5" });
    expect(told(venue.bar(1, [100, 100, 100, 100], 10))).toEqual(["buy 1 @ 100 entry"]);
    expect(told(venue.bar(2, [101, 101, 101, 101], 12))).toEqual(["buy 1.2 @ 101 entry"]);
    expect(told(venue.bar(3, [102, 102, 102, 102], 10))).toEqual(["buy 0.3 @ 102 entry"]);
  });

  test("shares a bar's volume with the orders before it", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1" }));
    venue.place({ quantity: "0.7" });
    venue.place({ id: "b", owner: "strategy-2", quantity: "0.7" });
    expect(told(venue.bar(1, [100, 100, 100, 100], 10))).toEqual(["buy 0.7 @ 100 entry", "buy 0.3 @ 100 entry"]);
  });

  test("counts quote volume in base units at the close", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1", volumeUnit: "Quote" }));
    venue.place({ quantity: "2" });
    expect(told(venue.bar(1, [100, 125, 100, 125], 1000))).toEqual(["buy 0.8 @ 100 entry"]);
  });

  test.each([
    { when: "cash pays for it whole", quantity: "10", told: ["buy 10 @ 100 entry"] },
    {
      when: "it is clipped to the account's cash",
      quantity: "11",
      told: ["buy 10 @ 100 entry", "a Cancelled INSUFFICIENT_CASH 10"],
    },
    {
      when: "it is clipped to its maximum cost",
      quantity: "5",
      maxCost: "250",
      told: ["buy 2.5 @ 100 entry", "a Cancelled INSUFFICIENT_CASH 2.5"],
    },
  ])("buys what is paid for: $when", ({ quantity, maxCost, told: expected }) => {
    const venue = new TestVenue();
    venue.place({ quantity, ...(maxCost !== undefined && { maxCost }) });
    expect(told(venue.bar(1, [100, 100, 100, 100]))).toEqual(expected);
  });

  test("never costs more than the cash with its fee", () => {
    const venue = new TestVenue(venueConfig({ feeBps: "10" }));
    venue.place({ quantity: "50" });
    expect(told(venue.bar(1, [37, 37, 37, 37]))).toEqual([
      "buy 27.00002699 @ 37 entry fee 0.999001",
      "a Cancelled INSUFFICIENT_CASH 27.00002699",
    ]);
  });
});

describe("a limit order", () => {
  test.each([
    { when: "the bar only touches it", bar: [101, 102, 100, 101], then: [] },
    { when: "the bar trades through it", bar: [101, 102, 99.9, 101], then: ["buy 1 @ 100 entry"] },
    { when: "the bar opens below it", bar: [98, 102, 97, 101], then: ["buy 1 @ 98 entry"] },
    { when: "the bar opens at it and rises", bar: [100, 102, 100, 101], then: [] },
  ] as const)("buys at 100 when $when → $then", ({ bar, then }) => {
    const venue = new TestVenue();
    venue.place({ limit: "100" });
    expect(told(venue.bar(1, bar))).toEqual(then);
  });

  test.each([
    { when: "the bar only touches it", bar: [109, 110, 100, 101], then: [] },
    { when: "the bar trades through it", bar: [109, 110.1, 99.9, 101], then: ["sell 1 @ 110 entry"] },
    { when: "the bar opens above it", bar: [112, 113, 97, 101], then: ["sell 1 @ 112 entry"] },
  ] as const)("sells at 110 when $when → $then", ({ bar, then }) => {
    const venue = new TestVenue(venueConfig(), { BTC: "1" });
    venue.place({ side: "sell", limit: "110" });
    expect(told(venue.bar(1, bar))).toEqual(then);
  });

  test("pays slippage at the open, but never beyond its limit", () => {
    const venue = new TestVenue(venueConfig({ slippageBps: "100" }));
    venue.place({ limit: "100" });
    venue.place({ id: "b", limit: "99.5" });
    expect(told(venue.bar(1, [99, 99, 99, 99]))).toEqual(["buy 1 @ 99.99 entry", "buy 1 @ 99.5 entry"]);
  });

  test.each([
    {
      timeInForce: "IOC",
      bar: [99, 99, 99, 99],
      volume: 0.4,
      then: ["buy 0.4 @ 99 entry", "a Cancelled IMMEDIATE_OR_CANCEL 0.4"],
    },
    { timeInForce: "IOC", bar: [101, 102, 99, 101], volume: 9, then: ["a Cancelled IMMEDIATE_OR_CANCEL 0"] },
    { timeInForce: "FOK", bar: [99, 99, 99, 99], volume: 0.4, then: ["a Cancelled FILL_OR_KILL 0"] },
    { timeInForce: "FOK", bar: [99, 99, 99, 99], volume: 1, then: ["buy 1 @ 99 entry"] },
    { timeInForce: "PostOnly", bar: [99, 99, 99, 99], volume: 9, then: ["a Rejected POST_ONLY_WOULD_TAKE 0"] },
    { timeInForce: "PostOnly", bar: [101, 101, 99, 99], volume: 9, then: ["buy 1 @ 100 entry"] },
  ] as const)("with $timeInForce and $volume to be had at $bar.0 → $then", ({ timeInForce, bar, volume, then }) => {
    const venue = new TestVenue();
    venue.place({ limit: "100", timeInForce });
    expect(told(venue.bar(1, bar, volume))).toEqual(then);
  });

  test("ends at its time of expiry, before the bar that opens then is met", () => {
    const venue = new TestVenue();
    venue.place({ limit: "100", expiresAt: 2 * MINUTE_MS });
    expect(told(venue.bar(1, [101, 101, 101, 101]))).toEqual([]);
    expect(told(venue.bar(2, [90, 90, 90, 90]))).toEqual(["a Expired EXPIRED 0"]);
  });
});

describe("a bracket", () => {
  const entered = (config = venueConfig()) => {
    const venue = new TestVenue(config);
    venue.place({ stopLoss: "90", takeProfit: "120" });
    venue.bar(1, [100, 100, 100, 100]);
    return venue;
  };

  test.each([
    { when: "the low touches the stop", bar: [100, 100, 90, 95], then: ["sell 1 @ 90 stopLoss"] },
    { when: "the market opens below the stop", bar: [85, 100, 80, 95], then: ["sell 1 @ 85 stopLoss"] },
    { when: "the high only touches the target", bar: [100, 120, 100, 119], then: [] },
    { when: "the high passes the target", bar: [100, 120.1, 100, 119], then: ["sell 1 @ 120 takeProfit"] },
    { when: "the market opens above the target", bar: [125, 126, 100, 119], then: ["sell 1 @ 125 takeProfit"] },
    { when: "both lie within the bar", bar: [100, 130, 80, 119], then: ["sell 1 @ 90 stopLoss"] },
  ] as const)("$when → $then", ({ bar, then }) => {
    expect(told(entered().bar(2, bar))).toEqual(then);
  });

  test("stops with slippage, takes its profit without", () => {
    const config = venueConfig({ slippageBps: "100" });
    expect(told(entered(config).bar(2, [100, 100, 90, 95]))).toEqual(["sell 1 @ 89.1 stopLoss"]);
    expect(told(entered(config).bar(2, [100, 121, 100, 121]))).toEqual(["sell 1 @ 120 takeProfit"]);
  });

  test("protects from the bar of its entry on", () => {
    const venue = new TestVenue();
    venue.place({ stopLoss: "90", takeProfit: "120" });
    expect(told(venue.bar(1, [100, 125, 85, 100]))).toEqual(["buy 1 @ 100 entry", "sell 1 @ 90 stopLoss"]);
  });

  test("does not take its profit in the bar that reached its limit: the high may have come before", () => {
    const venue = new TestVenue();
    venue.place({ limit: "95", stopLoss: "80", takeProfit: "110" });
    expect(told(venue.bar(1, [100, 115, 94, 100]))).toEqual(["buy 1 @ 95 entry"]);
    expect(told(venue.bar(2, [100, 115, 94, 100]))).toEqual(["sell 1 @ 110 takeProfit"]);
  });

  test("is stopped out in the bar that reached its limit: the way to the low led past both", () => {
    const venue = new TestVenue();
    venue.place({ limit: "95", stopLoss: "90", takeProfit: "110" });
    expect(told(venue.bar(1, [100, 115, 85, 100]))).toEqual(["buy 1 @ 95 entry", "sell 1 @ 90 stopLoss"]);
  });

  test("sells the rest of a triggered stop at the next opens when the volume is too small", () => {
    const venue = entered(venueConfig({ volumeShare: "0.1" }));
    expect(told(venue.bar(2, [100, 100, 90, 95], 4))).toEqual(["sell 0.4 @ 90 stopLoss"]);
    expect(told(venue.bar(3, [97, 130, 97, 98], 100))).toEqual(["sell 0.6 @ 97 stopLoss"]);
  });

  test("shrinks when the position is sold by another order, the oldest first", () => {
    const venue = entered();
    venue.place({ id: "b", stopLoss: "80" }, MINUTE_MS);
    venue.bar(2, [100, 100, 100, 100]);
    venue.place({ id: "c", side: "sell", quantity: "1.5" }, 2 * MINUTE_MS);
    venue.bar(3, [100, 100, 100, 100]);
    expect(venue.state.orders.map((order) => [order.request.clientOrderId, formatDecimal(order.protected)])).toEqual([
      ["b", "0.5"],
    ]);
  });

  test("cancels what its entry has not bought yet once a leg fires", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1" }));
    venue.place({ quantity: "2", stopLoss: "90" });
    venue.bar(1, [100, 100, 100, 100], 10);
    expect(told(venue.bar(2, [89, 89, 89, 89], 10))).toEqual(["a Cancelled LEG_TRIGGERED 1", "sell 1 @ 89 stopLoss"]);
    expect(venue.state.orders).toEqual([]);
  });

  test("never sells what another strategy holds on the same account", () => {
    const venue = entered();
    venue.place({ id: "b", owner: "strategy-2", quantity: "3" }, MINUTE_MS);
    venue.place({ id: "c", side: "sell", quantity: "1" }, MINUTE_MS);
    venue.bar(2, [100, 100, 100, 100]);
    expect(venue.state.orders).toEqual([]);
    venue.place({ id: "d", side: "sell", quantity: "1" }, 2 * MINUTE_MS);
    expect(told(venue.bar(3, [100, 100, 100, 100]))).toEqual(["d Cancelled NOTHING_TO_SELL 0"]);
    expect(formatDecimal(venue.state.balances["BTC"]!)).toBe("3");
  });
});

describe("cancel and replace", () => {
  test("cancelling a working entry keeps what protects its fills; cancelling again ends the legs", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1" }));
    venue.place({ quantity: "2", stopLoss: "90" });
    venue.bar(1, [100, 100, 100, 100], 10);
    expect(told(venue.do({ type: "cancel", clientOrderId: "a", at: MINUTE_MS }))).toEqual(["a Cancelled CANCELLED_BY_OWNER 1"]);
    expect(restingLegs(venue.state.orders[0]!)).toEqual(["stopLoss"]);
    venue.do({ type: "cancel", clientOrderId: "a", at: MINUTE_MS });
    expect(venue.state.orders).toEqual([]);
    expect(told(venue.do({ type: "cancel", clientOrderId: "a", at: MINUTE_MS }))).toEqual(["refused cancel a ORDER_UNKNOWN"]);
  });

  test("a replaced limit works at its new price from the next bar on", () => {
    const venue = new TestVenue();
    venue.place({ limit: "90" });
    venue.bar(1, [100, 100, 95, 100]);
    venue.do({ type: "replace", clientOrderId: "a", change: { limit: (96n * 10n ** 18n) as never }, at: 2 * MINUTE_MS });
    expect(told(venue.bar(2, [100, 100, 95, 100]))).toEqual(["buy 1 @ 96 entry"]);
  });

  test("an order can be cut to what has filled, not below", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1" }));
    venue.place({ quantity: "2" });
    venue.bar(1, [100, 100, 100, 100], 10);
    const unit = 10n ** 18n;
    expect(
      told(venue.do({ type: "replace", clientOrderId: "a", change: { quantity: (unit / 2n) as never }, at: MINUTE_MS })),
    ).toEqual(["refused replace a ORDER_INVALID"]);
    venue.do({ type: "replace", clientOrderId: "a", change: { quantity: unit as never }, at: MINUTE_MS });
    expect(venue.events.at(-1)).toMatchObject({ type: "order", order: { state: "Filled" } });
  });
});

describe("what the venue refuses", () => {
  test.each([
    { reason: "MARKET_UNKNOWN", given: { market: "DOGE/USDT" } },
    { reason: "ORDER_INVALID", given: { quantity: "0.000000001" } },
    { reason: "ORDER_INVALID", given: { limit: "100", stopLoss: "100" } },
    { reason: "ORDER_INVALID", given: { side: "sell", stopLoss: "90" } },
    { reason: "ORDER_INVALID", given: { timeInForce: "PostOnly" } },
    { reason: "BELOW_MINIMUM", given: { quantity: "0.001", limit: "100" } },
    { reason: "INSUFFICIENT_BALANCE", given: { side: "sell" } },
    { reason: "EXPIRED", given: { expiresAt: MINUTE_MS } },
  ] as const)("$reason for $given", ({ reason, given }) => {
    const venue = new TestVenue();
    expect(told(venue.place(given, MINUTE_MS))).toEqual([`refused place a ${reason}`]);
    expect(venue.state.orders).toEqual([]);
  });

  test("a client order id only while an order with it is open, like a real exchange", () => {
    const venue = new TestVenue();
    venue.place({});
    expect(told(venue.place({}))).toEqual(["refused place a DUPLICATE_CLIENT_ORDER_ID"]);
    venue.bar(1, [100, 100, 100, 100]);
    venue.place({}, MINUTE_MS);
    expect(told(venue.bar(2, [100, 100, 100, 100]))).toEqual(["buy 1 @ 100 entry"]);
    expect(venue.events.flatMap((event) => (event.type === "fill" ? [event.fill.tradeId] : []))).toEqual(["t1", "t2"]);
  });
});

describe("the state", () => {
  test("survives serialising, whatever rests", () => {
    const venue = new TestVenue(venueConfig({ volumeShare: "0.1", feeBps: "7" }));
    venue.place({ quantity: "2", stopLoss: "90" });
    venue.place({ id: "d:1", limit: "80", expiresAt: 99 * MINUTE_MS, maxCost: "500" });
    venue.bar(1, [100, 100, 100, 100], 10);
    const read = parseVenue(serialiseVenue(venue.state));
    expect(read).toEqual(venue.state);
    const again = new TestVenue(venue.config);
    again.state = read;
    expect(again.bar(2, [79, 79, 79, 79])).toEqual(venue.bar(2, [79, 79, 79, 79]));
  });

  test("text that is none is refused", () => {
    expect(() => parseVenue("{}")).toThrow(expect.objectContaining({ code: "VENUE_STATE_INVALID" }));
  });

  test("a bar of another market moves no order", () => {
    const venue = new TestVenue();
    venue.place({});
    const bar = { time: MINUTE_MS, open: 1, high: 1, low: 1, close: 1, volume: 1000 };
    expect(venue.do({ type: "bar", market: "ETH/USDT", bar })).toEqual([]);
    expect(venue.state.lastPrices).toEqual({ "ETH/USDT": 1 });
    expect(venue.state.orders[0]?.request.market).toBe(MARKET);
  });
});
