import type { Metrics } from "@bellwether/service-kit";
import { decimalToNumber } from "@bellwether/trading/decimal";
import type { CacheState, WholeAnswer } from "./answering/answer.ts";
import type { Charge } from "./answering/metering.ts";
import type { RouteModel } from "./answering/route-model.ts";
import type { Usage } from "./backends/backend.ts";

/**
 * What a gateway counts. `gen_ai_*` are the OpenTelemetry semantic conventions for generative AI in Prometheus' spelling; their names are held here and
 * nowhere else, because the conventions still move.
 */
export class GatewayMetrics {
  readonly #tokens;
  readonly #duration;
  readonly #firstByte;
  readonly #cost;
  readonly #charges;
  readonly #requests;
  readonly #failures;
  readonly #savedTokens;
  readonly #queueWait;
  readonly #escalations;
  #lookUps = 0;
  #hits = 0;
  #saved = 0;

  constructor(metrics: Metrics, sampled: { models: readonly RouteModel[]; waiting(model: string): number }) {
    const model = ["gen_ai_response_model", "strategy"] as const;
    this.#tokens = metrics.counter("gen_ai_client_token_usage", {
      help: "Tokens that providers reported.",
      labels: [...model, "gen_ai_token_type"],
    });
    this.#duration = metrics.histogram("gen_ai_server_request_duration_seconds", {
      help: "From the request to the end of its answer, the wait for the model included.",
      labels: ["gen_ai_operation_name"],
    });
    this.#firstByte = metrics.histogram("gen_ai_server_time_to_first_token_seconds", {
      help: "From the request to the first piece of a streamed answer.",
    });
    this.#cost = metrics.counter("bellwether_gateway_cost_usd_total", { help: "What was spent.", labels: model });
    this.#charges = metrics.counter("bellwether_gateway_charges_total", {
      help: "Attempts by what they were charged by: the provider's report, the bound of what it can have been, or nothing.",
      labels: ["gen_ai_response_model", "basis"],
    });
    this.#requests = metrics.counter("bellwether_gateway_requests_total", {
      help: "Requests by where their answer came from, or the code of the error.",
      labels: ["strategy", "outcome"],
    });
    this.#failures = metrics.counter("bellwether_gateway_model_failures_total", {
      help: "Models that did not answer, by code.",
      labels: ["gen_ai_response_model", "code"],
    });
    this.#savedTokens = metrics.counter("bellwether_gateway_saved_tokens_total", {
      help: "Tokens of answers that needed no call, by what they had cost when they did.",
    });
    this.#queueWait = metrics.histogram("bellwether_gateway_queue_wait_seconds", { help: "Wait for a turn at a model." });
    this.#escalations = metrics.counter("bellwether_gateway_escalations_total", {
      help: "Answers of small models that did not hold their checks, by the check.",
      labels: ["reason"],
    });
    const breaker = metrics.gauge("bellwether_gateway_breaker_open", {
      help: "1 while a model is left alone.",
      labels: ["gen_ai_response_model"],
    });
    const waiting = metrics.gauge("bellwether_gateway_queue_waiting", {
      help: "Requests that wait in front of a local model.",
      labels: ["gen_ai_response_model"],
    });
    const sample = (): void => {
      for (const { name, breaker: state, local } of sampled.models) {
        breaker.set({ gen_ai_response_model: name }, state.state === "Closed" ? 0 : 1);
        if (local) waiting.set({ gen_ai_response_model: name }, sampled.waiting(name));
      }
    };
    Object.assign(breaker, { collect: sample });
  }

  charged(model: RouteModel, { charge, usage, tenant }: { charge: Charge; usage: Usage | undefined; tenant: string }): void {
    const labels = { gen_ai_response_model: model.name, strategy: tenant };
    this.#charges.inc({ gen_ai_response_model: model.name, basis: charge.basis });
    if (charge.spend.usd > 0n) this.#cost.inc(labels, decimalToNumber(charge.spend.usd));
    if (charge.basis !== "reported" || usage === undefined) return;
    this.#tokens.inc({ ...labels, gen_ai_token_type: "input" }, usage.inputTokens);
    this.#tokens.inc({ ...labels, gen_ai_token_type: "output" }, usage.outputTokens);
  }

  waited(seconds: number): void {
    this.#queueWait.observe(seconds);
  }

  escalated(reason: string): void {
    this.#escalations.inc({ reason });
  }

  failed(model: RouteModel, { code }: { code: string }): void {
    this.#failures.inc({ gen_ai_response_model: model.name, code });
  }

  answered(request: { strategy: string; outcome: CacheState | (string & {}); operation: string; seconds: number }): void {
    this.#requests.inc({ strategy: request.strategy, outcome: request.outcome });
    this.#duration.observe({ gen_ai_operation_name: request.operation }, request.seconds);
  }

  /** An answer that was asked for whole; streamed ones from the cache count as requests, and save as much. */
  cached({ notes, completion }: Pick<WholeAnswer, "notes" | "completion">): void {
    this.#lookUps += 1;
    if (notes.cache === "miss") return;
    this.#hits += 1;
    const { inputTokens, outputTokens } = completion.usage ?? { inputTokens: 0, outputTokens: 0 };
    this.#saved += inputTokens + outputTokens;
    this.#savedTokens.inc(inputTokens + outputTokens);
  }

  /** Since the process started. */
  cacheFigures(): { hitRatio: string; savedTokens: number } {
    const ratio = this.#lookUps === 0 ? 0 : this.#hits / this.#lookUps;
    return { hitRatio: ratio.toFixed(4), savedTokens: this.#saved };
  }

  firstPiece(seconds: number): void {
    this.#firstByte.observe(seconds);
  }
}
