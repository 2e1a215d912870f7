import {
  type BreakerConfig,
  type BreakerSet,
  type BreakerState,
  type BreakerStop,
  type BreakerType,
  type Clocks,
  type Decimal,
  type HeldBreaker,
  type Observation,
  ZERO,
  add,
  configureBreakers,
  decimalToNumber,
  maximum,
  observeBreakers,
  resetBreakers,
  stopOf,
  subtract,
} from "@bellwether/trading";
import type { EquityReferences } from "../portfolio/policy-view.ts";

const dayMs = 86_400_000;

/** In profits: equity less everything deposited, so that no transfer moves them. */
export interface StoredReferences {
  readonly peakProfit: Decimal;
  /** Days of market time since the epoch. */
  readonly day: number;
  /** Profit at the last mark of the day before. */
  readonly dayProfit: Decimal;
  readonly lastProfit: Decimal;
}

export interface Mark {
  readonly equity: Decimal;
  /** Everything deposited less what was withdrawn, in the base currency. */
  readonly transfers: Decimal;
}

/** What is to be written: everything that changed since it was asked last. */
export interface Unstored {
  readonly breakers: readonly HeldBreaker[];
  readonly references: StoredReferences | undefined;
}

/**
 * A policy's breakers and what its losses are counted from, in memory. Knows no clock and no journal: it is shown what happens, and says what changed.
 * In force at once; whoever owns it writes it down.
 */
export class PolicyMonitor {
  #breakers: BreakerSet = [];
  /** The last state of each type that was ever seen: of breakers that are not configured now, too. */
  #remembered: ReadonlyMap<BreakerType, BreakerState> = new Map();
  #references: StoredReferences | undefined;
  #transfers: Decimal = ZERO;
  readonly #stored = new Map<BreakerType, BreakerState>();
  #storedReferences: StoredReferences | undefined;

  /** What the journal remembers. It counts, whatever has been seen before it was read: nothing can have happened that it does not know. */
  restore(breakers: ReadonlyMap<BreakerType, BreakerState>, references: StoredReferences | undefined): void {
    this.#remembered = breakers;
    this.#references = this.#storedReferences = references;
    this.#breakers = this.#breakers.map((held) => {
      const state = breakers.get(held.config.type);
      return state ? { config: held.config, state } : held;
    });
    for (const [type, state] of breakers) this.#stored.set(type, state);
  }

  /** The breakers of a changed policy. A type that comes back is as it was when it was taken off. */
  configure(configs: readonly BreakerConfig[], clocks: Clocks): void {
    const known = configs.flatMap((config): HeldBreaker[] => {
      const state = this.#remembered.get(config.type);
      return state && !this.#breakers.some((held) => held.config.type === config.type) ? [{ config, state }] : [];
    });
    for (const { config, state } of this.#breakers) this.#remembered = new Map(this.#remembered).set(config.type, state);
    this.#breakers = configureBreakers([...this.#breakers, ...known], configs, clocks);
  }

  get breakers(): BreakerSet {
    return this.#breakers;
  }

  get stop(): BreakerStop | undefined {
    return stopOf(this.#breakers);
  }

  /** Zero before the first mark: nothing can have been lost. */
  get references(): EquityReferences {
    const { peakProfit = ZERO, dayProfit = ZERO } = this.#references ?? {};
    return { peakEquity: add(peakProfit, this.#transfers), dayStartEquity: add(dayProfit, this.#transfers) };
  }

  /** The policy's equity as it is now, and what breakers make of it. */
  mark({ equity, transfers }: Mark, clocks: Clocks): void {
    const profit = subtract(equity, transfers);
    // A close at midnight belongs to the day it ends.
    const day = Math.floor((clocks.marketMs - 1) / dayMs);
    const before = this.#references;
    this.#transfers = transfers;
    this.#references = {
      peakProfit: before ? maximum(before.peakProfit, profit) : profit,
      day,
      dayProfit: before ? (before.day === day ? before.dayProfit : before.lastProfit) : profit,
      lastProfit: profit,
    };
    this.observe({ kind: "equity", equity: decimalToNumber(equity), transfers: decimalToNumber(transfers) }, clocks);
  }

  /** Without an observation only time has passed. */
  observe(observation: Observation | undefined, clocks: Clocks): void {
    this.#breakers = observeBreakers(this.#breakers, observation, clocks);
  }

  /** What a reset would make of it, for the journal to hold before it is in force. Undefined when no breaker of the type is tripped. */
  afterReset(type: BreakerType, clocks: Clocks): Unstored | undefined {
    const after = resetBreakers(this.#breakers, type, clocks);
    if (after === this.#breakers) return undefined;
    return { breakers: after.filter(({ config }) => config.type === type), references: this.#referencesAfterReset(type) };
  }

  /** False when no breaker of the type is tripped. */
  reset(type: BreakerType, clocks: Clocks): boolean {
    const before = this.#breakers;
    this.#breakers = resetBreakers(before, type, clocks);
    const changed = before !== this.#breakers;
    if (changed) this.#references = this.#referencesAfterReset(type);
    return changed;
  }

  /** A person who arms it again has accepted the loss: the limit must not hold what the breaker lets go. */
  #referencesAfterReset(type: BreakerType): StoredReferences | undefined {
    const references = this.#references;
    return references && type === "Drawdown" ? { ...references, peakProfit: references.lastProfit } : references;
  }

  /** A phase has changed that the journal does not know. */
  get hasNews(): boolean {
    return this.#breakers.some(({ config, state }) => state.phase !== (this.#stored.get(config.type)?.phase ?? "Armed"));
  }

  unstored(): Unstored {
    return {
      breakers: this.#breakers.filter(({ config, state }) => state !== this.#stored.get(config.type)),
      references: this.#references === this.#storedReferences ? undefined : this.#references,
    };
  }

  /** After the commit. */
  markStored({ breakers, references }: Unstored): void {
    for (const { config, state } of breakers) this.#stored.set(config.type, state);
    this.#storedReferences = references ?? this.#storedReferences;
  }
}
