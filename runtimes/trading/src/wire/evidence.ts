import { z } from "zod";
import { decimalString, symbol } from "./decimal-string.ts";

/** One question that a program put to a language model for a decision, and what became of it. Part of the decision, so in the journal with it. */
export const decisionEvidence = z.strictObject({
  market: symbol,
  /** SHA-256 of the question as the program put it, in hex. */
  promptHash: z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hex"),
  /** Name in the route of the model that answered; absent when none did. */
  model: z.string().max(200).optional(),
  /** As the provider reported them; absent where it reports nothing. */
  inputTokens: z.int().nonnegative().optional(),
  outputTokens: z.int().nonnegative().optional(),
  /** What the answer cost, in US dollars; an answer that was known already costs nothing. */
  costUsd: decimalString.optional(),
  /** Where the answer came from, in the gateway's words: `miss` is a call of a model. */
  cache: z.enum(["miss", "exact", "semantic", "shared"]).optional(),
  /** Why nothing was decided on it: no answer, or one that was of no use. */
  fault: z.string().max(300).optional(),
});
export type DecisionEvidence = z.infer<typeof decisionEvidence>;

/** Most questions of one decision. */
export const MOST_EVIDENCE = 64;
