/**
 * `@bellwether/agent`: everything a program may import. Documented in docs/programs.md; the same in backtest, paper and live.
 */
export type {
  Bar,
  BuyRequest,
  JsonValue,
  OrderOptions,
  ProgramContext,
  ProgramFill,
  ProgramOrder,
  ProgramPosition,
  ProgramRejection,
  ProgramState,
  ReplaceRequest,
  SellRequest,
  Series,
} from "@bellwether/trading/engine/program";
export { type Context, type Strategy, type StrategyDefinition, defineStrategy } from "./interface/define-strategy.ts";
export {
  type ParameterSpec,
  type ParameterSpecs,
  type ParametersOf,
  choice,
  decimal,
  integer,
  text,
} from "./interface/parameters.ts";
export { type Answer, askFor } from "./interface/ask-for.ts";
export type { LanguageModel, ModelMessage, ModelQuestion, ModelReply } from "@bellwether/trading/engine/language-model";
/** Schemas for `askFor`. */
export { z } from "zod";
export { atr, ema, highest, lowest, rsi, sma, standardDeviation, zScore } from "@bellwether/trading/indicators";
