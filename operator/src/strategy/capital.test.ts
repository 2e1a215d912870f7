import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaledOf } from "../figures.ts";
import { testStrategy } from "../testing/objects.ts";
import { noCapitalMessage, shareOf } from "./capital.ts";

const stated = (name: string, shareRatio: string) => testStrategy(name, { capital: { shareRatio } });
const registered = (name: string, shareRatio: string) =>
  testStrategy(name, {}, { run: 1, policy: "main", account: "paper", shareRatio });

describe("the part of an account a strategy may use", () => {
  test.each([
    { when: "it says so", strategy: stated("a", "0.25"), others: [], then: "0.25" },
    { when: "it is the first of four", strategy: testStrategy("a"), others: [], then: "0.25" },
    {
      when: "others took their part before",
      strategy: testStrategy("a"),
      others: [registered("b", "0.25"), registered("c", "0.25")],
      then: "0.25",
    },
    {
      when: "others say what they take",
      strategy: testStrategy("a"),
      others: [stated("b", "0.3"), stated("c", "0.2")],
      then: "0.25",
    },
    {
      when: "others wait as well",
      strategy: testStrategy("a"),
      others: [stated("b", "0.4"), testStrategy("c"), testStrategy("d"), testStrategy("e")],
      then: "0.15",
    },
    { when: "it was fixed at its registration", strategy: registered("a", "0.4"), others: [testStrategy("b")], then: "0.4" },
    { when: "another's was fixed", strategy: testStrategy("a"), others: [registered("b", "0.7")], then: "0.1" },
    {
      when: "a backtest shares the account only in name",
      strategy: testStrategy("a"),
      others: [testStrategy("b", { mode: "Backtest" })],
      then: "0.25",
    },
    {
      when: "another account's strategies are none of its business",
      strategy: testStrategy("a"),
      others: [testStrategy("b", { riskPolicyRef: { name: "main", account: "x" } })],
      then: "0.25",
    },
    {
      when: "it was registered on another account",
      strategy: testStrategy("a", {}, { run: 1, policy: "main", account: "old", shareRatio: "0.1" }),
      others: [],
      then: "0.25",
    },
  ])("when $when: $then", ({ strategy, others, then }) => {
    expect(shareOf(strategy, { strategies: [strategy, ...others], places: 4 })).toEqual({ settled: true, shareRatio: then });
  });

  test("says who has it when nothing is left", () => {
    const share = shareOf(testStrategy("a"), { strategies: [stated("b", "0.7"), registered("c", "0.3")], places: 4 });
    expect(share.settled).toBe(false);
    if (!share.settled) expect(noCapitalMessage("paper", share)).toContain("(b 0.7, c 0.3)");
  });

  test("the parts together never pass the whole", () => {
    const arbitrary = fc.record({
      silent: fc.integer({ min: 1, max: 9 }),
      claims: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ silent, claims }) => {
        const others = [
          ...claims.map((percent, index) => stated(`s${index}`, String(percent / 100))),
          ...Array.from({ length: silent }, (_, index) => testStrategy(`w${index}`)),
        ];
        let total = claims.reduce((sum, percent) => sum + scaledOf(String(percent / 100)), 0n);
        for (const strategy of others.slice(claims.length)) {
          const share = shareOf(strategy, { strategies: others, places: 4 });
          expect(share.settled).toBe(true);
          if (share.settled) total += scaledOf(share.shareRatio);
        }
        expect(total <= 10n ** 18n).toBe(true);
      }),
    );
  });

  test("all that may run at once get the same, in whatever order they register", () => {
    const names = ["a", "b", "c", "d"];
    const strategies = names.map((name) => testStrategy(name));
    for (const [index, strategy] of strategies.entries()) {
      const share = shareOf(strategy, { strategies, places: 4 });
      expect(share).toEqual({ settled: true, shareRatio: "0.25" });
      if (share.settled) strategies[index] = registered(strategy.metadata.name, share.shareRatio);
    }
    expect(shareOf(testStrategy("e"), { strategies, places: 4 }).settled).toBe(false);
  });
});
