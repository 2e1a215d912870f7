import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { ProgramFill, ProgramRejection } from "@bellwether/trading/engine/program";
import type { AgentSnapshot, BrokerOrder, DecisionReply, DecisionRequest, WireFill } from "@bellwether/trading/wire";
import type { AgentMetrics } from "../metrics.ts";
import type { ProgramRunner } from "../program/runner.ts";
import type { DecisionOutput, MarketBar, SessionMarket } from "../program/session.ts";
import type { Trigger } from "../schedule/triggers.ts";
import { accountFigures, programFill } from "./account-figures.ts";
import type { BarGroup } from "./bar-assembler.ts";
import type { DecisionStore } from "./decision-store.ts";

export interface DeciderOptions {
  readonly markets: readonly SessionMarket[];
  readonly runner: ProgramRunner;
  readonly store: DecisionStore;
  /** Asks risk until it answers. */
  readonly snapshot: (signal: AbortSignal) => Promise<AgentSnapshot>;
  readonly isDue: Trigger;
  /** True: a decision is due for every market, not only for those whose bar closed (`every`, `cron`). */
  readonly decidesOnAll: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
}

/** How a group of bars came: what arrives in time is traded on, what was missed during an outage is not. */
export interface Arrival {
  /** The market has gone on by a bar or more since. */
  readonly isBacklog: boolean;
  /** More groups are waiting: the state of this one need not be stored, the next one's will be. */
  readonly isFollowed: boolean;
}

const mostUnseenBars = 10_000;
/** Callbacks that wait for the next decision. */
const mostEvents = 1_000;
/** Trade ids remembered, so that a fill told twice is told to the program once. */
const mostTradeIds = 10_000;

/**
 * Takes one group of bars after another to the program and its answer to risk: account in, callbacks, decision out, stored
 * once. What risk has stored (cursor, state, run) is the truth, whatever this process believes.
 */
export class Decider {
  readonly #options: DeciderOptions;
  #snapshot: AgentSnapshot;
  /** Market time of the last decision that risk has, or of the bars before the first one. */
  #cursor: number;
  #previousClose: number;
  #unseenBars: MarketBar[] = [];
  #fills: ProgramFill[] = [];
  #rejections: ProgramRejection[] = [];
  readonly #tradeIds = new Set<string>();

  /** @param firstClose nothing up to this market time is decided on */
  constructor(options: DeciderOptions, snapshot: AgentSnapshot, firstClose: number) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#cursor = Math.max(firstClose, snapshot.lastDecisionTime ?? 0);
    this.#previousClose = this.#cursor;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Bars for the history only. */
  remember(bars: readonly MarketBar[]): void {
    this.#unseenBars.push(...bars);
  }

