/** Every error code of risk, with what it means and what to do; the wire's closed set. A test holds the list against the documentation. */
export const riskErrors = {
  JOURNAL_UNAVAILABLE: "Postgres does not answer: nothing is judged or sent. Retry with the same bytes; risk resumes by itself.",
  EPOCH_LOST: "Another risk process writes for this policy now; this one has stopped writing and ends.",
  MIGRATION_CHANGED:
    "A migration that was applied differs from the one in this image: the image does not belong to this database.",
  NOT_REGISTERED: "The strategy is not known to this policy's risk yet; the operator registers it. Retry.",
  NOT_ADMITTED: "The strategy is known but has not been given its capital: see the message of its registration. Retry.",
  NOT_THIS_STRATEGY: "The caller's ServiceAccount is not the one registered for this strategy: it may not speak for it.",
  ALREADY_DECIDED:
    "A decision at or after this time is stored with other content: a decided bar is never decided again. Read the snapshot and go on.",
  RUN_MISMATCH: "The decision names another run or market set than the registered one. Read the snapshot.",
  ACCOUNT_UNKNOWN: "The policy has no broker for this account.",
  ACCOUNT_CHANGED:
    "A strategy cannot move to another account while it holds a position or has an order open in the present one: sell first, or delete it.",
  VENUE_UNREACHABLE: "The account's broker does not answer: try again.",
  POLICY_UNKNOWN: "The RiskPolicy has not been read from the API server yet.",
  TOO_MANY_STREAMS: "The strategy has as many streams open as one agent can need.",
  STRATEGY_UNKNOWN: "The policy has no strategy of this name or uid.",
  INTENT_UNKNOWN: "The journal knows no intent and no order of this id.",
  BREAKER_UNKNOWN: "The policy has no circuit breaker of this type in this scope.",
  NOT_DRIFTING: "Journal and venue hold the same amounts: there is nothing to adopt.",
  DRIFT_CHANGED: "Journal and venue differ by other amounts than were decided on: look again.",
  DRIFT_IN_SEND_LOG: "Orders under way explain the difference: they are settled by themselves. Wait.",
  INVARIANT_BROKEN: "The journal contradicts itself; the process ends rather than trade on it.",
} as const;

export type RiskErrorCode = keyof typeof riskErrors;

/** HTTP status of each code that reaches a caller. */
export const riskStatus: Readonly<Partial<Record<RiskErrorCode, number>>> = {
  JOURNAL_UNAVAILABLE: 503,
  EPOCH_LOST: 503,
  NOT_REGISTERED: 404,
  NOT_ADMITTED: 409,
  NOT_THIS_STRATEGY: 403,
  ALREADY_DECIDED: 409,
  RUN_MISMATCH: 409,
  ACCOUNT_UNKNOWN: 422,
  ACCOUNT_CHANGED: 409,
  VENUE_UNREACHABLE: 503,
  POLICY_UNKNOWN: 503,
  TOO_MANY_STREAMS: 429,
  STRATEGY_UNKNOWN: 404,
  INTENT_UNKNOWN: 404,
  BREAKER_UNKNOWN: 404,
  NOT_DRIFTING: 409,
  DRIFT_CHANGED: 409,
  DRIFT_IN_SEND_LOG: 409,
};
