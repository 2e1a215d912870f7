import { type Clock, CodedError, type Logger } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type Decimal,
  type MarketRules,
  type WireBar,
  decimalFromNumber,
  barOpening,
  rulesFromSymbol,
  timeframeMs,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import { type BarsQuery, type FeedRunOptions, type FeedSink, type MarketFeed, watchLimit } from "../feed.ts";
import { aggregate, mergeBars } from "../aggregate.ts";
import { type BarSource, sliceOf } from "./bar-source.ts";
import type { ReplayClock } from "./replay-clock.ts";

export interface ReplayFeedOptions {
  /** The data of a symbol; undefined when the dataset does not serve it. */
  source(symbol: string): BarSource | undefined;
  readonly markets: readonly { symbol: string; timeframe: string }[];
  readonly replayClock: ReplayClock;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Most base bars one answer is made of: ten days of minutes for each of the longest histories asked for. */
const mostBaseBars = 600_000;
/** How often a long catch-up lets others run. */
const yieldEvery = 200;

interface Track {
  readonly symbol: string;
  readonly source: BarSource;
  readonly timeframes: Map<string, number>;
  /** Position of the next base bar to deliver. */
  next: number;
  lastClose: number | undefined;
}

/** Plays recorded or generated bars against a market clock that runs as fast as asked, and goes on while the broker is away. */
export class ReplayFeed implements MarketFeed {
  readonly #options: ReplayFeedOptions;
  readonly #tracks = new Map<string, Track>();
  #state: BrokerAccount["feed"] = { state: "starting", message: "the replay has not begun" };
  #wake: () => void = () => undefined;

  constructor(options: ReplayFeedOptions) {
    this.#options = options;
    for (const { symbol, timeframe } of options.markets) this.watch(symbol, timeframe);
  }

  state(): BrokerAccount["feed"] {
    return this.#state;
  }

  marketTimeMs(): number {
    return this.#options.replayClock.nowMs();
  }

  ended(): boolean {
    return this.#state.state === "ended";
  }

  rules(symbol: string): MarketRules | undefined {
    return this.#options.source(symbol) && rulesFromSymbol(symbol);
  }

  markets(): readonly MarketRules[] {
    return [...this.#tracks.keys()].flatMap((symbol) => this.rules(symbol) ?? []);
  }

  lastPrice(symbol: string): Decimal | undefined {
    const close = this.#tracks.get(symbol)?.lastClose;
    return close === undefined ? undefined : decimalFromNumber(close);
  }

  watch(market: string, timeframe: string): void {
    const frameMs = this.#frameMs(market, timeframe);
    const track = this.#track(market);
    if (track.timeframes.has(timeframe)) return;
    const watched = [...this.#tracks.values()].reduce((sum, other) => sum + other.timeframes.size, 0);
    if (watched < watchLimit) track.timeframes.set(timeframe, frameMs);
    this.#wake();
  }

  follow(symbol: string): void {
    if (this.rules(symbol)) this.#track(symbol);
    this.#wake();
  }

  async bars({ market, timeframe, limit, untilMs }: BarsQuery): Promise<readonly WireBar[]> {
    const frameMs = this.#frameMs(market, timeframe);
    const track = this.#track(market);
    const { source } = track;
    // What has not been announced yet is the future, even where the clock has passed it.
    const presentMs = track.next === 0 ? 0 : source.timeAt(track.next - 1) + source.baseMs;
    const closedBy = Math.min(untilMs ?? presentMs, presentMs);
    const end = source.indexFrom(closedBy - source.baseMs + 1);
    const span = Math.min(mostBaseBars, (limit + 1) * (frameMs / source.baseMs));
    const bars = aggregate(
      sliceOf(source, source.indexFrom(barOpening(closedBy - span * source.baseMs, frameMs)), end),
      frameMs,
      closedBy,
    );
    return bars.slice(-limit);
  }

  async run(sink: FeedSink, options: FeedRunOptions): Promise<void> {
    const { signal } = options;
    for (const symbol of options.waiting) this.follow(symbol);
    await this.#catchUp(sink, options);
    this.#state = { state: "running", message: "replaying" };
    let delivered = 0;
    while (!signal.aborted) {
      const track = this.#nextTrack();
      if (!track) {
        if (this.#tracks.size > 0) return this.#end(sink);
        await this.#pause(undefined, signal);
        continue;
      }
      const bar = track.source.bar(track.next);
      const delayMs = this.#options.replayClock.delayUntilMs(bar.time + track.source.baseMs);
      if (delayMs > 0) {
        await this.#pause(delayMs, signal);
        continue;
      }
      await this.#deliver(track, bar, sink);
      delivered += 1;
      if (delivered % yieldEvery === 0) await this.#options.clock.sleep(0);
    }
  }

  /** Bars that closed while nobody was here: orders that rest at the venue have met them. They are not announced. */
  async #catchUp(sink: FeedSink, { signal, resumeAfter }: FeedRunOptions): Promise<void> {
    for (const track of this.#tracks.values()) {
      const present = track.next;
      const afterMs = resumeAfter(track.symbol);
      if (afterMs === undefined) continue;
      let index = Math.min(track.source.indexFrom(afterMs + 1), present);
      for (; index < present && !signal.aborted && resumeAfter(track.symbol) !== undefined; index += 1) {
        await sink.onBaseBar(track.symbol, track.source.bar(index));
        if (index % yieldEvery === 0) await this.#options.clock.sleep(0);
      }
    }
  }

  async #deliver(track: Track, bar: WireBar, sink: FeedSink): Promise<void> {
    const { source, symbol } = track;
    await sink.onBaseBar(symbol, bar);
    const previous = track.next > 0 ? source.timeAt(track.next - 1) : undefined;
    track.next += 1;
    track.lastClose = bar.close;
    for (const [timeframe, frameMs] of track.timeframes) {
      const start = barOpening(bar.time, frameMs);
      const previousStart = previous === undefined ? start : barOpening(previous, frameMs);
      // A gap has swallowed the end of the interval before: it is known to have closed only now.
      const closedLate = previous !== undefined && previousStart < start && previous + source.baseMs < previousStart + frameMs;
      if (closedLate) this.#announce(track, { timeframe, start: previousStart, frameMs }, sink);
      if (bar.time + source.baseMs === start + frameMs) this.#announce(track, { timeframe, start, frameMs }, sink);
    }
  }

  #announce(
    track: Track,
    { timeframe, start, frameMs }: { timeframe: string; start: number; frameMs: number },
    sink: FeedSink,
  ): void {
    const { source, symbol } = track;
    // An interval that began before the data did would be half a bar.
    if (start < source.timeAt(0)) return;
    const merged = mergeBars(
      start,
      sliceOf(source, source.indexFrom(start), Math.min(track.next, source.indexFrom(start + frameMs))),
    );
    if (merged) sink.onBar({ market: symbol, timeframe, bar: merged, revision: false });
  }

