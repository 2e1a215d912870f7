import type { Exchange } from "./exchange.ts";
import type { FaultKind } from "./faults.ts";
import type { ExchangeOrder, Trade } from "./orders.ts";

export interface WireRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** As it came: signatures cover it. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly fault: FaultKind | undefined;
}

export interface WireReply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How an exchange is spoken to: one real exchange's paths, words, signatures and refusals. */
export interface Dialect {
  readonly name: "binance" | "okx";
  answer(exchange: Exchange, request: WireRequest): WireReply;
  /** A message over WebSocket: whose news the sender may hear, if it proves who it is. `session`: what the connection has proven before. Text is answered as it is. */
  subscribe(
    exchange: Exchange,
    message: string,
    session: Map<string, string>,
  ): { readonly accountId?: string; readonly reply: unknown };
  news(order: ExchangeOrder, trade: Trade | undefined): unknown;
  /** Too many requests, and the stronger word for those who go on. */
  limited(status: number): WireReply;
}

/** Trades as a fault wants them listed. */
export function listed<T>(rows: readonly T[], fault: FaultKind | undefined): readonly T[] {
  if (fault === "duplicate-fills") return rows.flatMap((row) => [row, row]);
  if (fault === "reordered-fills") return rows.toReversed();
  return fault === "missing-fill" ? rows.slice(0, -1) : rows;
}
