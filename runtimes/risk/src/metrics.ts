import type { Metrics } from "@bellwether/service-kit";

/** Figures of one risk process. */
export interface RiskMetrics {
  /** One intent, by its verdict: `allowed` or the reason of the denial. */
  verdict(verdict: string): void;
  /** From the arrival of a decision to its commit. */
  decisionSeconds(seconds: number): void;
  /** From the commit to the broker's answer. */
  dispatchSeconds(seconds: number, outcome: string): void;
  portfolio(figures: { equity: number; drawdownRatio: number; openOrders: number }): void;
}

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
  return {
    verdict: (verdict) => decisions.inc({ verdict }),
    decisionSeconds: (seconds) => decided.observe(seconds),
    dispatchSeconds: (seconds, outcome) => dispatched.observe({ outcome }, seconds),
    portfolio: (figures) => {
      equity.set(figures.equity);
      drawdown.set(figures.drawdownRatio);
      openOrders.set(figures.openOrders);
    },
  };
}
