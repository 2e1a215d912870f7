import { z } from "zod";
import { decimalString, instantMs } from "./decimal-string.ts";

/** What a strategy's alert may watch, as in crds/src/strategy.ts. */
export const alertMetric = z.enum(["pnlRatio", "drawdownRatio", "equity", "decisionLatency", "barAge"]);
export type AlertMetric = z.infer<typeof alertMetric>;

/** `alerts[]` of a Strategy as the operator hands it to risk: durations already in milliseconds. */
export const alertRule = z.strictObject({
  name: z.string().min(1).max(40),
  metric: alertMetric,
  /** A decimal; milliseconds for `decisionLatency` and `barAge`. */
  threshold: decimalString,
});
export type AlertRule = z.infer<typeof alertRule>;

/**
 * Something people should know: it starts to be so (`firing`), and it ends (`resolved`). Held by risk as a bounded list (GET /v1/portfolio, newest 50);
 * the operator makes an event of each, and the webhook sender posts each once. `key` names the condition, `id` one transition of it:
 * `<key>#<episode>/<state>`, so that nothing told once is told again after a restart.
 */
export const alert = z.strictObject({
  id: z.string().max(200),
  key: z.string().max(160),
  state: z.enum(["firing", "resolved"]),
  severity: z.enum(["info", "warning", "critical"]),
  source: z.strictObject({ kind: z.enum(["Strategy", "RiskPolicy"]), namespace: z.string().max(63), name: z.string().max(63) }),
  /** Name of the strategy's alert, or type of the breaker. */
  name: z.string().max(40),
  /** One sentence with its numbers. */
  summary: z.string().max(500),
  value: z.string().max(80).optional(),
  threshold: z.string().max(80).optional(),
  /** Wall time of the transition. */
  time: instantMs,
});
export type Alert = z.infer<typeof alert>;
