import type { Bar } from "@bellwether/trading/engine/program";
import type { MarketBar, SessionMarket } from "../program/session.ts";

/** Bars that close at the same time: what one decision is made on. */
export interface BarGroup {
  readonly closeTime: number;
  /** In manifest order, at most one a market. */
  readonly bars: readonly MarketBar[];
}

interface Collecting {
  readonly closeTime: number;
  /** By market. */
  readonly bars: Map<number, Bar>;
  /** Wall time after which nobody is waited for any more. */
  readonly deadlineMs: number;
}

/** So long the markets that have closed at T wait for those that have not. Wall time. */
export const groupWaitMs = 5_000;

/**
 * Puts the bars of several markets together by the time they close. Markets that close at T are taken together in manifest
 * order once all have arrived or 5 s have passed, oldest T first. A market that let the others wait in vain is not waited for
 * again until it is back: one dead market must not slow down the rest.
 *
 * Pure: no clock, no I/O; `nowMs` is wall time.
 */
export class BarAssembler {
  readonly #markets: readonly SessionMarket[];
  /** Opening time of the latest bar taken or collected, by market. */
  readonly #lastTimes: (number | undefined)[];
  readonly #late = new Set<number>();
  /** Sorted by closing time. */
  readonly #collecting: Collecting[] = [];
  #takenUpTo = Number.NEGATIVE_INFINITY;

  constructor(markets: readonly SessionMarket[]) {
    this.#markets = markets;
    this.#lastTimes = markets.map(() => undefined);
  }

  /** Opening time of the latest bar known of a market. */
  lastTime(market: number): number | undefined {
    return this.#lastTimes[market];
  }

  /** Marks bars up to `bar` of a market as known without making groups of them. */
  skip(market: number, bar: Bar): void {
    this.#lastTimes[market] = Math.max(bar.time, this.#lastTimes[market] ?? bar.time);
    this.#takenUpTo = Math.max(this.#takenUpTo, this.#closeOf(market, bar));
  }

  /** `known`: an earlier or the same bar was there before. `late`: its group is gone; it belongs to the history only. */
  add(market: number, bar: Bar, nowMs: number): "taken" | "known" | "late" {
    const last = this.#lastTimes[market];
    if (last !== undefined && bar.time <= last) return "known";
    this.#lastTimes[market] = bar.time;
    this.#late.delete(market);
    const closeTime = this.#closeOf(market, bar);
    if (closeTime <= this.#takenUpTo) return "late";
    this.#groupAt(closeTime, nowMs).bars.set(market, bar);
    return "taken";
  }

  /** The oldest group that is complete, has waited long enough, or is followed by one that is. */
  take(nowMs: number): BarGroup | undefined {
    const ready = this.#collecting.some((group) => this.#isComplete(group) || nowMs >= group.deadlineMs);
    const group = ready ? this.#collecting.shift() : undefined;
    if (!group) return undefined;
    for (const market of this.#missing(group)) this.#late.add(market);
    this.#takenUpTo = group.closeTime;
    const bars = [...group.bars].toSorted(([left], [right]) => left - right).map(([market, bar]) => ({ market, bar }));
    return { closeTime: group.closeTime, bars };
  }

  /** Wall time at which `take` has to be called again, if nothing arrives before. */
  nextDeadlineMs(): number | undefined {
    return this.#collecting[0]?.deadlineMs;
  }

  #groupAt(closeTime: number, nowMs: number): Collecting {
    const found = this.#collecting.find((group) => group.closeTime === closeTime);
    if (found) return found;
    const group = { closeTime, bars: new Map<number, Bar>(), deadlineMs: nowMs + groupWaitMs };
    this.#collecting.push(group);
    this.#collecting.sort((left, right) => left.closeTime - right.closeTime);
    return group;
  }

  #isComplete(group: Collecting): boolean {
    return this.#missing(group).every((market) => this.#late.has(market));
  }

  /** Markets that have a bar closing then, by the phase of the bars known, and have sent neither it nor a later one. */
  #missing({ closeTime, bars }: Collecting): number[] {
    return this.#markets.flatMap(({ timeframeMs }, market) => {
      const last = this.#lastTimes[market];
      const isAwaited = last === undefined || (last + timeframeMs < closeTime && (closeTime - last) % timeframeMs === 0);
      return isAwaited && !bars.has(market) ? [market] : [];
    });
  }

  #closeOf(market: number, bar: Bar): number {
    return bar.time + (this.#markets[market]?.timeframeMs ?? 0);
  }
}
