import { createHash } from "node:crypto";
import { formatDecimal } from "../decimal.ts";
import { describeDenial, type Denial } from "../rules/verdict.ts";
import type { OrderSize } from "../sizing/size-order.ts";
import type { VenueFill, VenueOrder, EndReason } from "../venue/paper-state.ts";
import type { DecisionEvidence } from "../wire/evidence.ts";
import type { Intent } from "../wire/intents.ts";
import type { CancelAction, ReplaceAction } from "./program-actions.ts";

/** Text is hashed in pieces of about this many characters: small enough that what they are made of dies young. */
const PIECE_CHARACTERS = 8192;

/**
 * The decision log: one line for everything that was asked, judged, filled and ended. Its SHA-256 names a run; the same spec,
 * data and seed give the same bytes. docs/fill-model.md describes the lines.
 */
export class DecisionLog {
  readonly #hash = createHash("sha256");
  readonly #pieces: string[] | undefined;
  #piece = "";

  /** @param keep also keep the text, for comparing two engines */
  constructor(keep: boolean) {
    this.#pieces = keep ? [] : undefined;
  }

  write(line: string): void {
    this.#piece += `${line}\n`;
    if (this.#piece.length >= PIECE_CHARACTERS) this.#flush();
  }

  /** Hex digest of everything written; nothing may be written after it. */
  sha256(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  text(): string | undefined {
    return this.#pieces?.join("");
  }

  #flush(): void {
    this.#hash.update(this.#piece);
    this.#pieces?.push(this.#piece);
    this.#piece = "";
  }
}

/** `answer <time> <prompt hash> <model> tokens=<in>+<out> cost=<usd> cache=<state> [fault=<why>]`; `-` for what is not known. */
export function answerLine(decisionTime: number, evidence: DecisionEvidence): string {
  const { promptHash, model = "-", inputTokens = "-", outputTokens = "-", costUsd = "-", cache = "-", fault } = evidence;
  const text = `answer ${decisionTime} ${promptHash} ${model} tokens=${inputTokens}+${outputTokens} cost=${costUsd} cache=${cache}`;
  return fault === undefined ? text : `${text} fault=${JSON.stringify(fault)}`;
}

/** `intent <time> <ordinal> <side> <size> [limit= tif= stop= target= expires=] -> <quantity>` or `-> DENIED …`. */
export function intentLine(decisionTime: number, intent: Intent, outcome: OrderSize | Denial): string {
  const asked = `intent ${decisionTime} ${intent.ordinal} ${intent.side} ${sizeText(intent.size)}${optionsText(intent)}`;
  return `${asked} -> ${outcome.allowed ? formatDecimal(outcome.quantity) : deniedText(outcome)}`;
}

function sizeText(size: Intent["size"]): string {
  if ("equityRatio" in size) return `equityRatio=${size.equityRatio}`;
  if ("notional" in size) return `notional=${size.notional}`;
  if ("quantity" in size) return `quantity=${size.quantity}`;
  return "all";
}

function optionsText({ limit, timeInForce, stopLoss, takeProfit, expiresAfterMs }: Intent): string {
  let text = "";
  if (limit !== undefined) text += ` limit=${limit}`;
  if (timeInForce !== undefined) text += ` tif=${timeInForce}`;
  if (stopLoss !== undefined) text += ` stop=${stopLoss}`;
  if (takeProfit !== undefined) text += ` target=${takeProfit}`;
  if (expiresAfterMs !== undefined) text += ` expires=${expiresAfterMs}`;
  return text;
}

function deniedText(denial: Denial): string {
  return `DENIED ${denial.reason} ${describeDenial(denial)}`;
}

/** `cancel <time> <ordinal> <order>` with ` -> DENIED …` when there was nothing to cancel. */
export function cancelLine(decisionTime: number, { ordinal, clientOrderId }: CancelAction, denial: Denial | undefined): string {
  return `cancel ${decisionTime} ${ordinal} ${clientOrderId}${denial === undefined ? "" : ` -> ${deniedText(denial)}`}`;
}

export function replaceLine(decisionTime: number, action: ReplaceAction, denial: Denial | undefined): string {
  const { ordinal, clientOrderId, quantity, limit, stopLoss, takeProfit } = action;
  const changes = Object.entries({ quantity, limit, stop: stopLoss, target: takeProfit }).filter(
    ([, value]) => value !== undefined,
  );
  const text = changes.map(([name, value]) => ` ${name}=${String(value)}`).join("");
  return `replace ${decisionTime} ${ordinal} ${clientOrderId}${text}${denial === undefined ? "" : ` -> ${deniedText(denial)}`}`;
}

/** `fill <time> <trade> <order> <leg> <side> <quantity> @ <price> fee=<fee>`. */
export function fillLine(
  fill: VenueFill,
  text: { readonly quantity: string; readonly price: string; readonly fee: string },
): string {
  return `fill ${fill.time} ${fill.tradeId} ${fill.clientOrderId} ${fill.leg} ${fill.side} ${text.quantity} @ ${text.price} fee=${text.fee}`;
}

/** `end <time> <order> <state> <reason> filled=<quantity>`: an order that ended without being filled whole. */
export function endLine(at: number, order: VenueOrder, reason: EndReason): string {
  return `end ${at} ${order.request.clientOrderId} ${order.state} ${reason} filled=${formatDecimal(order.filled)}`;
}
