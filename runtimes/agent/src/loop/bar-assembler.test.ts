import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BarAssembler, type BarGroup, groupWaitMs } from "./bar-assembler.ts";

const minute = 60_000;
const one = { symbol: "BTC/USDT", timeframe: "1m", timeframeMs: minute };
const two = { symbol: "ETH/USDT", timeframe: "1m", timeframeMs: minute };
const five = { symbol: "BTC/USDT", timeframe: "5m", timeframeMs: 5 * minute };
const bar = (openMinute: number) => ({ time: openMinute * minute, open: 1, high: 1, low: 1, close: 1, volume: 0 });

/** `T: markets` of every group that can be taken now. */
function takeAll(assembler: BarAssembler, nowMs: number): string[] {
  const groups: string[] = [];
  for (let group = assembler.take(nowMs); group; group = assembler.take(nowMs)) groups.push(shown(group));
  return groups;
}

const shown = ({ closeTime, bars }: BarGroup): string => `${closeTime / minute}: ${bars.map(({ market }) => market).join(",")}`;

describe("bars of several markets", () => {
  test("run together in manifest order once all have arrived", () => {
    const assembler = new BarAssembler([one, two]);
    assembler.add(1, bar(0), 0);
    expect(takeAll(assembler, 0)).toEqual([]);
    assembler.add(0, bar(0), 1);
    expect(takeAll(assembler, 1)).toEqual(["1: 0,1"]);
  });

  test("run without the missing one after 5 s, and do not wait for it again until it is back", () => {
    const assembler = new BarAssembler([one, two]);
    assembler.add(0, bar(0), 100);
    expect(assembler.nextDeadlineMs()).toBe(100 + groupWaitMs);
    expect(takeAll(assembler, 99 + groupWaitMs)).toEqual([]);
    expect(takeAll(assembler, 100 + groupWaitMs)).toEqual(["1: 0"]);
    assembler.add(0, bar(1), 10_000);
    expect(takeAll(assembler, 10_000)).toEqual(["2: 0"]);
    expect(assembler.add(1, bar(1), 10_001)).toBe("late");
    assembler.add(0, bar(2), 20_000);
    expect(takeAll(assembler, 20_000)).toEqual([]);
    assembler.add(1, bar(2), 20_001);
    expect(takeAll(assembler, 20_001)).toEqual(["3: 0,1"]);
  });

  test("wait for a longer timeframe only when it closes", () => {
    const assembler = new BarAssembler([one, five]);
    assembler.skip(0, bar(4));
    assembler.skip(1, bar(0));
    for (const open of [5, 6, 7, 8]) assembler.add(0, bar(open), 0);
    expect(takeAll(assembler, 0)).toEqual(["6: 0", "7: 0", "8: 0", "9: 0"]);
    assembler.add(0, bar(9), 0);
    expect(takeAll(assembler, 0)).toEqual([]);
    assembler.add(1, bar(5), 0);
    expect(takeAll(assembler, 0)).toEqual(["10: 0,1"]);
  });

  test("are taken oldest first: a complete later group pushes an incomplete earlier one", () => {
    const assembler = new BarAssembler([one, two]);
    assembler.add(0, bar(0), 0);
    assembler.add(0, bar(1), 0);
    assembler.add(1, bar(1), 0);
    expect(takeAll(assembler, 0)).toEqual(["1: 0", "2: 0,1"]);
  });

  test("are taken once: what is known already is neither a repeat nor a revision's new decision", () => {
    const assembler = new BarAssembler([one]);
    assembler.skip(0, bar(3));
    expect(assembler.add(0, bar(2), 0)).toBe("known");
    expect(assembler.add(0, bar(3), 0)).toBe("known");
    expect(assembler.add(0, bar(4), 0)).toBe("taken");
    expect(takeAll(assembler, 0)).toEqual(["5: 0"]);
    expect(assembler.add(0, bar(4), 0)).toBe("known");
    expect(takeAll(assembler, 0)).toEqual([]);
  });

  test("are never lost, doubled or taken out of order, however they arrive", () => {
    const arrivals = fc.array(fc.record({ market: fc.nat(1), skipMinutes: fc.nat(2), waitMs: fc.nat(7000) }), { maxLength: 60 });
    fc.assert(
      fc.property(arrivals, (events) => {
        const assembler = new BarAssembler([one, two]);
        const opens = [0, 0];
        const given: string[] = [];
        const taken: string[] = [];
        const times: number[] = [];
        const drain = (nowMs: number): void => {
          for (let group = assembler.take(nowMs); group; group = assembler.take(nowMs)) {
            times.push(group.closeTime);
            taken.push(...group.bars.map((each) => `${each.market}@${each.bar.time}`));
          }
        };
        let nowMs = 0;
        for (const { market, skipMinutes, waitMs } of events) {
          nowMs += waitMs;
          const open = (opens[market] = (opens[market] ?? 0) + 1 + skipMinutes);
          if (assembler.add(market, bar(open), nowMs) === "taken") given.push(`${market}@${open * minute}`);
          drain(nowMs);
        }
        drain(nowMs + groupWaitMs);
        expect(taken.toSorted()).toEqual(given.toSorted());
        expect(times).toEqual(times.toSorted((left, right) => left - right));
        expect(new Set(times).size).toBe(times.length);
      }),
    );
  });
});
