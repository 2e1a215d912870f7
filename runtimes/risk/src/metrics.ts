import type { Metrics } from "@bellwether/service-kit";
import type { Alert, BreakerView } from "@bellwether/trading";

/** Figures of one risk process. */
export interface RiskMetrics {
  /** One intent, by its verdict: `allowed` or the reason of the denial. */
  verdict(verdict: string): void;
  /** From the arrival of a decision to its commit. */
  decisionSeconds(seconds: number): void;
  /** From the commit to the broker's answer. */
  dispatchSeconds(seconds: number, outcome: string): void;
  portfolio(figures: PortfolioFigures): void;
  /** Each breaker as it stands. */
  breakers(views: readonly Pick<BreakerView, "type" | "state" | "value">[]): void;
  /** An alert was raised or resolved. */
  alertTold(alert: Pick<Alert, "severity" | "state">): void;
  alertsFiring(count: number): void;
  /** What became of a post to the webhook. */
  webhook(outcome: string): void;
  /** What became of an entry of the Redis stream. */
  pnlStream(outcome: "written" | "dropped"): void;
}

export interface PortfolioFigures {
  readonly equity: number;
  readonly drawdownRatio: number;
  readonly openOrders: number;
  readonly riskScore: number;
  readonly dailyLossRatio: number;
  /** Accounts on which nothing is ordered because journal and venue differ. */
  readonly heldAccounts: number;
}

const breakerStates = { Armed: 0, CoolingDown: 1, Tripped: 2 } as const;

export function riskMetrics(metrics: Metrics): RiskMetrics {
  const decisions = metrics.counter("bellwether_risk_decisions_total", {
    help: "Intents judged, by verdict.",
    labels: ["verdict"],
  });
  const decided = metrics.histogram("bellwether_risk_decision_seconds", {
    help: "From the arrival of a decision to its commit.",
  });
  const dispatched = metrics.histogram("bellwether_risk_dispatch_seconds", {
    help: "From commit to the broker's answer.",
    labels: ["outcome"],
  });
  const equity = metrics.gauge("bellwether_risk_equity", {
    help: "Equity of all accounts in the base currency, marked to market.",
  });
  const drawdown = metrics.gauge("bellwether_risk_drawdown_ratio", { help: "Fall from the peak of equity." });
  const openOrders = metrics.gauge("bellwether_risk_open_orders", { help: "Orders approved and not ended." });
  const score = metrics.gauge("bellwether_risk_score", { help: "0 (idle) to 100 (a limit is reached or a breaker is tripped)." });
  const dailyLoss = metrics.gauge("bellwether_risk_daily_loss_ratio", {
    help: "Loss of the UTC day of market time, 0 in profit.",
  });
  const held = metrics.gauge("bellwether_risk_held_accounts", { help: "Accounts held because journal and venue differ." });
  const breakerState = metrics.gauge("bellwether_breaker_state", {
    help: "0 armed, 1 cooling down, 2 tripped; anything but 0 stops trading.",
    labels: ["type"],
  });
  const breakerValue = metrics.gauge("bellwether_breaker_value", {
    help: "What a breaker measures, in its own unit.",
    labels: ["type"],
  });
  const alerts = metrics.counter("bellwether_risk_alerts_total", {
    help: "Alerts raised and resolved.",
    labels: ["severity", "state"],
  });
  const webhooks = metrics.counter("bellwether_risk_webhook_posts_total", {
    help: "Posts to the policy's webhook, by what became of them.",
    labels: ["outcome"],
  });
  const pnlEntries = metrics.counter("bellwether_risk_pnl_stream_total", {
    help: "Entries for the Redis stream of equity and P&L: written, or dropped for newer ones.",
    labels: ["outcome"],
  });
  const firing = metrics.gauge("bellwether_risk_alerts_firing", { help: "Alerts that are firing now." });
  return {
    breakers: (views) => {
      for (const { type, state, value } of views) {
        breakerState.set({ type }, breakerStates[state]);
        if (value !== undefined) breakerValue.set({ type }, Number(value));
      }
    },
    alertTold: ({ severity, state }) => alerts.inc({ severity, state }),
    webhook: (outcome) => webhooks.inc({ outcome }),
    pnlStream: (outcome) => pnlEntries.inc({ outcome }),
    alertsFiring: (count) => firing.set(count),
    verdict: (verdict) => decisions.inc({ verdict }),
    decisionSeconds: (seconds) => decided.observe(seconds),
    dispatchSeconds: (seconds, outcome) => dispatched.observe({ outcome }, seconds),
    portfolio: (figures) => {
      equity.set(figures.equity);
      drawdown.set(figures.drawdownRatio);
      openOrders.set(figures.openOrders);
      score.set(figures.riskScore);
      dailyLoss.set(figures.dailyLossRatio);
      held.set(figures.heldAccounts);
    },
  };
}
