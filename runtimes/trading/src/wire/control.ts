import { z } from "zod";
import { decimalString, instantMs, symbol, uid } from "./decimal-string.ts";
import { MOST_EVIDENCE, decisionEvidence } from "./evidence.ts";
import { side, wireVerdict } from "./intents.ts";
import { brokerOrder, fill } from "./orders.ts";

/**
 * What people do to a running policy, and what they ask it: risk's control and query API, called by the plugin.
 *
 * Callers are the subjects in risk's configuration `controllers` (the ServiceAccount bellwether-cli; who may get a token for it is a matter of the
 * cluster's RBAC) and the operator. They may also read GET /v1/portfolio. `who` is what the caller says of itself: the API server's name for the
 * person, put there by the plugin; it is recorded, it authorises nothing.
 *
 * Every write is idempotent: what is so already answers 200 with `changed: false`. Errors are `{code, message, details?}`.
 */

/** Who asks, as the API server names them (SelfSubjectReview). */
export const controlWho = z.string().trim().min(1).max(200);
/** Why, in a person's words. Ends in status, events, journal and webhooks: no secret belongs here. */
export const controlReason = z.string().trim().min(1).max(300);

const request = { who: controlWho, reason: controlReason };
const accountName = z.string().min(1).max(40);

/** The eight circuit breakers, as in crds/src/risk-policy.ts (a test of the plugin holds both lists equal). */
export const breakerType = z.enum([
  "RapidLoss",
  "Drawdown",
  "ConsecutiveLosses",
  "VolatilitySpike",
  "GasSpike",
  "VenueStale",
  "RejectRate",
  "PriceDeviation",
]);

/** POST risk /v1/control/halt: a stop in the journal, beside the annotation; the strictest wins. A stop that stands is made stricter, never milder. */
export const haltRequest = z.strictObject({ ...request, state: z.enum(["Halted", "Reducing"]).default("Halted") });
export type HaltRequest = z.input<typeof haltRequest>;

/** POST risk /v1/control/resume: clears the journal's stop. Annotations, `spec.trading` and breakers are cleared elsewhere: the answer names what still holds. */
export const resumeRequest = z.strictObject(request);
export type ResumeRequest = z.input<typeof resumeRequest>;

/**
 * POST risk /v1/control/reset-breaker: arms a tripped breaker again from the present (a new reference, so that it does not trip at once on the old loss).
 * Absent scope: every tripped breaker of the type. 404 `BREAKER_UNKNOWN` when the policy has none of the type in that scope.
 */
export const resetBreakerRequest = z.strictObject({
  ...request,
  type: breakerType,
  account: accountName.optional(),
  /** Name or uid of a strategy. */
  strategy: z.string().min(1).max(64).optional(),
});
export type ResetBreakerRequest = z.input<typeof resetBreakerRequest>;

/** One asset in which journal and venue differ. */
export const driftEntry = z.strictObject({ asset: z.string().max(40), journal: decimalString, venue: decimalString });
export type DriftEntry = z.infer<typeof driftEntry>;

/**
 * POST risk /v1/control/adopt: takes the venue's balances for true after a drift; the difference goes to the sub-account `unassigned`.
 * `seen`, when given, is what the person decided on: other numbers now → 409 `DRIFT_CHANGED`, with the present ones in `details.drift`.
 * 409 `NOT_DRIFTING` when nothing differs, 409 `DRIFT_IN_SEND_LOG` for what orders in the send log explain: those are settled by themselves.
 */
export const adoptRequest = z.strictObject({ ...request, account: accountName, seen: z.array(driftEntry).max(100).optional() });
export type AdoptRequest = z.input<typeof adoptRequest>;

/** One thing that holds trading now; none: Active. `scope` absent: the whole policy. */
export const tradingHold = z.strictObject({
  by: z.enum(["policy", "annotation", "journal", "breaker", "drift", "venue", "risk"]),
  state: z.enum(["Reducing", "Halted"]),
  message: z.string().max(500),
  scope: z.strictObject({ account: accountName.optional(), strategy: z.string().max(63).optional() }).optional(),
});
export type TradingHold = z.infer<typeof tradingHold>;

/** A breaker as risk holds it. Part of GET /v1/portfolio. `value` and `threshold` are in the breaker's own unit, as text. */
export const breakerView = z.strictObject({
  type: breakerType,
  scope: z.strictObject({ account: accountName.optional(), strategy: z.string().max(63).optional() }),
  state: z.enum(["Armed", "Tripped", "CoolingDown"]),
  action: z.enum(["Halt", "Reduce", "Flatten"]),
  since: instantMs.optional(),
  until: instantMs.optional(),
  value: z.string().max(80).optional(),
  threshold: z.string().max(80).optional(),
  message: z.string().max(500).optional(),
});
export type BreakerView = z.infer<typeof breakerView>;

