import { decimalFromInteger, decimalFromNumber, decimalToNumber, add, parseDecimal, type Decimal } from "../decimal.ts";
import { ALLOWED, type Verdict } from "../rules/verdict.ts";
import { percentileOf, type FeeHistory } from "./fee-history.ts";

/** RiskPolicy `gas`. */
export interface GasSpec {
  readonly maxGasPriceGwei?: string | undefined;
  readonly maxPriorityFeeMicroLamports?: number | undefined;
  readonly maxFeeLamportsPerTransaction?: number | undefined;
  readonly dailyFeeBudget?: string | undefined;
  readonly spikeMultiple?: string | number | undefined;
}

/** Undefined: no such limit. */
export interface GasLimits {
  readonly maxGasPriceGwei: Decimal;
  readonly maxPriorityFeeMicroLamports: number | undefined;
  readonly maxFeeLamportsPerTransaction: number | undefined;
  /** In the policy's base currency, for a UTC day. */
  readonly dailyFeeBudget: Decimal | undefined;
  readonly spikeMultiple: number;
}

export const defaultGas = { maxGasPriceGwei: "100", spikeMultiple: "3" } as const;
/** The rolling window that a fee is compared with. */
export const FEE_WINDOW_MS = 3_600_000;

/** The limits in force. Throws DECIMAL_INVALID. */
export function effectiveGas(spec: GasSpec = {}): GasLimits {
  return {
    maxGasPriceGwei: parseDecimal(spec.maxGasPriceGwei ?? defaultGas.maxGasPriceGwei),
    maxPriorityFeeMicroLamports: spec.maxPriorityFeeMicroLamports,
    maxFeeLamportsPerTransaction: spec.maxFeeLamportsPerTransaction,
    dailyFeeBudget: spec.dailyFeeBudget === undefined ? undefined : parseDecimal(spec.dailyFeeBudget),
    spikeMultiple: decimalToNumber(parseDecimal(String(spec.spikeMultiple ?? defaultGas.spikeMultiple))),
  };
}

/** What a venue on a chain asks for one transaction now. */
export interface FeeQuote {
  /** EVM chains. */
  readonly gasPriceGwei?: Decimal | undefined;
  /** Solana: per compute unit. */
  readonly priorityFeeMicroLamports?: number | undefined;
  /** Solana: everything of one transaction. */
  readonly feeLamports?: number | undefined;
  /** The same in the policy's base currency, where a price is known. */
  readonly fee?: Decimal | undefined;
}

export interface FeeState {
  /** Fees of this UTC day, in the policy's base currency. */
  readonly spentToday: Decimal;
  readonly history: FeeHistory;
  readonly timeMs: number;
}

/** The figure of a quote that its history is made of: gwei, or micro-lamports for a compute unit; undefined where neither is known. */
export function quotedFee({ gasPriceGwei, priorityFeeMicroLamports }: FeeQuote): number | undefined {
  return gasPriceGwei === undefined ? priorityFeeMicroLamports : decimalToNumber(gasPriceGwei);
}

/**
 * Whether a transaction may be paid for at this quote. What shrinks a position is held by the hard cap of one transaction only: a position that cannot be left
 * because leaving it is dear is a loss without a bound.
 */
export function judgeFee(quote: FeeQuote, limits: GasLimits, state: FeeState & { readonly reduceOnly: boolean }): Verdict {
  const { feeLamports } = quote;
  const { maxFeeLamportsPerTransaction } = limits;
  if (maxFeeLamportsPerTransaction !== undefined && feeLamports !== undefined && feeLamports > maxFeeLamportsPerTransaction) {
    return { allowed: false, reason: "TRANSACTION_FEE", lamports: feeLamports, maximum: maxFeeLamportsPerTransaction };
  }
  if (state.reduceOnly) return ALLOWED;
  return judgePrice(quote, limits) ?? judgeBudget(quote, limits, state) ?? judgeSpike(quote, limits, state) ?? ALLOWED;
}

function judgePrice({ gasPriceGwei, priorityFeeMicroLamports }: FeeQuote, limits: GasLimits): Verdict | undefined {
  if (gasPriceGwei !== undefined && gasPriceGwei > limits.maxGasPriceGwei)
    return { allowed: false, reason: "GAS_PRICE", gwei: gasPriceGwei, maximum: limits.maxGasPriceGwei };
  const maximum = limits.maxPriorityFeeMicroLamports;
  if (maximum !== undefined && priorityFeeMicroLamports !== undefined && priorityFeeMicroLamports > maximum)
    return { allowed: false, reason: "PRIORITY_FEE", microLamports: priorityFeeMicroLamports, maximum };
  return undefined;
}

function judgeBudget({ fee }: FeeQuote, { dailyFeeBudget }: GasLimits, { spentToday }: FeeState): Verdict | undefined {
  if (dailyFeeBudget === undefined) return undefined;
  const next = fee ?? decimalFromInteger(0);
  if (add(spentToday, next) <= dailyFeeBudget) return undefined;
  return { allowed: false, reason: "FEE_BUDGET", spent: spentToday, fee: next, maximum: dailyFeeBudget };
}

/** Manipulation detection: an honest market's fees rise over minutes; one transaction's competitor can make them jump for seconds. */
function judgeSpike(quote: FeeQuote, { spikeMultiple }: GasLimits, { history, timeMs }: FeeState): Verdict | undefined {
  const fee = quotedFee(quote);
  const usual = percentileOf(history, { timeMs, windowMs: FEE_WINDOW_MS });
  if (fee === undefined || usual === undefined || usual <= 0 || fee < usual * spikeMultiple) return undefined;
  const [shownFee, shownUsual, multiple] = [fee, usual, spikeMultiple].map(decimalFromNumber) as [Decimal, Decimal, Decimal];
  return { allowed: false, reason: "GAS_SPIKE", fee: shownFee, usual: shownUsual, multiple };
}
