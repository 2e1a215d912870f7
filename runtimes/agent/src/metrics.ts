import { Metrics } from "@bellwether/service-kit/metrics";

/** The agent's own figures, beside those of its process. */
export function agentMetrics(metrics: Metrics) {
  return {
    decisions: metrics.counter("bellwether_decisions_total", {
      help: "Decisions by what became of them: stored, without-orders (too late), refused (risk has another one).",
      labels: ["result"],
    }),
    decisionSeconds: metrics.histogram("bellwether_decision_seconds", {
      help: "From the last bar of a decision to the moment risk has stored it; wall time.",
    }),
    bars: metrics.counter("bellwether_agent_bars_total", {
      help: "Bars by how they came: taken, known (a repeat), late, revision.",
      labels: ["arrival"],
    }),
    reconnects: metrics.counter("bellwether_agent_stream_reconnects_total", {
      help: "Times the stream from risk was opened anew.",
    }),
    questions: metrics.counter("bellwether_agent_questions_total", {
      help: "Questions put to the route's models, by outcome: answered, or why there was no answer.",
      labels: ["outcome"],
    }),
    programErrors: metrics.counter("bellwether_program_errors_total", { help: "Failures of the program.", labels: ["code"] }),
  };
}

export type AgentMetrics = ReturnType<typeof agentMetrics>;
