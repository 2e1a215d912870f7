/**
 * What a trading program sees and may do: the one interface for builtin and source programs, in backtest, paper and live.
 *
 * Prices of bars are floats (for indicators); everything that is money, a quantity or a ratio is a decimal string.
 * All times are market time in epoch milliseconds.
 */

import type { JsonValue } from "./json-value.ts";
import type { LanguageModel } from "./language-model.ts";

/** One closed bar, oldest first in every list. `time` is its opening time; it closed at `time` + timeframe. */
export interface Bar {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  /** In base units or quote units, as the dataset says. */
  readonly volume: number;
}

/**
 * One column of a market's closed bars, read in place: an indicator over 60 bars of every bar would spend most of its time
 * copying them (measured: 146 ns for two averages over `bars(60)`, 47 ns over a series). It moves on with the context; do not keep it.
 */
export interface Series {
  /** How many closed bars are known. */
  readonly length: number;
  /** 0 is the bar decided on, 1 the one before it. Throws RangeError for what is not known: negative, or `length` and more. */
  at(ago: number): number;
  /** Sum of `count` values up to the one `ago` bars back (default 0), added oldest first. Throws like `at`. */
  sum(count: number, ago?: number): number;
}

export type { JsonValue };
export type ProgramState = { [key: string]: JsonValue };
export type ProgramParameters = { readonly [key: string]: string | number | boolean };

export type ProgramSide = "buy" | "sell";
export type ProgramTimeInForce = "GTC" | "IOC" | "FOK" | "PostOnly";

export interface OrderOptions {
  /** A limit order at this price; absent: a market order. */
  readonly limit?: string;
  /** Default GTC. */
  readonly timeInForce?: ProgramTimeInForce;
  /** `30s`, `5m`, `24h`, `1d`: the order is cancelled this long after the decision. Default: never. */
  readonly expiresAfter?: string;
  /** Sells what this order bought once the price touches it (buys only). */
  readonly stopLoss?: string;
  /** Sells what this order bought once the price trades through it (buys only). */
  readonly takeProfit?: string;
}

/** Exactly one of quantity (base units), notional (quote units) and equityRatio (of the strategy's equity). */
export type BuySize = { readonly quantity: string } | { readonly notional: string } | { readonly equityRatio: string };
export type SellSize = BuySize | { readonly all: true };
export type BuyRequest = BuySize & OrderOptions;
export type SellRequest = SellSize & OrderOptions;

export interface ReplaceRequest {
  /** New total quantity of the order, what has filled included. */
  readonly quantity?: string;
  readonly limit?: string;
  readonly stopLoss?: string;
  readonly takeProfit?: string;
}

export interface ProgramPosition {
  /** Base units held by this strategy. */
  readonly quantity: string;
  /** Average cost of one base unit, without fees; "0" when nothing is held. */
  readonly averagePrice: string;
}

/** A working order of this strategy, also one whose protective legs (stop loss, take profit) still rest. */
export interface ProgramOrder {
  readonly id: string;
  readonly market: string;
  readonly side: ProgramSide;
  readonly type: "market" | "limit";
  readonly quantity: string;
  readonly filledQuantity: string;
  readonly limit?: string;
  readonly stopLoss?: string;
  readonly takeProfit?: string;
  readonly decisionTime: number;
  readonly expiresAt?: number;
  readonly protectiveLegs: readonly ("stopLoss" | "takeProfit")[];
}

export interface ProgramFill {
  readonly orderId: string;
  readonly tradeId: string;
  readonly market: string;
  readonly side: ProgramSide;
  readonly quantity: string;
  readonly price: string;
  readonly fee: string;
  readonly feeAsset: string;
  readonly time: number;
  readonly leg: "entry" | "stopLoss" | "takeProfit";
}

/** An intent that risk denied, or an order that the venue refused. */
export interface ProgramRejection {
  /** Market time of the decision it belongs to, and its place in it (from 0). */
  readonly decisionTime: number;
  readonly ordinal: number;
  readonly market: string;
  readonly side: ProgramSide;
  /** One of the closed set of reasons (docs/reference), e.g. POSITION_RATIO. */
  readonly reason: string;
  readonly message: string;
}

export interface ProgramContext<Parameters = ProgramParameters> {
  readonly market: string;
  readonly timeframe: string;
  /** Market time of this decision: the close of the bar decided on. */
  readonly time: number;
  readonly parameters: Parameters;
  /** JSON only; survives restarts and checkpoints. Change it in place or assign a new object. */
  state: ProgramState;
  /** Marked to market at the last close; computed when read. */
  readonly equity: string;
  /** Cash not claimed by working orders; computed when read. */
  readonly cash: string;
  readonly position: ProgramPosition;
  /** The last `count` closed bars of this market, oldest first, the bar decided on last. Fewer while fewer exist. A real array, yours to keep. */
  bars(count: number): Bar[];
  /** The same bars by column, for the indicators of `@bellwether/agent`. */
  readonly opens: Series;
  readonly highs: Series;
  readonly lows: Series;
  readonly closes: Series;
  readonly volumes: Series;
  /** The models of the strategy's route; without a route every question goes unanswered. */
  readonly llm: LanguageModel;
  buy(request: BuyRequest): void;
  sell(request: SellRequest): void;
  orders(): readonly ProgramOrder[];
  cancel(orderId: string): void;
  replace(orderId: string, change: ReplaceRequest): void;
  /** Uniform in [0, 1), seeded by the run's seed and this decision's time: the same after a restart. */
  random(): number;
  log(message: string): void;
}

/**
 * A program as the engine and the agent run it. Callbacks of one decision come in this order: every `onFill` since the
 * last decision, every `onReject`, then `onBar`; what they ask for together is one decision.
 */
export interface EngineProgram<Parameters = ProgramParameters> {
  /** Called once per closed bar and market. A returned promise is awaited; returning nothing keeps the run synchronous and fast. */
  onBar(context: ProgramContext<Parameters>): void | Promise<void>;
  onFill?(context: ProgramContext<Parameters>, fill: ProgramFill): void | Promise<void>;
  onReject?(context: ProgramContext<Parameters>, rejection: ProgramRejection): void | Promise<void>;
}
