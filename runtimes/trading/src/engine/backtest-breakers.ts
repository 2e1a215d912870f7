import {
  configureBreakers,
  describeBreaker,
  observeBreakers,
  stopOf,
  type BreakerSet,
  type BreakerStop,
  type Clocks,
} from "../breakers/breaker-set.ts";
import { isTripped, type Observation } from "../breakers/breaker.ts";
import { flattenSlippage } from "../breakers/flatten.ts";
import { strictestCondition } from "../rules/trading-state.ts";
import type { BacktestAccount } from "./backtest-account.ts";
import type { BacktestBroker } from "./backtest-broker.ts";
import type { PreparedBacktest } from "./backtest-options.ts";
import type { DecisionLog } from "./decision-log.ts";

interface Parts {
  readonly account: BacktestAccount;
  readonly broker: BacktestBroker;
  readonly log: DecisionLog;
}

const SCOPE = "backtest";

/**
 * The policy's circuit breakers in a backtest: the same state machines as in risk, both clocks being the market's. Looked at after every close, before the
 * program decides; what only a person can arm again stays tripped to the end.
 */
export class BacktestBreakers {
  readonly #prepared: PreparedBacktest;
  readonly #parts: Parts;
  readonly #transfers: number;
  #breakers: BreakerSet;
  #stop: BreakerStop | undefined;
  #clocks: Clocks = { marketMs: 0, wallMs: 0 };
  #flattenings = 0;

  /** Undefined where the policy has no breakers: nothing is to be looked at. */
  static watching(prepared: PreparedBacktest, parts: Parts, startingEquity: number): BacktestBreakers | undefined {
    const configs = prepared.options.circuitBreakers ?? [];
    return configs.length === 0 ? undefined : new BacktestBreakers(prepared, parts, startingEquity);
  }

  private constructor(prepared: PreparedBacktest, parts: Parts, startingEquity: number) {
    this.#prepared = prepared;
    this.#parts = parts;
    this.#transfers = startingEquity;
    this.#breakers = configureBreakers([], prepared.options.circuitBreakers ?? [], this.#clocks);
    parts.account.onRoundTrip = (profit) => this.#show({ kind: "roundTrip", scope: SCOPE, profit });
    parts.broker.onVenueAnswer = (rejected) => this.#show({ kind: "order", account: SCOPE, rejected });
  }

  /** @param closeMs market time of the close that everything is marked at, @param index of that bar */
  look(closeMs: number, index: number): void {
    const { stepMs, decided, terms } = this.#prepared;
    // A bar is due one step after the one before it: what came later was awaited in vain.
    const dueMs = closeMs - stepMs;
    this.#clocks = { marketMs: dueMs, wallMs: dueMs };
    if (index > 0 && (decided.time[index - 1] ?? 0) + stepMs < dueMs) this.#show(undefined);
    this.#clocks = { marketMs: closeMs, wallMs: closeMs };
    if (this.#stop !== undefined) this.#show(undefined);
    this.#show({ kind: "venues", fresh: { [SCOPE]: true } });
    this.#show({ kind: "equity", equity: this.#parts.account.markEquity, transfers: this.#transfers });
    this.#show({ kind: "price", market: terms.symbol, price: decided.close[index] ?? 0 });
    this.#enforce(closeMs, index);
  }

  #show(observation: Observation | undefined): void {
    const before = this.#breakers;
    this.#breakers = observeBreakers(before, observation, this.#clocks);
    if (this.#breakers === before) return;
    for (const [index, held] of this.#breakers.entries()) {
      const phase = before[index]?.state.phase;
      if (phase === held.state.phase) continue;
      const what = isTripped(held.state) ? ` ${describeBreaker(held)}` : "";
      this.#parts.log.write(`breaker ${this.#clocks.marketMs} ${held.config.type} ${phase} -> ${held.state.phase}${what}`);
    }
    this.#stop = stopOf(this.#breakers);
  }

  #enforce(closeMs: number, index: number): void {
    const { account, broker } = this.#parts;
    const own = this.#prepared.trading;
    account.trading = this.#stop === undefined ? own : strictestCondition([own, this.#stop.condition]);
    if (this.#stop === undefined) {
      this.#flattenings = 0;
      return;
    }
    const { action } = this.#stop;
    if (action === "Reduce") return;
    if (account.hasOrders) broker.cancelResting(closeMs, action === "Flatten");
    // A policy that a person has halted sells nothing either.
    if (action === "Flatten" && account.held > 0n && own.state !== "Halted") {
      broker.flatten(closeMs, index, flattenSlippage(this.#flattenings));
      this.#flattenings++;
    }
  }
}