  #end(sink: FeedSink): void {
    this.#state = {
      state: "ended",
      message: `the replay has reached its last bar (${new Date(this.marketTimeMs()).toISOString()})`,
    };
    this.#options.log.info(this.#state.message);
    sink.onEnd(this.#state.message);
  }

  /** The track whose next bar closes first; undefined when all have reached their end. */
  #nextTrack(): Track | undefined {
    let first: Track | undefined;
    let firstClose = Number.POSITIVE_INFINITY;
    for (const track of this.#tracks.values()) {
      if (track.next >= track.source.count) continue;
      const closesAt = track.source.timeAt(track.next) + track.source.baseMs;
      if (closesAt < firstClose) {
        first = track;
        firstClose = closesAt;
      }
    }
    return first;
  }

  /** Waits, but not beyond the moment a new market is watched. */
  async #pause(delayMs: number | undefined, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const either = AbortSignal.any([signal, woken.signal]);
    await this.#options.clock.sleep(delayMs ?? 60_000, either).catch((error: unknown) => {
      if (!either.aborted) throw error;
    });
  }

  #track(symbol: string): Track {
    const known = this.#tracks.get(symbol);
    if (known) return known;
    const source = this.#source(symbol);
    const present = source.indexFrom(this.marketTimeMs() - source.baseMs + 1);
    const lastClose = present > 0 ? source.bar(present - 1).close : undefined;
    const track: Track = { symbol, source, timeframes: new Map(), next: present, lastClose };
    if (this.#tracks.size < watchLimit) this.#tracks.set(symbol, track);
    return track;
  }

  #source(symbol: string): BarSource {
    const source = this.#options.source(symbol);
    if (source && rulesFromSymbol(symbol)) return source;
    throw new CodedError<BrokerErrorCode>("MARKET_UNKNOWN", `the dataset does not hold ${symbol}`, { context: { symbol } });
  }

  #frameMs(symbol: string, timeframe: string): number {
    const { baseMs } = this.#source(symbol);
    const frameMs = timeframeMs(timeframe);
    if (frameMs % baseMs === 0) return frameMs;
    const message = `the dataset's bars last ${baseMs / 1000} s; ${timeframe} is no multiple of that`;
    throw new CodedError<BrokerErrorCode>("TIMEFRAME_NOT_AVAILABLE", message, { context: { timeframe, baseMs } });
  }
}
