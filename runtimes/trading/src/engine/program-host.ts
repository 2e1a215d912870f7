import { TradingError } from "../trading-error.ts";
import type { DecisionEvidence } from "../wire/evidence.ts";
import type { BarHistory } from "./bar-history.ts";
import { ContextModel, type LanguageModel, type ModelPort, noModels } from "./language-model.ts";
import { ProgramActions, type Signal } from "./program-actions.ts";
import { decisionRandom } from "./program-random.ts";
import type {
  Bar,
  BuyRequest,
  EngineProgram,
  ProgramContext,
  ProgramFill,
  ProgramOrder,
  ProgramParameters,
  ProgramPosition,
  ProgramRejection,
  ProgramState,
  ReplaceRequest,
  SellRequest,
  Series,
} from "./program.ts";

/** The account as a program sees it. Read only when the program asks: formatting money for every bar would cost more than the bar. */
export interface AccountView {
  equity(): string;
  cash(): string;
  position(market: string): ProgramPosition;
  orders(): readonly ProgramOrder[];
}

export interface HostMarket {
  readonly symbol: string;
  readonly timeframe: string;
  readonly timeframeMs: number;
  readonly history: BarHistory;
}

export interface ProgramHostOptions {
  readonly program: EngineProgram;
  readonly parameters: ProgramParameters;
  /** In manifest order. */
  readonly markets: readonly HostMarket[];
  readonly account: AccountView;
  readonly seed: number;
  /** JSON of `context.state`; empty at the first start. */
  readonly state: string;
  readonly log: (message: string) => void;
  /** Default: none. */
  readonly models?: ModelPort | undefined;
}

/** What happened to the strategy's orders since its last decision. */
export interface DecisionEvents {
  readonly fills: readonly ProgramFill[];
  readonly rejections: readonly ProgramRejection[];
}

/** JSON of `context.state` may be this long; the wire's bound. */
export const LONGEST_STATE = 262_144;

/**
 * Runs a program's callbacks and collects what they ask for: the same in backtest, paper and live. Who owns the host moves the
 * bar histories on, calls `decide`, and takes `actions` and `stateText()`.
 */
export class ProgramHost {
  readonly actions = new ProgramActions();
  /** Questions put to models for the decision under way. */
  readonly evidence: DecisionEvidence[] = [];
  readonly #program: EngineProgram;
  readonly #contexts: readonly MarketContext[];
  readonly #shared: Shared;

  constructor(options: ProgramHostOptions) {
    this.#program = options.program;
    const { actions, evidence } = this;
    const models = options.models ?? noModels;
    this.#shared = { ...options, models, evidence, actions, state: parseState(options.state), random: undefined };
    this.#contexts = options.markets.map((market) => new MarketContext(this.#shared, market));
  }

  /**
   * One decision: callbacks for events, then `onBar` for each of `markets` (indexes, manifest order).
   *
   * @param decisionTime market time: the close of the bars decided on
   * @returns a promise only when the program returned one; whatever the program throws passes through
   */
  decide(decisionTime: number, markets: readonly number[], events: DecisionEvents | undefined): void | Promise<void> {
    this.#begin(decisionTime);
    if (events && events.fills.length + events.rejections.length > 0) return this.#decideAfterEvents(markets, events);
    for (let position = 0; position < markets.length; position++) {
      const pending = this.#onBar(markets[position] ?? 0);
      if (pending instanceof Promise) return this.#goOn(pending, markets.slice(position + 1));
    }
  }

  /** `decide` for one market without events: the backtest's every bar. */
  decideBar(decisionTime: number, market: number): void | Promise<void> {
    this.#begin(decisionTime);
    return this.#onBar(market);
  }

  /** @throws TradingError PROGRAM_ACTION_INVALID when it is no JSON object, or too long */
  stateText(): string {
    return stateText(this.#shared.state);
  }

  /** Goes back to a stored state: a decision was not stored after all. */
  restoreState(text: string): void {
    this.#shared.state = parseState(text);
  }

  #begin(decisionTime: number): void {
    this.actions.clear();
    if (this.evidence.length > 0) this.evidence.length = 0;
    this.#shared.random = undefined;
    for (const context of this.#contexts) context.time = decisionTime;
  }

  #onBar(market: number): void | Promise<void> {
    const context = this.#contexts[market];
    if (context) return this.#program.onBar(context);
  }

