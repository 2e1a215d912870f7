import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { add, parseDecimal, subtract, multiply, ZERO, type Decimal } from "../decimal.ts";
import { MARKET, MINUTE_MS, request, TestVenue, venueConfig } from "../testing/venue-fixtures.ts";
import { isLive, type PaperEvent } from "./paper-state.ts";
import { parseVenue, serialiseVenue } from "./serialise.ts";

const price = fc.integer({ min: 50, max: 150 }).map(String);
const owner = fc.constantFrom("strategy-1", "strategy-2");

const placing = fc.record({
  kind: fc.constant("place" as const),
  owner,
  side: fc.constantFrom("buy" as const, "sell" as const),
  quantity: fc.integer({ min: 1, max: 400 }).map((hundredths) => (hundredths / 100).toFixed(8)),
  limit: fc.option(price, { nil: undefined }),
  timeInForce: fc.constantFrom("GTC" as const, "IOC" as const, "FOK" as const, "PostOnly" as const),
  stop: fc.option(fc.integer({ min: 30, max: 80 }).map(String), { nil: undefined }),
  target: fc.option(fc.integer({ min: 120, max: 200 }).map(String), { nil: undefined }),
  lives: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
});
const cancelling = fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(30) });
const replacing = fc.record({ kind: fc.constant("replace" as const), which: fc.nat(30), limit: price });
const trading = fc.record({
  kind: fc.constant("bar" as const),
  open: fc.integer({ min: 40, max: 160 }),
  up: fc.integer({ min: 0, max: 30 }),
  down: fc.integer({ min: 0, max: 30 }),
  volume: fc.integer({ min: 0, max: 60 }),
});
const history = fc.array(fc.oneof({ weight: 3, arbitrary: trading }, { weight: 3, arbitrary: placing }, cancelling, replacing), {
  maxLength: 60,
});
const costs = fc.record({ feeBps: fc.constantFrom("0", "7.5", "100"), slippageBps: fc.constantFrom("0", "5", "250") });

type Step = typeof history extends fc.Arbitrary<(infer One)[]> ? One : never;

/** Plays one history; `check` runs after every step. */
function play(steps: readonly Step[], venue: TestVenue, check: (venue: TestVenue) => void): void {
  let minute = 0;
  for (const [index, step] of steps.entries()) {
    if (step.kind === "bar") {
      minute++;
      venue.bar(minute, [step.open, step.open + step.up, step.open - step.down, step.open], step.volume);
    } else if (step.kind === "place") {
      const { side, stop, target, lives, limit, ...rest } = step;
      const bracket = side === "buy" && (limit === undefined || (Number(stop) < Number(limit) && Number(target) > Number(limit)));
      venue.do({
        type: "place",
        at: minute * MINUTE_MS,
        request: {
          ...request({ ...rest, ...(limit !== undefined && { limit }), side, id: `o${index}`, reduceOnly: side === "sell" }),
          ...(bracket && stop !== undefined && { stopLoss: parseDecimal(stop) }),
          ...(bracket && target !== undefined && { takeProfit: parseDecimal(target) }),
          ...(lives !== undefined && { expiresAt: (minute + lives) * MINUTE_MS }),
        },
      });
    } else if (step.kind === "cancel") venue.do({ type: "cancel", clientOrderId: `o${step.which}`, at: minute * MINUTE_MS });
    else
      venue.do({
        type: "replace",
        clientOrderId: `o${step.which}`,
        change: { limit: parseDecimal(step.limit) },
        at: minute * MINUTE_MS,
      });
    check(venue);
  }
}

function fillsOf(events: readonly PaperEvent[]) {
  return events.flatMap((event) => (event.type === "fill" ? [event.fill] : []));
}

const start = { USDT: "1000", BTC: "2" };
const makeVenue = (given: { feeBps: string; slippageBps: string }) =>
  new TestVenue(venueConfig({ ...given, volumeShare: "0.1" }), start);

describe("over every history", () => {
  test("start + fills − fees = balance, exactly, and nothing is ever negative", () => {
    fc.assert(
      fc.property(history, costs, (steps, given) => {
        play(steps, makeVenue(given), (venue) => {
          let [cash, units] = [parseDecimal(start.USDT), parseDecimal(start.BTC)];
          for (const { side, quantity, price: paid, fee } of fillsOf(venue.events)) {
            const notional = multiply(quantity, paid, "down");
            expect(multiply(quantity, paid, "up")).toBe(notional);
            cash = subtract(side === "buy" ? subtract(cash, notional) : add(cash, notional), fee);
            units = side === "buy" ? add(units, quantity) : subtract(units, quantity);
          }
          expect(venue.state.balances["USDT"]).toBe(cash);
          expect(venue.state.balances["BTC"]).toBe(units);
          expect(cash >= 0n && units >= 0n).toBe(true);
        });
      }),
      { numRuns: 300 },
    );
  });

  test("no order fills more than it asked for, and legs never protect more than their owner holds", () => {
    fc.assert(
      fc.property(history, costs, (steps, given) => {
        play(steps, makeVenue(given), ({ state, events }) => {
          const filled = new Map<string, Decimal>();
          for (const { clientOrderId, quantity, leg } of fillsOf(events)) {
            if (leg === "entry") filled.set(clientOrderId, add(filled.get(clientOrderId) ?? ZERO, quantity));
          }
          for (const event of events) {
            if (event.type !== "order") continue;
            const { clientOrderId, quantity } = event.order.request;
            expect((filled.get(clientOrderId) ?? ZERO) <= quantity || event.order.filled <= quantity).toBe(true);
          }
          for (const name of ["strategy-1", "strategy-2"]) {
            let protectedUnits = ZERO;
            for (const order of state.orders)
              if (order.request.owner === name) protectedUnits = add(protectedUnits, order.protected);
            expect(protectedUnits <= (state.holdings[`${name} ${MARKET}`] ?? ZERO)).toBe(true);
          }
          expect(state.orders.every(isLive)).toBe(true);
        });
      }),
      { numRuns: 200 },
    );
  });

  test("the same commands lead to the same events and state, also through serialising after every step", () => {
    fc.assert(
      fc.property(history, costs, (steps, given) => {
        const [one, two] = [makeVenue(given), makeVenue(given)];
        play(steps, one, () => undefined);
        play(steps, two, (venue) => {
          venue.state = parseVenue(serialiseVenue(venue.state));
        });
        expect(two.events).toEqual(one.events);
        expect(two.state).toEqual(one.state);
      }),
      { numRuns: 100 },
    );
  });

  test("a bar's fills take no more than their share of its volume", () => {
    fc.assert(
      fc.property(history, costs, (steps, given) => {
        const venue = makeVenue(given);
        play(steps, venue, () => undefined);
        const byBar = new Map<number, Decimal>();
        for (const { time, quantity } of fillsOf(venue.events)) byBar.set(time, add(byBar.get(time) ?? ZERO, quantity));
        let minute = 0;
        for (const step of steps) {
          if (step.kind !== "bar") continue;
          minute++;
          expect(
            (byBar.get(minute * MINUTE_MS) ?? ZERO) <= multiply(parseDecimal(String(step.volume)), parseDecimal("0.1"), "down"),
          ).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
