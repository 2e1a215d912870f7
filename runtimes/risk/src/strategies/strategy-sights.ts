import type { Clock } from "@bellwether/service-kit";
import { type AlertRule, ZERO, markToMarket } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { StrategySight } from "../alerts/alert-watch.ts";
import { marksOf } from "../portfolio/valuation.ts";
import type { Strategy } from "./strategy.ts";

interface Times {
  barRelayedMs: number | undefined;
  decisionLatencyMs: number | undefined;
}

/** What alerts look at of each strategy: its figures, and how long decisions and bars take, in wall time. */
export class StrategySights {
  readonly #clock: Clock;
  readonly #alerts = new Map<string, readonly AlertRule[]>();
  readonly #times = new Map<string, Times>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  setAlerts(uid: string, alerts: readonly AlertRule[]): void {
    this.#alerts.set(uid, alerts);
  }

  barRelayed(uid: string): void {
    this.#timesOf(uid).barRelayedMs = this.#clock.nowMs();
  }

  decisionArrived(uid: string): void {
    const times = this.#timesOf(uid);
    if (times.barRelayedMs !== undefined) times.decisionLatencyMs = this.#clock.nowMs() - times.barRelayedMs;
  }

  of(strategy: Strategy, account: Account | undefined, currency: string | undefined): StrategySight {
    const { uid, namespace, name, admitted } = strategy;
    const { barRelayedMs, decisionLatencyMs } = this.#timesOf(uid);
    const marked =
      admitted && account?.loaded === true && currency !== undefined
        ? markToMarket(account.book.subAccount(uid), currency, marksOf(account.book))
        : undefined;
    return {
      uid,
      namespace,
      name,
      alerts: this.#alerts.get(uid),
      startingCapital: marked?.capital ?? ZERO,
      equity: marked?.equity,
      decisionLatencyMs,
      barAgeMs: barRelayedMs === undefined ? undefined : this.#clock.nowMs() - barRelayedMs,
    };
  }

  #timesOf(uid: string): Times {
    const known = this.#times.get(uid) ?? { barRelayedMs: undefined, decisionLatencyMs: undefined };
    this.#times.set(uid, known);
    return known;
  }
}
