import { CodedError, type RequestOptions, type ServiceClient, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type Approval,
  type BrokerAccount,
  type BrokerOrder,
  type VoidRequest,
  type WireBar,
  barsReply,
  brokerAccount,
  brokerOrder,
} from "@bellwether/trading";
import { z } from "zod";
import type { RiskErrorCode } from "../errors.ts";

/** What came of handing an approval to the broker. */
export type SubmitOutcome =
  | { readonly kind: "known"; readonly order: BrokerOrder }
  /** The broker said no before it recorded anything. Whether that stays so is settled by `voidOrder` only. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  /** No answer, or one that says nothing about the order: it may be at the venue. */
  | { readonly kind: "unknown"; readonly message: string };

export interface BarsQuery {
  readonly market: string;
  readonly timeframe: string;
  readonly limit?: number | undefined;
  /** Market time: only bars opening before it. */
  readonly until?: number | undefined;
}

/** The broker of one account, as the order path needs it. Everything but `submit` throws CodedError VENUE_UNREACHABLE when nothing came back. */
export interface Broker {
  submit(approval: Approval): Promise<SubmitOutcome>;
  voidOrder(clientOrderId: string, request: VoidRequest): Promise<BrokerOrder>;
  cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder>;
  account(): Promise<BrokerAccount>;
  bars(query: BarsQuery): Promise<readonly WireBar[]>;
  /** Takes orders of other hands at the venue for what they are, on a person's word. Absent: the venue has no other hands. */
  adopt?(author: { readonly who: string; readonly reason: string }): Promise<void>;
}

const adoptReply = z.object({ adopted: z.number() });
const orderTimeoutMs = 2_500;
const barsTimeoutMs = 10_000;

/** Speaks to a broker over HTTP. Nothing in here sends anything a second time. */
export class HttpBroker implements Broker {
  readonly #client: ServiceClient;

  constructor(client: ServiceClient) {
    this.#client = client;
  }

  async submit(approval: Approval): Promise<SubmitOutcome> {
    try {
      const order = await this.#client.post("/v1/orders", { schema: brokerOrder, body: approval, timeoutMs: orderTimeoutMs });
      return { kind: "known", order };
    } catch (error) {
      const status = hasCode(error, "HTTP_STATUS") ? Number(error.context["status"]) : undefined;
      if (status !== undefined && status < 500) return { kind: "refused", code: errorCode(error), message: messageOf(error) };
      return { kind: "unknown", message: messageOf(error) };
    }
  }

  voidOrder(clientOrderId: string, request: VoidRequest): Promise<BrokerOrder> {
    return this.#ask("post", `/v1/orders/${clientOrderId}/void`, { schema: brokerOrder, body: request });
  }

  cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder> {
    return this.#ask("post", `/v1/orders/${clientOrderId}/cancel`, { schema: brokerOrder, body: { legs } });
  }

  account(): Promise<BrokerAccount> {
    return this.#ask("get", "/v1/account", { schema: brokerAccount });
  }

  async bars({ market, timeframe, limit, until }: BarsQuery): Promise<readonly WireBar[]> {
    const query = { market, timeframe, limit, until };
    const reply = await this.#ask("get", "/v1/bars", { schema: barsReply, query, timeoutMs: barsTimeoutMs });
    return reply.bars;
  }

  async adopt(author: { readonly who: string; readonly reason: string }): Promise<void> {
    await this.#ask("post", "/v1/adopt", { schema: adoptReply, body: author });
  }

  async #ask<Schema extends z.ZodType>(
    method: "get" | "post",
    path: string,
    options: RequestOptions<Schema>,
  ): Promise<z.output<Schema>> {
    try {
      return await this.#client[method](path, { timeoutMs: orderTimeoutMs, ...options });
    } catch (error) {
      throw unreachable(error);
    }
  }
}

function errorCode(error: unknown): string {
  return hasCode(error) ? String(error.context["code"]) : "UNKNOWN";
}

/** Keeps the broker's own code and status in the context: a 4xx is an answer, and the caller may tell it from silence. */
function unreachable(error: unknown): CodedError<RiskErrorCode> {
  const context = hasCode(error) ? { ...error.context } : {};
  return new CodedError<RiskErrorCode>("VENUE_UNREACHABLE", messageOf(error), { context, cause: error });
}