  async #goOn(pending: Promise<void>, markets: readonly number[]): Promise<void> {
    await pending;
    for (const market of markets) await this.#onBar(market);
  }

  async #decideAfterEvents(markets: readonly number[], { fills, rejections }: DecisionEvents): Promise<void> {
    for (const fill of fills) {
      const context = this.#contextOf(fill.market);
      if (context) await this.#program.onFill?.(context, fill);
    }
    for (const rejection of rejections) {
      const context = this.#contextOf(rejection.market);
      if (context) await this.#program.onReject?.(context, rejection);
    }
    for (const market of markets) await this.#onBar(market);
  }

  #contextOf(symbol: string): MarketContext | undefined {
    return this.#contexts.find((context) => context.market === symbol);
  }
}

/** What the contexts of all markets have in common. */
interface Shared {
  readonly parameters: ProgramParameters;
  readonly account: AccountView;
  readonly seed: number;
  readonly log: (message: string) => void;
  readonly actions: ProgramActions;
  readonly models: ModelPort;
  readonly evidence: DecisionEvidence[];
  state: ProgramState;
  random: (() => number) | undefined;
}

class MarketContext implements ProgramContext {
  readonly market: string;
  readonly timeframe: string;
  readonly parameters: ProgramParameters;
  readonly opens: Series;
  readonly highs: Series;
  readonly lows: Series;
  readonly closes: Series;
  readonly volumes: Series;
  readonly llm: LanguageModel;
  time = 0;
  readonly #shared: Shared;
  readonly #history: BarHistory;
  readonly #timeframeMs: number;

  constructor(shared: Shared, market: HostMarket) {
    this.#shared = shared;
    this.#history = market.history;
    this.#timeframeMs = market.timeframeMs;
    this.market = market.symbol;
    this.timeframe = market.timeframe;
    this.parameters = shared.parameters;
    this.llm = new ContextModel(shared.models, market.symbol, shared.evidence);
    ({ opens: this.opens, highs: this.highs, lows: this.lows, closes: this.closes, volumes: this.volumes } = market.history);
  }

  get state(): ProgramState {
    return this.#shared.state;
  }

  set state(state: ProgramState) {
    this.#shared.state = state;
  }

  get equity(): string {
    return this.#shared.account.equity();
  }

  get cash(): string {
    return this.#shared.account.cash();
  }

  get position(): ProgramPosition {
    return this.#shared.account.position(this.market);
  }

  bars(count: number): Bar[] {
    return this.#history.bars(count);
  }

  buy(request: BuyRequest): void {
    this.#shared.actions.order("buy", request, this.#signal());
  }

  sell(request: SellRequest): void {
    this.#shared.actions.order("sell", request, this.#signal());
  }

  orders(): readonly ProgramOrder[] {
    return this.#shared.account.orders();
  }

  cancel(orderId: string): void {
    this.#shared.actions.cancel(orderId);
  }

  replace(orderId: string, change: ReplaceRequest): void {
    this.#shared.actions.replace(orderId, change);
  }

  random(): number {
    this.#shared.random ??= decisionRandom(this.#shared.seed, this.time);
    return this.#shared.random();
  }

  log(message: string): void {
    this.#shared.log(message);
  }

  #signal(): Signal {
    return {
      market: this.market,
      close: this.#history.lastClose,
      decisionTime: this.time,
      timeframeMs: this.#timeframeMs,
    };
  }
}

function parseState(text: string): ProgramState {
  return text === "" ? {} : (JSON.parse(text) as ProgramState);
}

function stateText(state: unknown): string {
  if (typeof state !== "object" || state === null || Array.isArray(state)) {
    throw new TradingError(
      "PROGRAM_ACTION_INVALID",
      `context.state is ${JSON.stringify(state) ?? typeof state}, must be an object`,
    );
  }
  const text = JSON.stringify(state);
  if (text.length <= LONGEST_STATE) return text;
  throw new TradingError(
    "PROGRAM_ACTION_INVALID",
    `context.state is ${text.length} characters of JSON, at most ${LONGEST_STATE}`,
  );
}
