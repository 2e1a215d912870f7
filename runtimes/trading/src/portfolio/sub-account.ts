import { add, maximum, multiply, multiplyDivide, negate, subtract, ZERO, type Decimal } from "../decimal.ts";
import type { FillEntry, JournalEntry, PositionEntry, TransferEntry } from "./entries.ts";

/** What is held of one market's base asset and what it cost, fees excluded. */
export interface Position {
  readonly market: string;
  readonly base: string;
  readonly quote: string;
  readonly quantity: Decimal;
  /** Exact total paid for what is held; average price = cost / quantity. */
  readonly cost: Decimal;
  /** Proceeds − cost of everything sold, fees excluded. */
  readonly realizedPnl: Decimal;
  /** Fees in the quote asset; fees in the base asset valued at their fill's price. */
  readonly fees: Decimal;
}

/**
 * A sub-account: the fold of its journal entries. Exact: for every asset
 * transfers + bought − sold − fees = balance, to the last digit, whatever the order of fills and fees.
 */
export interface SubAccount {
  /** Per asset; negative never occurs when the venue and the sizing do their work. */
  readonly balances: Readonly<Record<string, Decimal>>;
  /** Sum of transfers per asset. */
  readonly transfers: Readonly<Record<string, Decimal>>;
  readonly positions: Readonly<Record<string, Position>>;
}

export const EMPTY_SUB_ACCOUNT: SubAccount = Object.freeze({ balances: {}, transfers: {}, positions: {} });

/** The sub-account after one more entry. */
export function applyEntry(account: SubAccount, entry: JournalEntry): SubAccount {
  switch (entry.kind) {
    case "transfer":
      return applyTransfer(account, entry);
    case "fill":
      return applyFill(account, entry);
    case "position":
      return applyPosition(account, entry);
  }
}

/** The sub-account that a journal leads to, from nothing. */
export function foldEntries(entries: Iterable<JournalEntry>): SubAccount {
  let account = EMPTY_SUB_ACCOUNT;
  for (const entry of entries) account = applyEntry(account, entry);
  return account;
}

function applyTransfer(account: SubAccount, { asset, amount }: TransferEntry): SubAccount {
  return {
    ...account,
    balances: plus(account.balances, asset, amount),
    transfers: plus(account.transfers, asset, amount),
  };
}

function applyFill(account: SubAccount, fill: FillEntry): SubAccount {
  const { base, quote, quantity, feeAsset } = fill;
  const notional = multiply(quantity, fill.price, fill.side === "buy" ? "up" : "down");
  const bought = fill.side === "buy";
  const balances: Record<string, Decimal> = { ...account.balances };
  const [units, cash] = [balances[base] ?? ZERO, balances[quote] ?? ZERO];
  balances[base] = bought ? add(units, quantity) : subtract(units, quantity);
  balances[quote] = bought ? subtract(cash, notional) : add(cash, notional);
  balances[feeAsset] = subtract(balances[feeAsset] ?? ZERO, fill.fee);
  const held = account.positions[fill.market] ?? emptyPosition(fill);
  const traded = bought ? increase(held, quantity, notional) : decrease(held, quantity, notional);
  return { balances, transfers: account.transfers, positions: { ...account.positions, [fill.market]: chargeFee(traded, fill) } };
}

function applyPosition(account: SubAccount, entry: PositionEntry): SubAccount {
  const { market, base, quote, quantity, price } = entry;
  const magnitude = maximum(quantity, negate(quantity));
  const value = multiply(magnitude, price, "up");
  const held = account.positions[market] ?? emptyPosition(entry);
  return {
    balances: plus(account.balances, base, quantity),
    transfers: plus(plus(account.transfers, quote, quantity > 0n ? value : negate(value)), base, quantity),
    positions: {
      ...account.positions,
      [market]: quantity > 0n ? increase(held, magnitude, value) : decrease(held, magnitude, value),
    },
  };
}

function plus(amounts: Readonly<Record<string, Decimal>>, asset: string, amount: Decimal): Readonly<Record<string, Decimal>> {
  return { ...amounts, [asset]: add(amounts[asset] ?? ZERO, amount) };
}

function emptyPosition({ market, base, quote }: FillEntry | PositionEntry): Position {
  return { market, base, quote, quantity: ZERO, cost: ZERO, realizedPnl: ZERO, fees: ZERO };
}

function increase(position: Position, quantity: Decimal, cost: Decimal): Position {
  return { ...position, quantity: add(position.quantity, quantity), cost: add(position.cost, cost) };
}

/**
 * Takes `quantity` out at average cost. What sells more than was bought (an asset that came by transfer) has no cost:
 * the position stays at zero, the proceeds are all gain.
 */
function decrease(position: Position, quantity: Decimal, proceeds: Decimal): Position {
  const sold = costOf(position, quantity);
  return {
    ...position,
    quantity: maximum(subtract(position.quantity, quantity), ZERO),
    cost: subtract(position.cost, sold),
    realizedPnl: add(position.realizedPnl, subtract(proceeds, sold)),
  };
}

function costOf({ quantity: held, cost }: Position, quantity: Decimal): Decimal {
  if (quantity >= held) return cost;
  return multiplyDivide(cost, quantity, { divisor: held, rounding: "down" });
}

/** A fee in the base asset is a disposal at the fill's price, whose proceeds pay the fee: P&L stays exact. */
function chargeFee(position: Position, fill: FillEntry): Position {
  if (fill.fee === 0n) return position;
  if (fill.feeAsset === fill.quote) return { ...position, fees: add(position.fees, fill.fee) };
  if (fill.feeAsset !== fill.base) return position;
  const value = multiply(fill.fee, fill.price, "up");
  const without = decrease(position, fill.fee, value);
  return { ...without, fees: add(without.fees, value) };
}
