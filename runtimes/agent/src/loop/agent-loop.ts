import { Dependency } from "@bellwether/service-kit/check";
import type { Cancel, Clock } from "@bellwether/service-kit/clock";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { Logger } from "@bellwether/service-kit/logger";
import type { Random } from "@bellwether/service-kit/random";
import type { AgentSnapshot, BarEvent, WireBar } from "@bellwether/trading/wire";
import { isProgramFault } from "../errors.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { ProgramRunner } from "../program/runner.ts";
import { type SessionMarket, mostBars } from "../program/session.ts";
import type { Trigger } from "../schedule/triggers.ts";
import { Backoff } from "./backoff.ts";
import { BarAssembler } from "./bar-assembler.ts";
import { Decider } from "./decider.ts";
import { DecisionStore } from "./decision-store.ts";
import type { RiskPort, StreamEvent } from "./risk-port.ts";

export interface AgentLoopOptions {
  readonly markets: readonly SessionMarket[];
  readonly warmupBars: number;
  readonly isDue: Trigger;
  readonly decidesOnAll: boolean;
  readonly seed: number;
  readonly runner: ProgramRunner;
  readonly risk: RiskPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
}

type Task = StreamEvent | { readonly kind: "catchUp" } | { readonly kind: "tick" };

/** More than this many events behind, the stream is given up and the bars are read afresh. */
const mostTasks = 20_000;

/**
 * A strategy at work on paper or live: reads bars from risk's stream, has the program decide, hands decisions back.
 *
 *   snapshot ─► open the program with its stored state ─► stream ──┬─ bar ──► assembler ─► decider ─► risk
 *                                                    ▲             ├─ fill, order ─► callbacks of the next decision
 *                                                    └─ reconnect ─┘  each time: read the bars missed meanwhile
 *
 * One worker takes events one by one, so that decisions never overlap; the reader goes on meanwhile, so that market time is
 * known even while a decision waits for risk.
 */
