import { z } from "zod";
import { freeText, listMap, wholeNumber } from "./scalars.ts";

/** Status fields come from our own operator: bounded, but without CEL, so that a status write can never be refused for its form. */
export const statusText = (max = 100): z.ZodString => freeText(max);
export const statusNumber = () => z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** RFC 3339, as Kubernetes writes it. */
export const statusTime = () => z.string().max(40);

const condition = z.strictObject({
  type: z.string().min(1).max(63).describe("What the condition speaks of, such as Ready."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: z.string().min(1).max(64).describe("One word for machines, in CamelCase."),
  message: freeText(1024).describe("One sentence for people."),
  lastTransitionTime: statusTime().describe("When `status` last changed."),
  observedGeneration: statusNumber().optional().describe("The generation of the spec this was judged on."),
});

/** A condition of the standard form. */
export type Condition = z.infer<typeof condition>;

export const conditions = listMap(condition, ["type"], 16).describe("Conditions of the standard form.");

export const priority = wholeNumber(0, 1000);
