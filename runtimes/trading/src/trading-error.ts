/** Every way the pure trading code refuses its input. A broken invariant is a plain Error: it must crash, not be handled. */
export const tradingErrorCodes = {
  DECIMAL_INVALID: "A text or number is not a decimal with at most 24 digits before the point and 18 behind it.",
  DIVISION_BY_ZERO: "A decimal was divided by zero.",
  ORDER_TEXT_INVALID: "The canonical text of an order is malformed, or is not byte for byte what this version would write.",
  ORDER_TRANSITION_INVALID: "An order cannot go from its state to the one asked for.",
  PROGRAM_ACTION_INVALID: "A program asked for something that is not an order: a wrong size, price, option or order id.",
  BARS_INVALID: "A CSV of bars has a fault; the message names the line.",
  BACKTEST_INVALID: "The options of a backtest contradict each other or the data.",
  VENUE_STATE_INVALID: "The serialised state of a paper venue cannot be read.",
} as const;
export type TradingErrorCode = keyof typeof tradingErrorCodes;

/** An error with a code to act on, the figures that belong to it, and its cause. Nobody matches on `message`. */
export class TradingError extends Error {
  readonly code: TradingErrorCode;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: TradingErrorCode, message: string, details: { context?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "TradingError";
    this.code = code;
    this.context = Object.freeze({ ...details.context });
  }
}