export class AgentLoop {
  readonly health: { readonly risk: Dependency; readonly stream: Dependency };
  readonly #options: AgentLoopOptions;
  readonly #assembler: BarAssembler;
  readonly #tasks: Task[] = [];
  #decider: Decider | undefined;
  #marketTime = 0;
  #isWorking = false;
  #cancelTick: Cancel = () => undefined;
  #ended = false;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: AgentLoopOptions) {
    this.#options = options;
    const nowMs = (): number => options.clock.nowMs();
    this.health = { risk: new Dependency("risk", nowMs), stream: new Dependency("stream of risk", nowMs) };
    this.#assembler = new BarAssembler(options.markets);
  }

  /** The market data has ended: nothing more will be decided, and that is in order. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Runs until `signal` aborts (returns) or the program fails. @throws AgentError */
  async run(signal: AbortSignal): Promise<void> {
    const failed = new Promise<never>((_, reject) => (this.#fail = reject));
    try {
      await Promise.race([this.#start(signal).then(() => this.#follow(signal)), failed]);
    } catch (error) {
      if (!signal.aborted || isProgramFault(error)) throw error;
    } finally {
      this.#cancelTick();
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { runner, markets, seed, log } = this.#options;
    const snapshot = await this.#snapshot(signal);
    await runner.open({ markets, seed, state: snapshot.state });
    const firstClose = await this.#warmUp(snapshot, signal);
    log.info({ run: snapshot.run, lastDecisionTime: snapshot.lastDecisionTime, firstClose }, "the strategy is loaded");
  }

  /** Reads the bars before the first decision. A strategy that never decided begins after them; another goes on at its cursor. */
  async #warmUp(snapshot: AgentSnapshot, signal: AbortSignal): Promise<number> {
    const { markets, clock } = this.#options;
    const known = await Promise.all(markets.map((_, market) => this.#barsOf(market, snapshot, signal)));
    const latestClose = Math.max(0, ...known.map((bars, market) => (bars.at(-1)?.time ?? 0) + this.#timeframeMs(market)));
    const firstClose = snapshot.lastDecisionTime ?? latestClose;
    this.#decider = this.#newDecider(snapshot, firstClose);
    for (const [market, bars] of known.entries()) {
      const old = bars.filter((bar) => bar.time + this.#timeframeMs(market) <= firstClose);
      this.#decider.remember(old.map((bar) => ({ market, bar })));
      const last = old.at(-1);
      if (last) this.#assembler.skip(market, last);
    }
    for (const [market, bars] of known.entries()) for (const bar of bars) this.#assembler.add(market, bar, clock.nowMs());
    this.#marketTime = Math.max(this.#marketTime, snapshot.marketTime, latestClose);
    await this.#decideAll(signal);
    return firstClose;
  }

  #newDecider(snapshot: AgentSnapshot, firstClose: number): Decider {
    const { risk, clock, random, log } = this.#options;
    const backoff = (): Backoff => new Backoff(clock, random);
    const marketTime = (): number => this.#marketTime;
    const store = new DecisionStore({ risk, clock, log, backoff, marketTime, health: this.health.risk });
    return new Decider({ ...this.#options, store, snapshot: (signal) => this.#snapshot(signal) }, snapshot, firstClose);
  }

  /** Reads the stream for ever; between two streams it waits. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { risk, clock, random, log, metrics } = this.#options;
    const backoff = new Backoff(clock, random);
    while (!signal.aborted) {
      try {
        let isOpen = false;
        for await (const event of risk.stream(signal)) {
          if (!isOpen) this.#opened();
          isOpen = true;
          backoff.reset();
          this.#take(event, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (this.health.stream.ok) log.warn({ err: error }, "the stream of risk broke");
        this.health.stream.down(messageOf(error));
      }
      if (signal.aborted) return;
      await backoff.wait(signal);
      metrics.reconnects.inc();
    }
  }

  #opened(): void {
    this.health.stream.up("streams");
    this.#tasks.push({ kind: "catchUp" });
  }

  #take(event: StreamEvent, signal: AbortSignal): void {
    if (event.kind === "bar") {
      const market = this.#marketOf(event.bar);
      if (market !== undefined) this.#marketTime = Math.max(this.#marketTime, event.bar.bar.time + this.#timeframeMs(market));
    } else if (event.kind === "snapshot") {
      this.#marketTime = Math.max(this.#marketTime, event.snapshot.marketTime);
    }
    if (this.#tasks.length >= mostTasks) {
      this.#tasks.length = 0;
      throw new RangeError(`the program is ${mostTasks} events behind: reading the bars afresh`);
    }
    this.#tasks.push(event);
    this.#work(signal);
  }

  /** Starts the worker unless it is at work already. */
  #work(signal: AbortSignal): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#takeTasks(signal)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isWorking = false;
        // What came between the worker's last look and its end.
        if (this.#tasks.length > 0 && !signal.aborted) this.#work(signal);
      });
  }

  async #takeTasks(signal: AbortSignal): Promise<void> {
    for (let task = this.#tasks.shift(); task && !signal.aborted; task = this.#tasks.shift()) {
      await this.#handle(task, signal);
      await this.#decideAll(signal);
    }
    this.#scheduleTick(signal);
  }

  async #handle(task: Task, signal: AbortSignal): Promise<void> {
    switch (task.kind) {
      case "bar":
        return this.#addBar(task.bar, signal);
      case "fill":
        return this.#decider?.noteFill(task.fill);
      case "order":
        return this.#decider?.noteOrder(task.order);
      case "catchUp":
        return this.#catchUp(signal);
      case "end":
        this.#ended = true;
        this.#options.log.info({ reason: task.message }, "the market data has ended; nothing more will be decided");
        return;
      case "snapshot":
      case "tick":
        return;
    }
  }

  async #addBar({ market: symbol, timeframe, bar, revision }: BarEvent, signal: AbortSignal): Promise<void> {
    const { log, metrics } = this.#options;
    const market = this.#marketOf({ market: symbol, timeframe });
    if (market === undefined) return;
    if (revision) {
      metrics.bars.inc({ arrival: "revision" });
      log.warn({ market: symbol, time: bar.time }, "a bar was revised late; it is not decided again");
      return;
    }
    const last = this.#assembler.lastTime(market);
    // Bars in between may have been lost on the way; where the source has none, the answer is empty.
    if (last !== undefined && bar.time > last + this.#timeframeMs(market)) await this.#catchUp(signal);
    this.#add(market, bar);
  }

  #add(market: number, bar: WireBar): void {
    const arrival = this.#assembler.add(market, bar, this.#options.clock.nowMs());
    this.#options.metrics.bars.inc({ arrival });
    if (arrival === "late") this.#decider?.remember([{ market, bar }]);
  }

  /** Reads what was missed while no stream was open. */
  async #catchUp(signal: AbortSignal): Promise<void> {
    const snapshot = await this.#snapshot(signal);
    this.#marketTime = Math.max(this.#marketTime, snapshot.marketTime);
    for (const market of this.#options.markets.keys()) {
      for (const bar of await this.#barsOf(market, snapshot, signal)) {
        if (bar.time > (this.#assembler.lastTime(market) ?? Number.NEGATIVE_INFINITY)) this.#add(market, bar);
      }
    }
  }

  async #decideAll(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let group = this.#assembler.take(clock.nowMs());
    while (group && this.#decider) {
      const next = this.#assembler.take(clock.nowMs());
      const barMs = Math.min(...group.bars.map(({ market }) => this.#timeframeMs(market)));
      const isBacklog = this.#marketTime >= group.closeTime + barMs;
      await this.#decider.decideOn(group, { isBacklog, isFollowed: next !== undefined }, signal);
      group = next;
    }
  }

  /** Somebody has to look when the wait for a missing market is over. */
  #scheduleTick(signal: AbortSignal): void {
    this.#cancelTick();
    const deadlineMs = this.#assembler.nextDeadlineMs();
    if (deadlineMs === undefined || signal.aborted) return;
    this.#cancelTick = this.#options.clock.setTimeout(
      () => {
        this.#tasks.push({ kind: "tick" });
        this.#work(signal);
      },
      Math.max(0, deadlineMs - this.#options.clock.nowMs()),
    );
  }

  #snapshot(signal: AbortSignal): Promise<AgentSnapshot> {
    return this.#ask("snapshot", () => this.#options.risk.snapshot(signal), signal);
  }

  /**
   * The latest bars of a market: the warm-up, or all since the last one known, as far as one answer can hold them. Bars go on
   * closing while they are asked for, so that as many as were missing a moment ago may be too few: what does not reach back far
   * enough is asked for again.
   */
  async #barsOf(
    index: number,
    { marketTime, lastDecisionTime }: AgentSnapshot,
    signal: AbortSignal,
  ): Promise<readonly WireBar[]> {
    const { markets, warmupBars, risk } = this.#options;
    const market = markets[index];
    if (!market) throw new TypeError(`there is no market ${index}`);
    const { symbol, timeframe, timeframeMs } = market;
    const last = this.#assembler.lastTime(index);
    const since = last ?? lastDecisionTime;
    const missed = Math.max(0, Math.ceil((marketTime - (since ?? marketTime)) / timeframeMs));
    let limit = Math.min(mostBars, missed + (last === undefined ? warmupBars : 0) + 1);
    for (;;) {
      const query = { market: symbol, timeframe, limit };
      const bars = await this.#ask("bars", () => risk.bars(query, signal), signal);
      const reachesBack = since === undefined || bars.length < limit || (bars[0]?.time ?? 0) <= since + timeframeMs;
      if (reachesBack || limit === mostBars) return bars;
      limit = Math.min(mostBars, limit * 4);
    }
  }

  /** Reads from risk until it answers: without it there is nothing to do. */
  async #ask<Reply>(what: string, ask: () => Promise<Reply>, signal: AbortSignal): Promise<Reply> {
    const { clock, random, log } = this.#options;
    const backoff = new Backoff(clock, random);
    for (;;) {
      try {
        const reply = await ask();
        this.health.risk.up();
        return reply;
      } catch (error) {
        signal.throwIfAborted();
        if (this.health.risk.ok) log.warn({ err: error, what }, "risk does not answer");
        this.health.risk.down(messageOf(error));
      }
      await backoff.wait(signal);
    }
  }

  #marketOf({ market, timeframe }: { market: string; timeframe: string }): number | undefined {
    const index = this.#options.markets.findIndex((each) => each.symbol === market && each.timeframe === timeframe);
    return index < 0 ? undefined : index;
  }

  #timeframeMs(market: number): number {
    return this.#options.markets[market]?.timeframeMs ?? 0;
  }
}
