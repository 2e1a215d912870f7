import { add, divide, multiply, subtract, ZERO, type Decimal } from "../decimal.ts";
import type { Position, SubAccount } from "./sub-account.ts";

/** The last close of a market, exact; undefined where there is none yet. */
export type MarkPrices = (market: string) => Decimal | undefined;

export interface MarkedPosition {
  readonly position: Position;
  readonly averagePrice: Decimal;
  readonly markPrice: Decimal;
  readonly notional: Decimal;
  readonly unrealizedPnl: Decimal;
}

export interface MarkedAccount {
  /** Sum of transfers in the base currency. */
  readonly capital: Decimal;
  /** Balance of the base currency, reserved cash included. */
  readonly cash: Decimal;
  readonly equity: Decimal;
  /** Net of fees: capital + realizedPnl + unrealizedPnl = equity, exactly. */
  readonly realizedPnl: Decimal;
  readonly unrealizedPnl: Decimal;
  readonly fees: Decimal;
  readonly positions: readonly MarkedPosition[];
}

/**
 * A sub-account marked to market, in `currency` (the quote of its markets). A position without a mark is valued at its
 * average cost: it has no gain or loss until a price is known. Positions sold out are left out.
 */
export function markToMarket(account: SubAccount, currency: string, marks: MarkPrices): MarkedAccount {
  const cash = account.balances[currency] ?? ZERO;
  const capital = account.transfers[currency] ?? ZERO;
  const positions: MarkedPosition[] = [];
  let [equity, realizedPnl, unrealizedPnl, fees] = [cash, ZERO, ZERO, ZERO];
  for (const position of Object.values(account.positions)) {
    realizedPnl = add(realizedPnl, subtract(position.realizedPnl, position.fees));
    fees = add(fees, position.fees);
    if (position.quantity === 0n) continue;
    const marked = markPosition(position, marks(position.market));
    positions.push(marked);
    equity = add(equity, marked.notional);
    unrealizedPnl = add(unrealizedPnl, marked.unrealizedPnl);
  }
  return { capital, cash, equity, realizedPnl, unrealizedPnl, fees, positions };
}

function markPosition(position: Position, mark: Decimal | undefined): MarkedPosition {
  const averagePrice = averagePriceOf(position);
  const notional = mark === undefined ? position.cost : multiply(position.quantity, mark, "down");
  return { position, averagePrice, markPrice: mark ?? averagePrice, notional, unrealizedPnl: subtract(notional, position.cost) };
}

/** Average cost of one unit, half-even at 18 decimals; zero when nothing is held. */
export function averagePriceOf({ quantity, cost }: Position): Decimal {
  return quantity === 0n ? ZERO : divide(cost, quantity, "halfEven");
}
