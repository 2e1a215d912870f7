export interface FairQueueOptions {
  /** Requests that the model answers at once. */
  readonly slots: number;
  /** Most requests that wait, all strategies together. */
  readonly maxQueued: number;
  /** Most requests of one strategy under way at once; further ones wait. */
  readonly concurrentPerStrategy: number;
}

export interface QueuedRequest {
  readonly id: string;
  readonly strategy: string;
  /** Greater than 0: twice the weight, twice the share when all want more than there is. */
  readonly weight: number;
  /** How much of the model it takes, in tokens as far as they are known. Greater than 0. */
  readonly cost: number;
  /** Epoch milliseconds after which it is not worth starting. */
  readonly deadlineMs: number;
}

export type Entered =
  /** `displaced`: a waiting request of the strategy with the longest queue that had to make room. */
  | { readonly accepted: true; readonly displaced?: string }
  | { readonly accepted: false; readonly reason: "QUEUE_FULL"; readonly queued: number; readonly maximum: number }
  | { readonly accepted: false; readonly reason: "DEADLINE_PASSED"; readonly lateByMs: number }
  | { readonly accepted: false; readonly reason: "ALREADY_IN"; readonly id: string };

interface Waiting extends QueuedRequest {
  readonly enteredAtMs: number;
}

interface Strategy {
  readonly waiting: Waiting[];
  running: number;
  /** Work received, divided by weight: the next to start is the one that had least. */
  virtualTime: number;
}

