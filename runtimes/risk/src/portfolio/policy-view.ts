import { type Decimal, type PolicyView, ZERO, add } from "@bellwether/trading";
import { type AccountBook, baseOf } from "./book.ts";
import { accountEquity, assetBalances, assetNotional } from "./valuation.ts";

/** What losses are counted from; moved by deposits and withdrawals. */
export interface EquityReferences {
  readonly dayStartEquity: Decimal;
  readonly peakEquity: Decimal;
}

/** All accounts of the policy together, as the rules see them. Equity and exposure are reckoned when they are asked for. */
export function policyViewOf(books: readonly AccountBook[], currency: string, references: EquityReferences): PolicyView {
  let equity: Decimal | undefined;
  return {
    get equity() {
      return (equity ??= books.reduce((sum, book) => add(sum, accountEquity(book, currency)), ZERO));
    },
    dayStartEquity: references.dayStartEquity,
    peakEquity: references.peakEquity,
    exposure(market) {
      const asset = baseOf(market);
      let [positionNotional, workingBuysNotional] = [ZERO, ZERO];
      for (const book of books) {
        const amount = assetBalances(book).get(asset) ?? ZERO;
        if (amount !== 0n) positionNotional = add(positionNotional, assetNotional(book, { asset, amount, currency }));
        workingBuysNotional = add(workingBuysNotional, book.workingBuysNotional(asset));
      }
      return { positionNotional, workingBuysNotional };
    },
  };
}
