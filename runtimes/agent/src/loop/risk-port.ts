import { CodedError } from "@bellwether/service-kit/coded-error";
import type { ServiceClient } from "@bellwether/service-kit/service-client";
import {
  type AgentSnapshot,
  type BarEvent,
  type BrokerOrder,
  type DecisionReply,
  type DecisionRequest,
  type WireBar,
  type WireFill,
  agentSnapshot,
  barEvent,
  barsReply,
  brokerOrder,
  decisionReply,
  fill,
} from "@bellwether/trading/wire";
import { z } from "zod";

export type StreamEvent =
  | { readonly kind: "bar"; readonly bar: BarEvent }
  | { readonly kind: "order"; readonly order: BrokerOrder }
  | { readonly kind: "fill"; readonly fill: WireFill }
  | { readonly kind: "snapshot"; readonly snapshot: AgentSnapshot }
  | { readonly kind: "end"; readonly message: string };

interface BarsQuery {
  readonly market: string;
  readonly timeframe: string;
  readonly limit: number;
}

/** What the loop needs of risk. Errors are CodedErrors of the service kit. */
export interface RiskPort {
  snapshot(signal: AbortSignal): Promise<AgentSnapshot>;
  bars(query: BarsQuery, signal: AbortSignal): Promise<readonly WireBar[]>;
  decide(decision: DecisionRequest, signal: AbortSignal): Promise<DecisionReply>;
  stream(signal: AbortSignal): AsyncIterable<StreamEvent>;
}

/** Risk sends a heartbeat every 2 s. */
const idleMs = 6_000;
/** A decision that replaces orders waits for the venue to let go of the old ones. */
const decideTimeoutMs = 10_000;
const endEvent = z.object({ message: z.string() });

/** Risk over HTTP. */
export function riskOverHttp(client: ServiceClient, strategyUid: string): RiskPort {
  const path = `/v1/strategies/${encodeURIComponent(strategyUid)}`;
  return {
    snapshot: (signal) => client.get(path, { schema: agentSnapshot, signal }),
    async bars(query, signal) {
      const { bars } = await client.get("/v1/bars", { schema: barsReply, query: { ...query, strategy: strategyUid }, signal });
      return bars;
    },
    decide: (body, signal) => client.post("/v1/intents", { schema: decisionReply, body, signal, timeoutMs: decideTimeoutMs }),
    async *stream(signal) {
      for await (const { event, data } of client.stream("/v1/stream", { query: { strategy: strategyUid }, signal, idleMs })) {
        const parsed = parseEvent(event, data);
        if (parsed) yield parsed;
      }
    },
  };
}

/** Undefined for kinds of events that a later risk may send. */
function parseEvent(event: string, data: string): StreamEvent | undefined {
  const value: unknown = JSON.parse(data);
  switch (event) {
    case "bar":
      return { kind: "bar", bar: barEvent.parse(value) };
    case "order":
      return { kind: "order", order: brokerOrder.parse(value) };
    case "fill":
      return { kind: "fill", fill: fill.parse(value) };
    case "snapshot":
      return { kind: "snapshot", snapshot: agentSnapshot.parse(value) };
    case "end":
      return { kind: "end", message: endEvent.parse(value).message };
    default:
      return undefined;
  }
}

/** The code of a refusal by risk itself, such as ALREADY_DECIDED; undefined when risk did not answer. */
export function refusalCode(error: unknown): string | undefined {
  if (!(error instanceof CodedError) || error.code !== "HTTP_STATUS") return undefined;
  const { code } = error.context;
  return typeof code === "string" ? code : undefined;
}
