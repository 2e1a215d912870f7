import {
  decimalFromNumber,
  decimalToNumber,
  formatDecimal,
  ratioOf,
  roundToDecimals,
  subtract,
  type Decimal,
} from "../decimal.ts";
import { BacktestAccount } from "./backtest-account.ts";
import { BacktestBreakers } from "./backtest-breakers.ts";
import { prepareBacktest, type BacktestOptions, type PreparedBacktest } from "./backtest-options.ts";
import { BarHistory } from "./bar-history.ts";
import { BacktestBroker, type BacktestFill } from "./backtest-broker.ts";
import { DecisionLog, answerLine } from "./decision-log.ts";
import { Performance } from "./performance.ts";
import { ProgramHost } from "./program-host.ts";

export type { BacktestFill } from "./backtest-broker.ts";
export type { BacktestOptions, FeeSpike, StartingBalance } from "./backtest-options.ts";

/** `status.backtest` and the fills: money and ratios as decimal text. */
export interface BacktestResult {
  /** Bars seen, those of the warm-up included. */
  readonly bars: number;
  /** Completed round trips: how often the position went back to nothing. */
  readonly trades: number;
  readonly pnlRatio: string;
  readonly maxDrawdownRatio: string;
  readonly sharpe: string;
  /** Exact: cash and the open position at the last close. */
  readonly finalEquity: string;
  readonly fees: string;
  readonly logSha256: string;
  readonly fills: readonly BacktestFill[];
  /** Only with `keepLog`. */
  readonly log?: string;
}

/**
 * Runs a program over known bars, event by event: the bar fills what rests at the paper venue, the account is marked at its
 * close, the program decides, risk's sizing and rules judge, what passes rests at the venue for the next bar. The same spec,
 * data and seed give the same bytes of log.
 *
 * Money is exact at orders and fills; the equity curve (drawdown, Sharpe) is in floats. An open position is marked at the last
 * close and never closed; orders of the last bar stay unfilled. Whatever the program throws passes through.
 *
 * Throws BACKTEST_INVALID, DECIMAL_INVALID for options that make no sense.
 */
export async function runBacktest(options: BacktestOptions): Promise<BacktestResult> {
  const run = new BacktestRun(prepareBacktest(options));
  // A program that returns nothing never gives control away: one loop, no promises.
  for (let pending = run.goOn(); pending !== undefined; pending = run.goOn()) await pending;
  return run.result();
}

class BacktestRun {
  readonly #prepared: PreparedBacktest;
  readonly #account: BacktestAccount;
  readonly #broker: BacktestBroker;
  readonly #history: BarHistory;
  readonly #host: ProgramHost;
  readonly #log: DecisionLog;
  readonly #performance: Performance;
  readonly #breakers: BacktestBreakers | undefined;
  readonly #startingEquity: Decimal;
  /** Index of the next bar to process. */
  #next = 0;
  /** A decision whose program has not returned yet. */
  #undecided = false;

  constructor(prepared: PreparedBacktest) {
    const { options, decided, terms } = prepared;
    this.#prepared = prepared;
    this.#log = new DecisionLog(options.keepLog === true);
    this.#log.write(prepared.header);
    this.#account = new BacktestAccount(terms, prepared.trading, {
      peakEquity: () => this.#performance.peakEquity,
      dayStartEquity: () => this.#performance.dayStartEquity,
    });
    this.#broker = new BacktestBroker(prepared, { account: this.#account, log: this.#log });
    this.#startingEquity = this.#broker.deposit();
    this.#performance = new Performance(decimalToNumber(this.#startingEquity));
    const parts = { account: this.#account, broker: this.#broker, log: this.#log };
    this.#breakers = BacktestBreakers.watching(prepared, parts, decimalToNumber(this.#startingEquity));
    const { time: times, open: opens, high: highs, low: lows, close: closes, volume: volumes } = decided;
    this.#history = BarHistory.over({ times, opens, highs, lows, closes, volumes }, 0);
    const market = { symbol: terms.symbol, timeframe: options.timeframe, timeframeMs: prepared.stepMs, history: this.#history };
    const { program, parameters, seed, models } = options;
    const log = options.log ?? (() => undefined);
    const account = this.#account.view;
    this.#host = new ProgramHost({ program, parameters, markets: [market], account, seed, state: "", log, models });
  }

  /** Runs until the end (undefined) or until the program returns a promise (that promise). */
  goOn(): Promise<void> | undefined {
    if (this.#undecided) this.#settleDecision();
    const { decided, stepMs, options } = this.#prepared;
    const warmupBars = options.warmupBars ?? 0;
    while (this.#next < decided.length) {
      const index = this.#next++;
      const closeMs = (decided.time[index] ?? 0) + stepMs;
      this.#account.moveTo(decided.close[index] ?? 0);
      if (this.#account.hasOrders) this.#broker.fillUpTo(index);
      this.#performance.mark(closeMs, this.#account.markEquity);
      this.#breakers?.look(closeMs, index);
      this.#history.moveTo(index + 1);
      if (index < warmupBars || (options.decides !== undefined && !options.decides(closeMs))) continue;
      const pending = this.#decide(closeMs);
      if (pending instanceof Promise) {
        this.#undecided = true;
        return pending;
      }
      if (!this.#host.actions.isEmpty) this.#broker.act(this.#host.actions, closeMs, index);
    }
    return undefined;
  }

  #decide(closeMs: number): void | Promise<void> {
    if (!this.#broker.hasEvents) return this.#host.decideBar(closeMs, 0);
    return this.#host.decide(closeMs, [0], this.#broker.takeEvents());
  }

  #settleDecision(): void {
    this.#undecided = false;
    const index = this.#next - 1;
    const closeMs = (this.#prepared.decided.time[index] ?? 0) + this.#prepared.stepMs;
    for (const entry of this.#host.evidence) this.#log.write(answerLine(closeMs, entry));
    if (!this.#host.actions.isEmpty) this.#broker.act(this.#host.actions, closeMs, index);
  }

  result(): BacktestResult {
    // A state that is no JSON would fail the strategy at its first decision on paper: it must fail here, too.
    this.#host.stateText();
    const finalEquity = formatDecimal(this.#account.equity);
    const fees = formatDecimal(this.#account.fees);
    this.#log.write(`final ${finalEquity} fees=${fees}`);
    const profit = subtract(this.#account.equity, this.#startingEquity);
    const log = this.#log;
    const logSha256 = log.sha256();
    const text = log.text();
    return {
      bars: this.#prepared.decided.length,
      trades: this.#account.roundTrips,
      pnlRatio: formatDecimal(signedRatio(profit, this.#startingEquity)),
      maxDrawdownRatio: rounded(this.#performance.maxDrawdownRatio, 6),
      sharpe: rounded(this.#performance.sharpe(), 4),
      finalEquity,
      fees,
      logSha256,
      fills: this.#broker.fills,
      ...(text !== undefined && { log: text }),
    };
  }
}

function signedRatio(profit: Decimal, start: Decimal): Decimal {
  return ratioOf(profit, start, 6);
}

function rounded(value: number, decimals: number): string {
  return formatDecimal(roundToDecimals(decimalFromNumber(value), decimals, "halfEven"));
}