  noteFill(fill: WireFill): void {
    if (this.#tradeIds.has(fill.tradeId)) return;
    this.#tradeIds.add(fill.tradeId);
    if (this.#tradeIds.size > mostTradeIds) this.#tradeIds.delete(this.#tradeIds.values().next().value ?? "");
    if (this.#fills.length < mostEvents) this.#fills.push(programFill(fill));
  }

  noteOrder({ order, state, reason }: BrokerOrder): void {
    if (state !== "Rejected" && state !== "NotSent") return;
    const ordinal = Number(order.intentId.split("/").at(-1));
    const why = state === "Rejected" ? "REJECTED" : "NOT_SENT";
    this.#reject({ ordinal, market: order.market, side: order.side }, order.decisionTime, { reason: why, message: reason ?? "" });
  }

  /** @throws AgentError when the program fails, the signal's reason */
  async decideOn(group: BarGroup, arrival: Arrival, signal: AbortSignal): Promise<void> {
    const { isDue, decidesOnAll, markets, runner, clock, metrics } = this.#options;
    this.#unseenBars.push(...group.bars);
    const previousClose = this.#previousClose;
    this.#previousClose = group.closeTime;
    if (group.closeTime <= this.#cursor || !isDue(previousClose, group.closeTime)) return this.#showIfMany(group.closeTime);

    const startedMs = clock.nowMs();
    if (!(await this.#isStillOurs(group.closeTime, arrival, signal))) return;
    const output = await runner.decide({
      decisionTime: group.closeTime,
      bars: this.#unseenBars,
      decideOn: decidesOnAll ? [...markets.keys()] : group.bars.map(({ market }) => market),
      account: accountFigures(this.#snapshot),
      fills: this.#fills,
      rejections: this.#rejections,
      isBacklog: arrival.isBacklog,
    });
    this.#unseenBars = [];
    this.#fills = [];
    this.#rejections = [];
    for (const line of output.log) this.#options.log.info({ program: true, decisionTime: group.closeTime }, line);
    if (arrival.isBacklog) this.#dropOrders(output, group.closeTime);
    if (arrival.isBacklog && arrival.isFollowed) return;
    await this.#store(
      group.closeTime,
      arrival.isBacklog ? { ...output, intents: [], cancels: [], replaces: [] } : output,
      signal,
    );
    metrics.decisionSeconds.observe((clock.nowMs() - startedMs) / 1000);
  }

  /** Between two triggers far apart the program is shown its bars in portions, and asked nothing. */
  async #showIfMany(closeTime: number): Promise<void> {
    if (this.#unseenBars.length < mostUnseenBars) return;
    const bars = this.#unseenBars;
    this.#unseenBars = [];
    const account = accountFigures(this.#snapshot);
    const nothing = { decideOn: [], fills: [], rejections: [], isBacklog: true };
    await this.#options.runner.decide({ decisionTime: closeTime, bars, account, ...nothing });
  }

  /** Reads the account; false when another process of this strategy has decided this bar meanwhile. Backlog needs no fresh account. */
  async #isStillOurs(closeTime: number, { isBacklog }: Arrival, signal: AbortSignal): Promise<boolean> {
    if (isBacklog) return true;
    this.#snapshot = await this.#options.snapshot(signal);
    if ((this.#snapshot.lastDecisionTime ?? 0) < closeTime) return true;
    await this.#takeOver(this.#snapshot, "the bar has been decided already");
    return false;
  }

  async #store(decisionTime: number, output: DecisionOutput, signal: AbortSignal): Promise<void> {
    const { store, metrics, log } = this.#options;
    const { run, marketSet, uid } = this.#snapshot;
    const { log: _log, ...decision } = output;
    const { intents, cancels, replaces } = decision;
    const request: DecisionRequest = { strategyUid: uid, run, marketSet, decisionTime, ...decision };
    const outcome = await store.store(request, this.#shortestBarMs(), signal);
    if (!outcome.stored) {
      metrics.decisions.inc({ result: "refused" });
      await this.#takeOver(await this.#options.snapshot(signal), outcome.reason);
      return;
    }
    this.#cursor = decisionTime;
    metrics.decisions.inc({ result: outcome.withOrders ? "stored" : "without-orders" });
    if (outcome.withOrders) this.#noteVerdicts(request, outcome.reply);
    else this.#dropOrders(output, decisionTime);
    const orders = intents.length + cancels.length + replaces.length;
    if (orders > 0)
      log.info({ decisionTime, intents: intents.length, cancels: cancels.length, replaces: replaces.length }, "decided");
  }

  #noteVerdicts({ intents, decisionTime }: DecisionRequest, { results }: DecisionReply): void {
    for (const { ordinal, verdict } of results) {
      const intent = intents.find((candidate) => candidate.ordinal === ordinal);
      if (!intent || verdict.allowed) continue;
      this.#reject(intent, decisionTime, { reason: verdict.reason ?? "DENIED", message: verdict.message ?? "" });
    }
  }

  /** The program learns that nothing became of them, or it would believe in orders that never were. */
  #dropOrders({ intents }: DecisionOutput, decisionTime: number): void {
    const message = "the market had gone on before the decision could be stored";
    for (const intent of intents) this.#reject(intent, decisionTime, { reason: "EXPIRED", message });
    if (intents.length > 0) this.#options.log.warn({ decisionTime, intents: intents.length }, "orders dropped: too late");
  }

  #reject(
    { ordinal, market, side }: Pick<ProgramRejection, "ordinal" | "market" | "side">,
    decisionTime: number,
    why: Pick<ProgramRejection, "reason" | "message">,
  ): void {
    if (this.#rejections.length < mostEvents) this.#rejections.push({ decisionTime, ordinal, market, side, ...why });
  }

  async #takeOver(snapshot: AgentSnapshot, reason: string): Promise<void> {
    this.#options.log.warn({ reason, lastDecisionTime: snapshot.lastDecisionTime }, "going on from what risk has stored");
    this.#snapshot = snapshot;
    this.#cursor = Math.max(this.#cursor, snapshot.lastDecisionTime ?? 0);
    await this.#options.runner.restoreState(snapshot.state);
  }

  #shortestBarMs(): number {
    return Math.min(...this.#options.markets.map(({ timeframeMs }) => timeframeMs));
  }
}
