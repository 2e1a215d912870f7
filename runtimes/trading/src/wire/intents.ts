import { z } from "zod";
import { decimalString, instantMs, positiveDecimalString, symbol, uid } from "./decimal-string.ts";
import { MOST_EVIDENCE, decisionEvidence } from "./evidence.ts";

export const side = z.enum(["buy", "sell"]);
export const timeInForce = z.enum(["GTC", "IOC", "FOK", "PostOnly"]);

/** How much: exactly one member. `all` sells the whole position of the sub-account. */
export const intentSize = z.union([
  z.strictObject({ quantity: positiveDecimalString }),
  z.strictObject({ notional: positiveDecimalString }),
  z.strictObject({ equityRatio: positiveDecimalString }),
  z.strictObject({ all: z.literal(true) }),
]);

/** What a program wants. Risk decides what becomes of it. */
export const intent = z.strictObject({
  /** Position among all actions of this decision, from 0. */
  ordinal: z.int().min(0).max(999),
  market: symbol,
  side,
  size: intentSize,
  /** Absent: a market order. */
  limit: positiveDecimalString.optional(),
  timeInForce: timeInForce.optional(),
  /** Working orders are cancelled this long (market time) after the decision. */
  expiresAfterMs: z.int().positive().optional(),
  stopLoss: positiveDecimalString.optional(),
  takeProfit: positiveDecimalString.optional(),
  /** The close of the signal bar as the agent saw it; sizes are computed at it. */
  signalPrice: positiveDecimalString,
  /** Market time after which risk answers EXPIRED. Default: one bar after the decision. */
  validUntil: instantMs,
});
export type Intent = z.infer<typeof intent>;

export const cancelRequest = z.strictObject({ ordinal: z.int().min(0).max(999), clientOrderId: z.string().max(64) });
export const replaceRequest = z.strictObject({
  ordinal: z.int().min(0).max(999),
  clientOrderId: z.string().max(64),
  quantity: positiveDecimalString.optional(),
  limit: positiveDecimalString.optional(),
  stopLoss: positiveDecimalString.optional(),
  takeProfit: positiveDecimalString.optional(),
});

/**
 * POST risk /v1/intents: everything one decision produced. Intents, cursor and state are stored in one transaction.
 * Sending the same decision again returns the stored answer; another decision at or before the cursor is refused with 409 `ALREADY_DECIDED`.
 */
export const decisionRequest = z.strictObject({
  strategyUid: uid,
  run: z.int().positive(),
  /** Digest of the sorted market list the decision was made on. */
  marketSet: z.string().max(64),
  /** Market time: the close of the bars decided on. */
  decisionTime: instantMs,
  /** JSON of `context.state` after the decision, at most 256 KiB. */
  state: z.string().max(262_144),
  intents: z.array(intent).max(100),
  cancels: z.array(cancelRequest).max(100),
  replaces: z.array(replaceRequest).max(100),
  /** What models were asked; absent when none was. */
  evidence: z.array(decisionEvidence).min(1).max(MOST_EVIDENCE).optional(),
});
export type DecisionRequest = z.infer<typeof decisionRequest>;

/** A verdict on the wire: `reason` is one of the closed set in trading/src/rules/verdict.ts; `numbers` are its figures as text. */
export const wireVerdict = z.strictObject({
  allowed: z.boolean(),
  reason: z.string().max(64).optional(),
  message: z.string().max(500).optional(),
  numbers: z.record(z.string().max(40), z.string().max(80)).optional(),
});
export type WireVerdict = z.infer<typeof wireVerdict>;

export const intentResult = z.strictObject({
  intentId: z.string().max(200),
  ordinal: z.int(),
  verdict: wireVerdict,
  clientOrderId: z.string().max(64).optional(),
  quantity: decimalString.optional(),
});

export const decisionReply = z.strictObject({
  decisionTime: instantMs,
  stored: z.enum(["new", "repeated"]),
  results: z.array(intentResult).max(300),
});
export type DecisionReply = z.infer<typeof decisionReply>;
