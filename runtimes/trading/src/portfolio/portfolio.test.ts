import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { add, formatDecimal, multiply, negate, parseDecimal, subtract, ZERO, type Decimal } from "../decimal.ts";
import type { FillEntry, JournalEntry } from "./entries.ts";
import { foldEntries } from "./sub-account.ts";
import { averagePriceOf, markToMarket } from "./valuation.ts";

const d = parseDecimal;
const btc = { market: "BTC/USDT", base: "BTC", quote: "USDT" };
const cashIn = (amount: string): JournalEntry => ({ kind: "transfer", asset: "USDT", amount: d(amount) });
type FillText = readonly [side: "buy" | "sell", quantity: string, price: string, fee?: readonly [string, string]];
const fill = (...[side, quantity, price, [fee, feeAsset] = ["0", "USDT"]]: FillText): FillEntry => ({
  kind: "fill",
  ...btc,
  side,
  quantity: d(quantity),
  price: d(price),
  fee: d(fee),
  feeAsset,
});

/** Figures as text, marked at `mark`. */
function figures(entries: readonly JournalEntry[], mark: string) {
  const account = foldEntries(entries);
  const marked = markToMarket(account, "USDT", () => d(mark));
  const position = account.positions["BTC/USDT"];
  const text = ({ cash, equity, realizedPnl, unrealizedPnl, fees }: typeof marked) => ({
    cash,
    equity,
    realizedPnl,
    unrealizedPnl,
    fees,
  });
  return {
    ...Object.fromEntries(Object.entries(text(marked)).map(([name, value]) => [name, formatDecimal(value)])),
    quantity: formatDecimal(position?.quantity ?? ZERO),
    averagePrice: position === undefined ? "0" : formatDecimal(averagePriceOf(position)),
  };
}

describe("the fold of a sub-account", () => {
  test.each([
    { when: "nothing was traded", entries: [], then: { cash: "1000", equity: "1000", realizedPnl: "0", unrealizedPnl: "0" } },
    {
      when: "a position is open",
      entries: [fill("buy", "2", "100")],
      then: { cash: "800", equity: "1020", realizedPnl: "0", unrealizedPnl: "20", quantity: "2", averagePrice: "100" },
    },
    {
      when: "it was built in two steps and half of it sold",
      entries: [fill("buy", "1", "100"), fill("buy", "1", "120"), fill("sell", "1", "130")],
      then: { cash: "910", equity: "1020", realizedPnl: "20", unrealizedPnl: "0", averagePrice: "110" },
    },
    {
      when: "fees were paid in the quote asset",
      entries: [fill("buy", "1", "100", ["0.1", "USDT"]), fill("sell", "1", "110", ["0.11", "USDT"])],
      then: { cash: "1009.79", equity: "1009.79", realizedPnl: "9.79", unrealizedPnl: "0", fees: "0.21" },
    },
    {
      when: "the fee was taken from what was bought",
      entries: [fill("buy", "1", "100", ["0.001", "BTC"])],
      then: {
        cash: "900",
        equity: "1009.89",
        quantity: "0.999",
        averagePrice: "100",
        fees: "0.1",
        realizedPnl: "-0.1",
        unrealizedPnl: "9.99",
      },
    },
    {
      when: "a position came without a trade",
      entries: [{ kind: "position" as const, ...btc, quantity: d("1"), price: d("90") }],
      then: { cash: "1000", equity: "1110", realizedPnl: "0", unrealizedPnl: "20", averagePrice: "90" },
    },
    {
      when: "a kept position went to another sub-account",
      entries: [fill("buy", "1", "100"), { kind: "position" as const, ...btc, quantity: d("-1"), price: d("105") }],
      then: { cash: "900", equity: "900", realizedPnl: "5", unrealizedPnl: "0", quantity: "0" },
    },
  ])("when $when", ({ entries, then }) => {
    expect(figures([cashIn("1000"), ...entries], "110")).toMatchObject(then);
  });

  test("a fee in a third asset comes off that asset", () => {
    const { balances } = foldEntries([
      { kind: "transfer", asset: "BNB", amount: d("1") },
      fill("buy", "1", "100", ["0.01", "BNB"]),
    ]);
    expect(formatDecimal(balances["BNB"]!)).toBe("0.99");
  });

  test("a position without a price is valued at its cost", () => {
    const account = foldEntries([cashIn("1000"), fill("buy", "1", "100")]);
    expect(markToMarket(account, "USDT", () => undefined)).toMatchObject({ equity: d("1000"), unrealizedPnl: 0n });
  });
});

describe("over generated journals", () => {
  const trade = fc.record({
    side: fc.constantFrom("buy" as const, "sell" as const),
    quantity: fc.integer({ min: 1, max: 1_000_000 }).map((units) => (units / 1e4).toFixed(8)),
    price: fc.integer({ min: 1, max: 10_000_000 }).map((units) => (units / 1e3).toFixed(10)),
    fee: fc.integer({ min: 0, max: 1000 }).map((units) => (units / 1e8).toFixed(8)),
    feeAsset: fc.constantFrom("USDT", "BTC"),
  });
  /** Sells at most what is held. */
  const journal = fc.array(trade, { maxLength: 40 }).map((trades) => {
    const entries: JournalEntry[] = [cashIn("1000000")];
    let held = ZERO;
    for (const { side, quantity, price, fee, feeAsset } of trades) {
      const sold = side === "sell" && d(quantity) > held ? held : d(quantity);
      if (sold === 0n || (feeAsset === "BTC" && d(fee) > held)) continue;
      const entry = { ...fill(side, formatDecimal(sold), price, side === "sell" ? [fee, "USDT"] : [fee, feeAsset]) };
      entries.push(entry);
      held = side === "buy" ? add(held, sold) : subtract(held, sold);
      if (entry.feeAsset === "BTC") held = subtract(held, entry.fee);
    }
    return entries;
  });

  test("transfers + bought − sold − fees = balance of every asset, exactly", () => {
    fc.assert(
      fc.property(journal, (entries) => {
        const expected: Record<string, Decimal> = {};
        const plus = (asset: string, amount: Decimal) => (expected[asset] = add(expected[asset] ?? ZERO, amount));
        for (const entry of entries) {
          if (entry.kind === "transfer") plus(entry.asset, entry.amount);
          if (entry.kind !== "fill") continue;
          const notional = multiply(entry.quantity, entry.price, "down");
          plus("BTC", entry.side === "buy" ? entry.quantity : negate(entry.quantity));
          plus("USDT", entry.side === "buy" ? negate(notional) : notional);
          plus(entry.feeAsset, negate(entry.fee));
        }
        expect(foldEntries(entries).balances).toEqual(expected);
      }),
    );
  });

  test("capital + realized + unrealized = equity, exactly, at any price", () => {
    fc.assert(
      fc.property(journal, fc.integer({ min: 1, max: 1e9 }), (entries, cents) => {
        const mark = d((cents / 100).toFixed(2));
        const account = foldEntries(entries);
        const { capital, realizedPnl, unrealizedPnl, equity, cash } = markToMarket(account, "USDT", () => mark);
        expect(add(capital, add(realizedPnl, unrealizedPnl))).toBe(equity);
        expect(equity).toBe(add(cash, multiply(account.balances["BTC"] ?? ZERO, mark, "down")));
        expect(account.positions["BTC/USDT"]?.quantity ?? ZERO).toBe(account.balances["BTC"] ?? ZERO);
      }),
    );
  });
});
