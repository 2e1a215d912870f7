import { lamportsPerSignature } from "./program-addresses.ts";

export interface FeeLimits {
  /** Hard cap of the price of a compute unit, in micro-lamports. */
  readonly maxMicroLamportsPerUnit: bigint;
  /** Hard cap of a whole transaction's fee, in lamports. */
  readonly maxLamportsPerTransaction: bigint;
  /** Most fees of a UTC day, in lamports. */
  readonly dailyLamports: bigint;
}

export interface FeeQuestion {
  /** What was paid lately, micro-lamports per compute unit (`getRecentPrioritizationFees`). */
  readonly recent: readonly bigint[];
  /** Which of them to pay: 1–100. */
  readonly percentile: number;
  readonly computeUnits: number;
  readonly signatures: number;
  /** Fees of the UTC day so far, lamports; of transactions whose fate is open, the most they may cost. */
  readonly spentLamports: bigint;
  readonly limits: FeeLimits;
}

export type FeeVerdict =
  | { readonly allowed: true; readonly microLamportsPerUnit: bigint; readonly feeLamports: bigint; readonly capped: boolean }
  | { readonly allowed: false; readonly reason: "FEE_ABOVE_CAP"; readonly feeLamports: bigint; readonly maxLamports: bigint }
  | {
      readonly allowed: false;
      readonly reason: "DAILY_FEE_BUDGET";
      readonly feeLamports: bigint;
      readonly spentLamports: bigint;
      readonly dailyLamports: bigint;
    };

const microLamports = 1_000_000n;

/**
 * What to pay for a transaction: the percentile of recent prices, never above the caps; a day's budget refuses what would pass it. A price above the caps is cut, not
 * refused: the transaction may land later or not at all, and what never lands costs nothing.
 */
export function chooseFee(question: FeeQuestion): FeeVerdict {
  const { recent, percentile, computeUnits, signatures, spentLamports, limits } = question;
  const base = lamportsPerSignature * BigInt(signatures);
  if (base > limits.maxLamportsPerTransaction)
    return { allowed: false, reason: "FEE_ABOVE_CAP", feeLamports: base, maxLamports: limits.maxLamportsPerTransaction };
  const affordable = ((limits.maxLamportsPerTransaction - base) * microLamports) / BigInt(Math.max(1, computeUnits));
  const wanted = percentileOf(recent, percentile);
  const microLamportsPerUnit = least(wanted, limits.maxMicroLamportsPerUnit, affordable);
  const feeLamports = feeOf({ signatures, computeUnits, microLamportsPerUnit });
  if (spentLamports + feeLamports > limits.dailyLamports)
    return { allowed: false, reason: "DAILY_FEE_BUDGET", feeLamports, spentLamports, dailyLamports: limits.dailyLamports };
  return { allowed: true, microLamportsPerUnit, feeLamports, capped: microLamportsPerUnit < wanted };
}

/** What the network takes for a transaction, in lamports: signatures, and the units asked for at their price, rounded up. */
export function feeOf(transaction: { signatures: number; computeUnits: number; microLamportsPerUnit: bigint }): bigint {
  const { signatures, computeUnits, microLamportsPerUnit } = transaction;
  const priority = (BigInt(computeUnits) * microLamportsPerUnit + microLamports - 1n) / microLamports;
  return lamportsPerSignature * BigInt(signatures) + priority;
}

/** Nearest rank; zero when nothing was paid lately. */
export function percentileOf(values: readonly bigint[], percentile: number): bigint {
  const sorted = values.toSorted((left, right) => (left < right ? -1 : left > right ? 1 : 0));
  const rank = Math.max(1, Math.ceil((percentile / 100) * sorted.length));
  return sorted[rank - 1] ?? 0n;
}

function least(...values: readonly bigint[]): bigint {
  return values.reduce((smallest, value) => (value < smallest ? value : smallest));
}
