import { CodedError, hasCode, messageOf } from "@bellwether/service-kit/coded-error";
import type { ServiceClient } from "@bellwether/service-kit/service-client";
import {
  type AdoptRequest,
  type ControlReply,
  type HaltRequest,
  type IntentReply,
  type OrdersReply,
  type PortfolioView,
  type ResetBreakerRequest,
  type ResumeRequest,
  controlReply,
  intentReply,
  ordersReply,
  portfolioView,
} from "@bellwether/trading/wire";
import { PluginError, type PluginErrorCode } from "../errors.ts";
import type { RiskApi } from "./risk-api.ts";

interface HttpRiskOptions {
  readonly client: ServiceClient;
  readonly policy: string;
  /** What the way to risk says of itself when no answer comes. */
  readonly wayFault: () => string | undefined;
  readonly close: () => Promise<void>;
}

/** Risk's answers in terms of the plugin, by the code of the answer. */
const codes: Readonly<Record<string, PluginErrorCode>> = {
  INTENT_UNKNOWN: "INTENT_NOT_FOUND",
  BREAKER_UNKNOWN: "BREAKER_NOT_FOUND",
  ACCOUNT_UNKNOWN: "ACCOUNT_NOT_FOUND",
  STRATEGY_UNKNOWN: "STRATEGY_NOT_FOUND",
  DRIFT_CHANGED: "CHANGED_MEANWHILE",
  UNAUTHENTICATED: "FORBIDDEN",
  FORBIDDEN: "FORBIDDEN",
};

/** Risk over HTTP, by whatever way leads there. */
export class HttpRisk implements RiskApi {
  readonly #options: HttpRiskOptions;

  constructor(options: HttpRiskOptions) {
    this.#options = options;
  }

  portfolio(): Promise<PortfolioView> {
    return this.#ask("read the portfolio", (client) => client.get("/v1/portfolio", { schema: portfolioView }));
  }

  halt(body: HaltRequest): Promise<ControlReply> {
    return this.#ask("halt", (client) => client.post("/v1/control/halt", { schema: controlReply, body }));
  }

  resume(body: ResumeRequest): Promise<ControlReply> {
    return this.#ask("resume", (client) => client.post("/v1/control/resume", { schema: controlReply, body }));
  }

  resetBreaker(body: ResetBreakerRequest): Promise<ControlReply> {
    return this.#ask("reset a breaker", (client) => client.post("/v1/control/reset-breaker", { schema: controlReply, body }));
  }

  adopt(body: AdoptRequest): Promise<ControlReply> {
    return this.#ask("adopt", (client) => client.post("/v1/control/adopt", { schema: controlReply, body }));
  }

  orders({ strategy, openOnly, limit }: Parameters<RiskApi["orders"]>[0]): Promise<OrdersReply> {
    const query = { strategy, limit, state: openOnly ? "open" : "all" };
    return this.#ask("list orders", (client) => client.get("/v1/orders", { schema: ordersReply, query }));
  }

  intent(id: string): Promise<IntentReply> {
    return this.#ask("read an intent", (client) => client.get(`/v1/intents/${encodeURIComponent(id)}`, { schema: intentReply }));
  }

  close(): Promise<void> {
    return this.#options.close();
  }

  async #ask<T>(what: string, call: (client: ServiceClient) => Promise<T>): Promise<T> {
    try {
      return await call(this.#options.client);
    } catch (error) {
      if (!(error instanceof CodedError) || error instanceof PluginError) throw error;
      throw hasCode(error, "HTTP_STATUS") ? this.#refused(what, error) : this.#unreachable(what, error);
    }
  }

  #refused(what: string, error: CodedError): PluginError {
    const { status, code, message } = error.context as { status?: number; code?: string; message?: string };
    const said = `risk of riskpolicy/${this.#options.policy} refuses to ${what}: ${status ?? ""} ${code ?? ""}: ${message ?? error.message}`;
    const known = codes[code ?? ""] ?? "RISK_REFUSED";
    const next =
      code === "NOT_FOUND" ? "this risk is of another version: compare the images (kubectl get pods -o wide)" : undefined;
    return new PluginError(known, said, { cause: error, ...(next !== undefined && { next }) });
  }

  #unreachable(what: string, error: CodedError): PluginError {
    const fault = this.#options.wayFault() ?? messageOf(error);
    return new PluginError("RISK_UNREACHABLE", `cannot ${what} at the risk of riskpolicy/${this.#options.policy}: ${fault}`, {
      cause: error,
      next: `kubectl get pods -l bellwether.dev/riskpolicy=${this.#options.policy}; whether a change took effect: kubectl bellwether status`,
    });
  }
}
