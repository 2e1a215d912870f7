import { formatDecimal, type Decimal } from "../decimal.ts";
import type { WireVerdict } from "../wire/intents.ts";

/** Who asked for a stop; the strictest of them wins. */
export type TradingAuthority = "policy" | "annotation" | "journal" | "breaker";

/** Every reason why an intent becomes no order, each with its numbers. Documented in docs/verdicts.md, which a test holds. */
export type Denial =
  | { readonly allowed: false; readonly reason: "HALTED"; readonly by: TradingAuthority; readonly message: string }
  | { readonly allowed: false; readonly reason: "REDUCING"; readonly by: TradingAuthority; readonly message: string }
  | { readonly allowed: false; readonly reason: "SUSPENDED" }
  | { readonly allowed: false; readonly reason: "EXPIRED"; readonly validUntil: number; readonly marketTime: number }
  | { readonly allowed: false; readonly reason: "MARKET_UNKNOWN"; readonly market: string }
  | { readonly allowed: false; readonly reason: "ORDER_UNKNOWN"; readonly clientOrderId: string }
  | { readonly allowed: false; readonly reason: "ORDER_INVALID"; readonly message: string }
  | {
      readonly allowed: false;
      readonly reason: "NOTHING_TO_SELL";
      readonly market: string;
      readonly held: Decimal;
      readonly working: Decimal;
    }
  | { readonly allowed: false; readonly reason: "INSUFFICIENT_CASH"; readonly required: Decimal; readonly available: Decimal }
  | {
      readonly allowed: false;
      readonly reason: "BELOW_MINIMUM";
      readonly of: "quantity" | "notional";
      readonly value: Decimal;
      readonly minimum: Decimal;
    }
  | {
      readonly allowed: false;
      readonly reason: "POSITION_RATIO";
      readonly market: string;
      readonly ratio: Decimal;
      readonly maximum: Decimal;
    }
  | { readonly allowed: false; readonly reason: "ORDER_NOTIONAL"; readonly notional: Decimal; readonly maximum: Decimal }
  | { readonly allowed: false; readonly reason: "OPEN_ORDERS"; readonly open: number; readonly maximum: number }
  | {
      readonly allowed: false;
      readonly reason: "CONCENTRATION";
      readonly market: string;
      readonly ratio: Decimal;
      readonly maximum: Decimal;
    }
  | { readonly allowed: false; readonly reason: "ORDER_RATE"; readonly orders: number; readonly maximum: number }
  | { readonly allowed: false; readonly reason: "DAILY_LOSS"; readonly ratio: Decimal; readonly maximum: Decimal }
  | { readonly allowed: false; readonly reason: "DRAWDOWN"; readonly ratio: Decimal; readonly maximum: Decimal }
  | { readonly allowed: false; readonly reason: "SIZED_TO_NOTHING"; readonly cap: Decimal }
  | { readonly allowed: false; readonly reason: "GAS_PRICE"; readonly gwei: Decimal; readonly maximum: Decimal }
  | { readonly allowed: false; readonly reason: "PRIORITY_FEE"; readonly microLamports: number; readonly maximum: number }
  | { readonly allowed: false; readonly reason: "TRANSACTION_FEE"; readonly lamports: number; readonly maximum: number }
  | {
      readonly allowed: false;
      readonly reason: "FEE_BUDGET";
      readonly spent: Decimal;
      readonly fee: Decimal;
      readonly maximum: Decimal;
    }
  | {
      readonly allowed: false;
      readonly reason: "GAS_SPIKE";
      readonly fee: Decimal;
      readonly usual: Decimal;
      readonly multiple: Decimal;
    }
  | { readonly allowed: false; readonly reason: "ACCOUNT_HELD"; readonly message: string }
  | { readonly allowed: false; readonly reason: "JOURNAL_UNAVAILABLE" }
  | { readonly allowed: false; readonly reason: "VENUE_UNREACHABLE"; readonly account: string }
  | { readonly allowed: false; readonly reason: "MARKET_DATA_ENDED"; readonly market: string };

export type DenialReason = Denial["reason"];
export type Verdict = { readonly allowed: true } | Denial;

/** The one allowing verdict: judging allocates nothing unless it denies. */
export const ALLOWED: Verdict = Object.freeze({ allowed: true });