/** Something a person did. GET /v1/portfolio carries the newest 50, oldest first; the operator makes an event of each `id` once. */
export const controlEvent = z.strictObject({
  id: z.string().max(64),
  /** Wall time. */
  time: instantMs,
  what: z.enum(["Halt", "Reduce", "Resume", "ResetBreaker", "Adopt"]),
  who: controlWho,
  why: controlReason,
  /** What it did, in a sentence with its numbers. */
  detail: z.string().max(500),
});
export type ControlEvent = z.infer<typeof controlEvent>;

/** Answer of every POST /v1/control/…: what was done, and what trading is now. */
export const controlReply = z.strictObject({
  changed: z.boolean(),
  /** Absent when nothing changed. */
  event: controlEvent.optional(),
  state: z.enum(["Active", "Reducing", "Halted"]),
  /** Everything that still holds trading. */
  holds: z.array(tradingHold).max(100),
  /** Entries that are being cancelled. */
  workingOrders: z.int().nonnegative(),
});
export type ControlReply = z.infer<typeof controlReply>;

/** GET risk /v1/orders?strategy=&limit=&state=: newest first. `strategy` is a name or a uid. */
export const ordersQuery = z.object({
  strategy: z.string().min(1).max(64).optional(),
  state: z.enum(["open", "all"]).default("all"),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

export const orderEntry = z.strictObject({
  /** Name of the strategy, or of the last one that had this uid. */
  strategy: z.string().max(63),
  strategyUid: uid,
  order: brokerOrder,
  /** Wall time of the verdict. */
  createdAt: instantMs,
  /** Quote per base, volume-weighted; absent before the first fill. */
  averagePrice: decimalString.optional(),
});
export type OrderEntry = z.infer<typeof orderEntry>;

export const ordersReply = z.strictObject({ orders: z.array(orderEntry).max(500), more: z.boolean() });
export type OrdersReply = z.infer<typeof ordersReply>;

const numbers = z.record(z.string().max(40), z.string().max(120));

/** One link of the verdict chain, in the order of judging. `notReached`: an earlier one had denied. */
export const verdictStep = z.strictObject({
  /** Name of the rule as in docs/verdicts.md, such as `trading-state` or `max-position-ratio`. */
  rule: z.string().max(64),
  outcome: z.enum(["passed", "denied", "notReached"]),
  message: z.string().max(500).optional(),
  /** What was measured and what is allowed, such as `ratio` and `maximum`. */
  numbers,
});
export type VerdictStep = z.infer<typeof verdictStep>;

/** One step from the size that was asked for to the order's quantity, in order. Quantities in base units. */
export const sizingStep = z.strictObject({
  step: z.string().max(64),
  before: decimalString,
  after: decimalString,
  message: z.string().max(500),
  numbers,
});
export type SizingStep = z.infer<typeof sizingStep>;

export const approvalRecord = z.strictObject({
  nonce: z.string().max(64),
  keyId: z.string().max(64),
  epoch: z.int().positive(),
  attempt: z.int().positive(),
  createdAt: instantMs,
});

/** One order of an intent: normally one; a Solana intent has one for each attempt. */
export const intentOrder = z.strictObject({
  order: brokerOrder,
  createdAt: instantMs,
  approvals: z.array(approvalRecord).max(50),
  /** What it may take in the worst case, still reserved or released at `releasedAt`. */
  reservedQuote: decimalString,
  reservedBase: decimalString,
  releasedAt: instantMs.optional(),
  cancelRequested: z.enum(["entry", "all"]).optional(),
  fills: z.array(fill).max(500),
});
export type IntentOrder = z.infer<typeof intentOrder>;

/**
 * GET risk /v1/intents/{id}, `id` percent-encoded: an intent id or a client order id. Everything the journal knows of it, from wish to fills.
 * 404 `INTENT_UNKNOWN`.
 */
export const intentReply = z.strictObject({
  intentId: z.string().max(200),
  strategy: z.string().max(63),
  strategyUid: uid,
  account: accountName,
  kind: z.enum(["intent", "cancel", "replace", "flatten"]),
  /** Market time of the decision. */
  decisionTime: instantMs,
  /** Wall time of the verdict. */
  judgedAt: instantMs,
  /** Absent for a cancel. */
  market: symbol.optional(),
  side: side.optional(),
  /** What the program asked for, field by field, as text: `size.quantity`, `limit`, `stopLoss`, `validUntil` … */
  asked: z.record(z.string().max(60), z.string().max(200)),
  /** The world it was judged in: trading state, equity, free cash, limits in force … */
  judgedWith: z.record(z.string().max(60), z.string().max(200)),
  sizing: z.array(sizingStep).max(20),
  chain: z.array(verdictStep).max(50),
  verdict: wireVerdict,
  /** What language models were asked for the decision; absent when none was. */
  evidence: z.array(decisionEvidence).max(MOST_EVIDENCE).optional(),
  orders: z.array(intentOrder).max(50),
});
export type IntentReply = z.infer<typeof intentReply>;
