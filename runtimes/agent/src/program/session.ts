import type { DecisionRequest } from "@bellwether/trading/wire";
import { BarHistory } from "@bellwether/trading/engine/bar-history";
import { type ModelPort, silence } from "@bellwether/trading/engine/language-model";
import { type AccountView, ProgramHost } from "@bellwether/trading/engine/program-host";
import type { Bar, ProgramFill, ProgramOrder, ProgramPosition, ProgramRejection } from "@bellwether/trading/engine/program";
import { AgentError } from "../errors.ts";
import type { BoundProgram } from "../interface/define-strategy.ts";
import { firstErrorLine } from "../interface/first-error-line.ts";

export interface SessionMarket {
  readonly symbol: string;
  readonly timeframe: string;
  readonly timeframeMs: number;
}

export interface SessionOptions {
  /** In manifest order. */
  readonly markets: readonly SessionMarket[];
  readonly seed: number;
  /** JSON of `context.state`. */
  readonly state: string;
}

/** The account at one moment; plain data, because it travels to the process of a source program. Decimal strings. */
export interface AccountFigures {
  readonly equity: string;
  readonly cash: string;
  readonly positions: Readonly<Record<string, ProgramPosition>>;
  readonly orders: readonly ProgramOrder[];
}

export interface MarketBar {
  /** Index in `markets`. */
  readonly market: number;
  readonly bar: Bar;
}

export interface DecisionInput {
  /** Market time: the close of the bars decided on. */
  readonly decisionTime: number;
  /** Bars that closed since the last decision, the ones decided on included, each market's oldest first. */
  readonly bars: readonly MarketBar[];
  /** Markets to call `onBar` for, in manifest order; may be empty (history only). */
  readonly decideOn: readonly number[];
  readonly account: AccountFigures;
  readonly fills: readonly ProgramFill[];
  readonly rejections: readonly ProgramRejection[];
  /** The market has gone on already: nothing that is decided now will be traded on. */
  readonly isBacklog: boolean;
}

export interface DecisionOutput extends Pick<DecisionRequest, "intents" | "cancels" | "replaces" | "state" | "evidence"> {
  readonly log: readonly string[];
}

/** Bars of each market that a program can look back on. */
export const mostBars = 5000;
const mostLogLines = 100;
const longestLogLine = 1000;

/**
 * A program at work outside a backtest: its bars, its state, its host. The same in the agent's process (builtins) and in the
 * one of a source program.
 */
export class ProgramSession {
  readonly #histories: readonly BarHistory[];
  readonly #host: ProgramHost;
  #account: AccountFigures = { equity: "0", cash: "0", positions: {}, orders: [] };
  #log: string[] = [];
  #isBacklog = false;

  constructor(program: BoundProgram, { markets, seed, state }: SessionOptions, models: ModelPort) {
    this.#histories = markets.map(() => BarHistory.bounded(mostBars));
    const account: AccountView = {
      equity: () => this.#account.equity,
      cash: () => this.#account.cash,
      position: (market) => this.#account.positions[market] ?? { quantity: "0", averagePrice: "0" },
      orders: () => this.#account.orders,
    };
    this.#host = new ProgramHost({
      program,
      parameters: program.parameters,
      markets: markets.map((market, index) => ({ ...market, history: this.#history(index) })),
      account,
      seed,
      state,
      log: (message) => this.#note(message),
      models: this.#unlessBacklog(models),
    });
  }

  /** @throws AgentError with one of the program's faults */
  async decide(input: DecisionInput): Promise<DecisionOutput> {
    this.#account = input.account;
    this.#log = [];
    this.#isBacklog = input.isBacklog;
    for (const { market, bar } of input.bars) this.#history(market).append(bar);
    try {
      await this.#host.decide(input.decisionTime, input.decideOn, input);
      const { intents, cancels, replaces } = this.#host.actions;
      const evidence = this.#host.evidence.length > 0 && { evidence: [...this.#host.evidence] };
      return { intents, cancels, replaces, state: this.#host.stateText(), log: this.#log, ...evidence };
    } catch (error) {
      if (error instanceof AgentError) throw error;
      throw new AgentError("PROGRAM_THREW", firstErrorLine(error), { cause: error });
    }
  }

  /** Goes back to the state that was stored: another process decided, or this decision was refused. */
  restoreState(state: string): void {
    this.#host.restoreState(state);
  }

  /** A bar that was missed is shown, not decided on: asking a model about each would take minutes and money for nothing. */
  #unlessBacklog(models: ModelPort): ModelPort {
    return {
      ask: (question, promptHash) =>
        this.#isBacklog
          ? Promise.resolve(silence("BACKLOG", "the bar is over: no model is asked about the past"))
          : models.ask(question, promptHash),
      remember: (market, thought) => models.remember(market, thought),
      recall: (market) => (this.#isBacklog ? Promise.resolve(undefined) : models.recall(market)),
    };
  }

  #history(market: number): BarHistory {
    const history = this.#histories[market];
    if (!history) throw new TypeError(`there is no market ${market}`);
    return history;
  }

  #note(message: unknown): void {
    if (this.#log.length < mostLogLines) this.#log.push(String(message).slice(0, longestLogLine));
  }
}