/** One sentence per reason, for people; the numbers are put in by {@link toWireVerdict}. */
export const denialMessages: { readonly [Reason in DenialReason]: (denial: Extract<Denial, { reason: Reason }>) => string } = {
  HALTED: ({ by, message }) => `trading is halted by the ${by}: ${message}`,
  REDUCING: ({ by, message }) => `only orders that shrink a position pass, says the ${by}: ${message}`,
  SUSPENDED: () => "the strategy is suspended",
  EXPIRED: ({ validUntil, marketTime }) => `the intent was valid until ${validUntil}, the market is at ${marketTime}`,
  MARKET_UNKNOWN: ({ market }) => `the account knows no market ${market}`,
  ORDER_UNKNOWN: ({ clientOrderId }) => `the strategy has no working order ${clientOrderId}`,
  ORDER_INVALID: ({ message }) => message,
  NOTHING_TO_SELL: ({ market, held, working }) =>
    `nothing of ${market} is left to sell: ${formatDecimal(held)} held, ${formatDecimal(working)} in working sells`,
  INSUFFICIENT_CASH: ({ required, available }) => `${formatDecimal(required)} needed, ${formatDecimal(available)} free`,
  BELOW_MINIMUM: ({ of, value, minimum }) =>
    `the order's ${of} ${formatDecimal(value)} is below the market's minimum ${formatDecimal(minimum)}`,
  POSITION_RATIO: ({ market, ratio, maximum }) =>
    `${market} would be ${formatDecimal(ratio)} of the equity, at most ${formatDecimal(maximum)}`,
  ORDER_NOTIONAL: ({ notional, maximum }) => `the order's notional ${formatDecimal(notional)} is above ${formatDecimal(maximum)}`,
  OPEN_ORDERS: ({ open, maximum }) => `${open} orders are open, at most ${maximum}`,
  CONCENTRATION: ({ market, ratio, maximum }) =>
    `the asset of ${market} would be ${formatDecimal(ratio)} of the policy's equity, at most ${formatDecimal(maximum)}`,
  ORDER_RATE: ({ orders, maximum }) => `${orders} orders in the last minute, at most ${maximum}`,
  DAILY_LOSS: ({ ratio, maximum }) =>
    `${formatDecimal(ratio)} of the equity has been lost today, the limit is ${formatDecimal(maximum)}`,
  DRAWDOWN: ({ ratio, maximum }) =>
    `the equity is ${formatDecimal(ratio)} below its peak, the limit is ${formatDecimal(maximum)}`,
  SIZED_TO_NOTHING: ({ cap }) => `sizing leaves ${formatDecimal(cap)} for this entry: less than one step`,
  GAS_PRICE: ({ gwei, maximum }) => `gas costs ${formatDecimal(gwei)} gwei, at most ${formatDecimal(maximum)}`,
  PRIORITY_FEE: ({ microLamports, maximum }) => `the priority fee is ${microLamports} micro-lamports, at most ${maximum}`,
  TRANSACTION_FEE: ({ lamports, maximum }) => `the transaction would cost ${lamports} lamports, at most ${maximum}`,
  FEE_BUDGET: ({ spent, fee, maximum }) =>
    `${formatDecimal(spent)} of fees were paid today and ${formatDecimal(fee)} would come, the budget is ${formatDecimal(maximum)}`,
  GAS_SPIKE: ({ fee, usual, multiple }) =>
    `the fee ${formatDecimal(fee)} is more than ${formatDecimal(multiple)} times the usual ${formatDecimal(usual)}`,
  ACCOUNT_HELD: ({ message }) => message,
  JOURNAL_UNAVAILABLE: () => "the journal cannot be written: no journal, no trading",
  VENUE_UNREACHABLE: ({ account }) => `the broker of account ${account} does not answer`,
  MARKET_DATA_ENDED: ({ market }) => `the market data of ${market} has ended`,
};

/** All reasons, in the order of the table. */
export const denialReasons = Object.keys(denialMessages) as readonly DenialReason[];

/** The sentence of a denial. */
export function describeDenial(denial: Denial): string {
  // The table is typed by reason; the compiler cannot follow the correlation between key and argument.
  const describe = denialMessages[denial.reason] as (denial: Denial) => string;
  return describe(denial);
}

/** A verdict as it travels: reason, sentence (at most 500 characters) and every number as text. */
export function toWireVerdict(verdict: Verdict): WireVerdict {
  if (verdict.allowed) return { allowed: true };
  const numbers: Record<string, string> = {};
  for (const [name, value] of Object.entries(verdict)) {
    if (name === "allowed" || name === "reason" || name === "message") continue;
    numbers[name] = (typeof value === "bigint" ? formatDecimal(value as Decimal) : String(value)).slice(0, 80);
  }
  return { allowed: false, reason: verdict.reason, message: describeDenial(verdict).slice(0, 500), numbers };
}
