import {
  add,
  decimalFromInteger,
  decimalFromNumber,
  divide,
  formatDecimal,
  maximum,
  minimum,
  multiply,
  ONE,
  parseDecimal,
  subtract,
  ZERO,
  type Decimal,
} from "../decimal.ts";
import type { SizingStep } from "../wire/control.ts";
import type { TradingCosts } from "./cost.ts";

/** RiskPolicy `sizing`. */
export interface SizingSpec {
  readonly method?: "VolatilityTarget" | "FixedFraction" | undefined;
  readonly targetVolatilityRatio?: string | undefined;
  readonly fractionRatio?: string | undefined;
  readonly lookbackBars?: number | undefined;
}

export interface Sizing {
  readonly method: "VolatilityTarget" | "FixedFraction";
  /** Yearly. */
  readonly targetVolatility: Decimal;
  readonly fraction: Decimal;
  readonly lookbackBars: number;
}

export const defaultSizing = { targetVolatilityRatio: "0.20", fractionRatio: "0.10", lookbackBars: 100 } as const;

/** Undefined: intents are taken at their own size. Throws DECIMAL_INVALID. */
export function effectiveSizing(spec: SizingSpec | undefined): Sizing | undefined {
  if (spec?.method === undefined) return undefined;
  return {
    method: spec.method,
    targetVolatility: parseDecimal(spec.targetVolatilityRatio ?? defaultSizing.targetVolatilityRatio),
    fraction: parseDecimal(spec.fractionRatio ?? defaultSizing.fractionRatio),
    lookbackBars: spec.lookbackBars ?? defaultSizing.lookbackBars,
  };
}

/** What an entry is sized by. Amounts in the base currency. */
export interface EntryWorld {
  /** Of the strategy's sub-account. */
  readonly equity: Decimal;
  /** What the sub-account holds of the market and has ordered. */
  readonly exposure: Decimal;
  /** The asset over the whole policy, working buys included, and the policy's equity. */
  readonly policyExposure: Decimal;
  readonly policyEquity: Decimal;
  readonly maxConcentration: Decimal | undefined;
  /** Yearly, over `lookbackBars`; undefined while too few bars are known. */
  readonly volatility: number | undefined;
  readonly costs: TradingCosts;
}

export interface EntryCap {
  /** The most that this entry may be worth. */
  readonly cap: Decimal;
  /** How it came about, for people: amounts of the base currency. */
  readonly steps: readonly SizingStep[];
}

const DAYS_PER_YEAR = 365;

/**
 * How much one entry may be worth under `sizing`: never more than the intent asks for (entries only shrink, exits are not sized).
 *
 * 1. FixedFraction: equity × fraction. VolatilityTarget: equity × min(1, target ÷ volatility) − what the strategy holds and has ordered of the market; while
 *    the volatility is unknown as FixedFraction.
 * 2. × (1 − share ÷ limit): the more of `maxTokenConcentrationRatio` the asset has used up over the whole policy, the less.
 * 3. × (1 − cost ÷ move): cost is fee and slippage there and back, move the volatility of one day; what costs as much as a day moves is not entered.
 */
export function entryCap(sizing: Sizing, world: EntryWorld): EntryCap {
  const steps: SizingStep[] = [];
  const shrink = (cap: Decimal, factor: Decimal, about: { step: string; message: string }): Decimal => {
    const after = multiply(cap, factor, "down");
    const numbers = { factor: formatDecimal(factor) };
    steps.push({ ...about, before: formatDecimal(cap), after: formatDecimal(after), numbers });
    return after;
  };
  const equity = maximum(world.equity, ZERO);
  let cap = methodCap(sizing, { ...world, equity });
  steps.push({
    step: sizing.method,
    before: formatDecimal(equity),
    after: formatDecimal(cap),
    message: world.volatility === undefined ? "the volatility is not known yet" : "",
    numbers: { ...(world.volatility !== undefined && { volatility: world.volatility.toFixed(6) }) },
  });
  const free = concentrationFactor(world);
  if (free < ONE)
    cap = shrink(cap, free, { step: "concentration", message: "part of the asset's concentration limit is used up" });
  const worth = feeFactor(world);
  if (worth < ONE)
    cap = shrink(cap, worth, { step: "fees", message: "fee and slippage there and back against the move of a day" });
  return { cap, steps };
}

function methodCap({ method, targetVolatility, fraction }: Sizing, { equity, exposure, volatility }: EntryWorld): Decimal {
  if (method === "FixedFraction" || volatility === undefined) return multiply(equity, fraction, "down");
  const shown = decimalFromNumber(volatility);
  const share = shown <= targetVolatility ? ONE : divide(targetVolatility, shown, "down");
  return maximum(subtract(multiply(equity, share, "down"), exposure), ZERO);
}

function concentrationFactor({ policyExposure, policyEquity, maxConcentration }: EntryWorld): Decimal {
  if (maxConcentration === undefined) return ONE;
  if (policyEquity <= 0n) return ZERO;
  const used = divide(divide(policyExposure, policyEquity, "up"), maxConcentration, "up");
  return maximum(subtract(ONE, maximum(used, ZERO)), ZERO);
}

function feeFactor({ volatility, costs }: EntryWorld): Decimal {
  const cost = multiply(decimalFromInteger(2), add(costs.feeRatio, costs.slippageRatio), "up");
  if (volatility === undefined || cost === 0n) return ONE;
  const move = decimalFromNumber(volatility / Math.sqrt(DAYS_PER_YEAR));
  return move <= cost ? ZERO : minimum(subtract(ONE, divide(cost, move, "up")), ONE);
}