/**
 * A weighted fair queue in front of one model (start-time fair queueing; Goyal, Vin, Cheng 1996): among strategies that want more than there
 * is, each gets its weight's share of the model's work, however many requests the others send. A strategy that was idle starts level with the
 * others: it neither saves up a claim nor pays for the past.
 *
 * Bounded: when it is full, the newest request of the strategy with the longest queue makes room, so that nobody fills it up for all.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #strategies = new Map<string, Strategy>();
  readonly #running = new Map<string, QueuedRequest>();
  readonly #waitingIds = new Set<string>();
  /** Virtual time of what was started last. */
  #now = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** Puts a request in line. Ask {@link start} next: it may be its turn at once. */
  enter(request: QueuedRequest, nowMs: number): Entered {
    if (this.#running.has(request.id) || this.#waitingIds.has(request.id)) {
      return { accepted: false, reason: "ALREADY_IN", id: request.id };
    }
    if (request.deadlineMs <= nowMs) return { accepted: false, reason: "DEADLINE_PASSED", lateByMs: nowMs - request.deadlineMs };
    const displaced = this.#makeRoom(request.strategy);
    if (displaced === false) {
      return { accepted: false, reason: "QUEUE_FULL", queued: this.#waitingIds.size, maximum: this.#options.maxQueued };
    }
    const strategy = this.#strategies.get(request.strategy) ?? { waiting: [], running: 0, virtualTime: this.#now };
    if (strategy.waiting.length === 0) strategy.virtualTime = Math.max(strategy.virtualTime, this.#now);
    strategy.waiting.push({ ...request, enteredAtMs: nowMs });
    this.#strategies.set(request.strategy, strategy);
    this.#waitingIds.add(request.id);
    return displaced === undefined ? { accepted: true } : { accepted: true, displaced };
  }

  /** The id of the request that made room; undefined when there is room; false when the newcomer is of the longest queue itself. */
  #makeRoom(newcomer: string): string | undefined | false {
    // What can start at once does not wait.
    if (this.#waitingIds.size < this.#options.maxQueued || this.#canStart(newcomer)) return undefined;
    let longest: Strategy | undefined;
    for (const strategy of this.#strategies.values()) {
      if (strategy.waiting.length > (longest?.waiting.length ?? 0)) longest = strategy;
    }
    const own = this.#strategies.get(newcomer)?.waiting.length ?? 0;
    if (longest === undefined || longest.waiting.length <= own + 1) return false;
    const last = longest.waiting.pop();
    if (last === undefined) return false;
    this.#waitingIds.delete(last.id);
    return last.id;
  }

  #canStart(strategy: string): boolean {
    const known = this.#strategies.get(strategy);
    const free = this.#running.size < this.#options.slots && (known?.running ?? 0) < this.#options.concurrentPerStrategy;
    return free && (known?.waiting.length ?? 0) === 0;
  }

  /** What may start now, in order, with how long it waited; and what has waited past its deadline and is out. */
  start(nowMs: number): { started: readonly { id: string; waitedMs: number }[]; expired: readonly string[] } {
    const expired = this.#expire(nowMs);
    const started: { id: string; waitedMs: number }[] = [];
    while (this.#running.size < this.#options.slots) {
      const strategy = this.#next();
      const request = strategy?.waiting.shift();
      if (strategy === undefined || request === undefined) break;
      this.#now = Math.max(this.#now, strategy.virtualTime);
      strategy.virtualTime += request.cost / request.weight;
      strategy.running += 1;
      this.#waitingIds.delete(request.id);
      this.#running.set(request.id, request);
      started.push({ id: request.id, waitedMs: Math.max(0, nowMs - request.enteredAtMs) });
    }
    return { started, expired };
  }

  #next(): Strategy | undefined {
    let next: Strategy | undefined;
    for (const [name, strategy] of this.#strategies) {
      this.#forgetIfIdle(name, strategy);
      if (strategy.waiting.length === 0 || strategy.running >= this.#options.concurrentPerStrategy) continue;
      if (next === undefined || strategy.virtualTime < next.virtualTime) next = strategy;
    }
    return next;
  }

  #expire(nowMs: number): string[] {
    const expired: string[] = [];
    for (const [name, strategy] of this.#strategies) {
      const late = strategy.waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
      if (late.length === 0) continue;
      const kept = strategy.waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
      strategy.waiting.splice(0, strategy.waiting.length, ...kept);
      for (const { id } of late) {
        this.#waitingIds.delete(id);
        expired.push(id);
      }
      this.#forgetIfIdle(name, strategy);
    }
    return expired;
  }

  /**
   * A request has ended, or its caller went away while it waited. Ask {@link start} next.
   *
   * @param cost what it really took, in the same unit; its strategy is charged the difference
   */
  leave(id: string, cost?: number): void {
    const running = this.#running.get(id);
    if (running === undefined) {
      this.#withdraw(id);
      return;
    }
    this.#running.delete(id);
    const strategy = this.#strategies.get(running.strategy);
    if (strategy === undefined) throw new Error(`request ${id} ran for a strategy that the queue does not know`);
    strategy.running -= 1;
    if (cost !== undefined) strategy.virtualTime += (cost - running.cost) / running.weight;
    // While its own limit held it back it was not waiting for the others: no claim grows from that.
    strategy.virtualTime = Math.max(strategy.virtualTime, this.#now);
    this.#forgetIfIdle(running.strategy, strategy);
  }

  #withdraw(id: string): void {
    if (!this.#waitingIds.delete(id)) return;
    for (const [name, strategy] of this.#strategies) {
      const index = strategy.waiting.findIndex((request) => request.id === id);
      if (index < 0) continue;
      strategy.waiting.splice(index, 1);
      this.#forgetIfIdle(name, strategy);
      return;
    }
  }

  /** An idle strategy ahead of the others is remembered, or leaving and coming back would clear what it has had. The map stays as small as its users. */
  #forgetIfIdle(name: string, strategy: Strategy): void {
    if (strategy.running === 0 && strategy.waiting.length === 0 && strategy.virtualTime <= this.#now)
      this.#strategies.delete(name);
  }

  /** When {@link start} must be asked again at the latest, to say that a request has waited too long; undefined when nothing waits. */
  nextDeadlineMs(): number | undefined {
    let next: number | undefined;
    for (const { waiting } of this.#strategies.values()) {
      for (const { deadlineMs } of waiting) if (next === undefined || deadlineMs < next) next = deadlineMs;
    }
    return next;
  }

  figures(): { running: number; waiting: number; strategies: number } {
    return { running: this.#running.size, waiting: this.#waitingIds.size, strategies: this.#strategies.size };
  }
}
