import { decimalFromNumber, formatDecimal } from "../decimal.ts";
import { TradingError } from "../trading-error.ts";
import type { Intent, cancelRequest, replaceRequest } from "../wire/intents.ts";
import type { BuyRequest, ProgramSide, ReplaceRequest, SellRequest } from "./program.ts";
import type { z } from "zod";

export type CancelAction = z.infer<typeof cancelRequest>;
export type ReplaceAction = z.infer<typeof replaceRequest>;

/** The signal an intent belongs to. */
export interface Signal {
  readonly market: string;
  readonly close: number;
  readonly decisionTime: number;
  readonly timeframeMs: number;
}

/** Most actions of one kind in one decision; the wire's bound. */
const MOST_ACTIONS = 100;

const positiveDecimal = /^(?=.*[1-9])\d{1,24}(\.\d{1,18})?$/;
const durationPattern = /^([1-9]\d{0,6})(s|m|h|d|w)$/;
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const sizes = ["quantity", "notional", "equityRatio", "all"] as const;
const options = ["limit", "timeInForce", "expiresAfter", "stopLoss", "takeProfit"] as const;
const timesInForce: readonly unknown[] = ["GTC", "IOC", "FOK", "PostOnly"];

/**
 * What a program asked for in one decision, checked and in the form that travels to risk. Programs are JavaScript: whatever a
 * type says, anything may come.
 */
export class ProgramActions {
  intents: Intent[] = [];
  cancels: CancelAction[] = [];
  replaces: ReplaceAction[] = [];
  #ordinal = 0;

  get isEmpty(): boolean {
    return this.#ordinal === 0;
  }

  clear(): void {
    if (this.#ordinal === 0) return;
    this.intents = [];
    this.cancels = [];
    this.replaces = [];
    this.#ordinal = 0;
  }

  /** @throws TradingError PROGRAM_ACTION_INVALID */
  order(side: ProgramSide, request: BuyRequest | SellRequest, signal: Signal): void {
    const fields = checkedFields(side, request, [...sizes, ...options]);
    this.#push(this.intents, {
      ordinal: this.#ordinal,
      market: signal.market,
      side,
      size: sizeOf(side, fields),
      ...pricesOf(side, fields, ["limit", "stopLoss", "takeProfit"]),
      ...timeInForceOf(side, fields),
      ...(fields["expiresAfter"] !== undefined && { expiresAfterMs: durationMs(side, fields["expiresAfter"]) }),
      signalPrice: formatDecimal(decimalFromNumber(signal.close)),
      validUntil: signal.decisionTime + signal.timeframeMs,
    });
  }

  /** @throws TradingError PROGRAM_ACTION_INVALID */
  cancel(clientOrderId: string): void {
    this.#push(this.cancels, { ordinal: this.#ordinal, clientOrderId: orderId("cancel", clientOrderId) });
  }

  /** @throws TradingError PROGRAM_ACTION_INVALID */
  replace(clientOrderId: string, change: ReplaceRequest): void {
    const names = ["quantity", "limit", "stopLoss", "takeProfit"] as const;
    const prices = pricesOf("replace", checkedFields("replace", change, names), names);
    if (Object.keys(prices).length === 0) throw invalid("replace needs quantity, limit, stopLoss or takeProfit");
    this.#push(this.replaces, { ordinal: this.#ordinal, clientOrderId: orderId("replace", clientOrderId), ...prices });
  }

  #push<Action>(actions: Action[], action: Action): void {
    if (actions.length === MOST_ACTIONS) throw invalid(`a decision may hold at most ${MOST_ACTIONS} actions of a kind`);
    actions.push(action);
    this.#ordinal++;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function invalid(message: string): TradingError {
  return new TradingError("PROGRAM_ACTION_INVALID", message);
}

function checkedFields(action: string, request: unknown, known: readonly string[]): Fields {
  if (typeof request !== "object" || request === null) throw invalid(`${action} takes an object such as { quantity: "0.01" }`);
  for (const name of Object.keys(request)) {
    if (!known.includes(name)) throw invalid(`${action} does not know ${name} (known: ${known.join(", ")})`);
  }
  return request as Fields;
}

function sizeOf(side: ProgramSide, fields: Fields): Intent["size"] {
  const given = sizes.filter((name) => fields[name] !== undefined);
  const [name] = given;
  if (given.length !== 1 || name === undefined || (side === "buy" && name === "all")) {
    const choices = side === "buy" ? "quantity, notional and equityRatio" : "quantity, notional, equityRatio and all";
    throw invalid(`${side} needs exactly one of ${choices}, not ${given.length === 0 ? "none" : given.join(" and ")}`);
  }
  if (name === "all") {
    if (fields["all"] !== true) throw invalid("sell takes all: true");
    return { all: true };
  }
  return { [name]: decimalOf(side, name, fields[name]) } as Intent["size"];
}

function pricesOf(action: string, fields: Fields, names: readonly string[]): Record<string, string> {
  const prices: Record<string, string> = {};
  for (const name of names) if (fields[name] !== undefined) prices[name] = decimalOf(action, name, fields[name]);
  return prices;
}

function timeInForceOf(action: string, fields: Fields): Pick<Intent, "timeInForce"> | undefined {
  const value = fields["timeInForce"];
  if (value === undefined) return undefined;
  if (!timesInForce.includes(value))
    throw invalid(`${action}: timeInForce is ${shown(value)}, must be one of ${timesInForce.join(", ")}`);
  return { timeInForce: value as NonNullable<Intent["timeInForce"]> };
}

function decimalOf(action: string, name: string, value: unknown): string {
  if (typeof value === "string" && positiveDecimal.test(value)) return value;
  throw invalid(`${action}: ${name} is ${shown(value)}, must be a decimal string greater than 0, such as "0.25"`);
}

function durationMs(action: string, value: unknown): number {
  const match = typeof value === "string" ? durationPattern.exec(value) : null;
  if (!match) throw invalid(`${action}: expiresAfter is ${shown(value)}, must be a duration such as 30s, 5m, 24h or 1d`);
  return Number(match[1]) * (unitMs[match[2] ?? ""] ?? Number.NaN);
}

function orderId(action: string, value: unknown): string {
  if (typeof value === "string" && value.length > 0 && value.length <= 64) return value;
  throw invalid(`${action} takes the id of an order, as context.orders() shows it, not ${shown(value)}`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : String(value).slice(0, 60);
}
