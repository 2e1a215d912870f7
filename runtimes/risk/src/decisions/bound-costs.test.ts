import { type Decimal, add, formatDecimal, parseDecimal } from "@bellwether/trading";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundCosts } from "./bound-costs.ts";

const buy = (reservation: string, limited = false) => ({ reservation: parseDecimal(reservation), limited });

describe("boundCosts", () => {
  test.each([
    { when: "one market order has cash to spare", buys: [buy("100")], free: "1000", then: ["110"] },
    { when: "one market order takes nearly all", buys: [buy("990")], free: "1000", then: ["1000"] },
    { when: "two market orders share what is left", buys: [buy("300"), buy("600")], free: "909", then: ["303", "606"] },
    { when: "a limit order needs no slack", buys: [buy("300", true), buy("600")], free: "1000", then: ["300", "660"] },
    { when: "nothing is left", buys: [buy("500"), buy("500")], free: "1000", then: ["500", "500"] },
    { when: "there are no buys", buys: [], free: "1000", then: [] },
  ])("$when → $then", ({ buys, free, then }) => {
    expect(boundCosts(buys, parseDecimal(free)).map(formatDecimal)).toEqual(then);
  });

  test("never hands out more than the free cash, nor less than each reservation", () => {
    const amount = fc.bigInt({ min: 1n, max: 10n ** 24n });
    const buys = fc.array(fc.record({ reservation: amount.map((value) => value as Decimal), limited: fc.boolean() }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(buys, fc.bigInt({ min: 0n, max: 10n ** 24n }), (list, spare) => {
        const free = list.reduce((sum, { reservation }) => add(sum, reservation), spare as Decimal);
        const bounds = boundCosts(list, free);
        expect(bounds.reduce((sum, bound) => add(sum, bound), 0n as Decimal) <= free).toBe(true);
        expect(bounds.every((bound, index) => bound >= (list[index]?.reservation ?? 0n))).toBe(true);
      }),
    );
  });
});
