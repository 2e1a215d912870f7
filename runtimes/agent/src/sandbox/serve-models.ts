import type { ModelPort } from "@bellwether/trading/engine/language-model";
import { decisionEvidence } from "@bellwether/trading/wire";
import { z } from "zod";

/** Questions and thoughts of a program are not larger than this, in characters of JSON. */
const longestText = 1_048_576;

const text = z.string().max(longestText);
const market = z.string().min(1).max(100);
const question = z.strictObject({
  model: z.string().min(1).max(200),
  messages: z
    .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: text }))
    .min(1)
    .max(100),
  format: z
    .strictObject({
      name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be letters, digits, _ or -"),
      schema: z.record(z.string(), z.json()),
    })
    .optional(),
  maxTokens: z.int().min(1).max(1_048_576),
});

/** What the process of a source program asks of the host; foreign code may have written every byte of it. */
const wish = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ask"), question, promptHash: decisionEvidence.shape.promptHash }),
  z.strictObject({ kind: z.literal("remember"), market, thought: z.json() }),
  z.strictObject({ kind: z.literal("recall"), market }),
]);
export type ModelWish = z.output<typeof wish>;

/** Undefined for what is no wish at all. */
export function parseWish(json: string): ModelWish | undefined {
  if (json.length > longestText) return undefined;
  try {
    return wish.parse(JSON.parse(json));
  } catch {
    // Not JSON, or not of this form: the caller ends the program for it.
    return undefined;
  }
}

/** What the models say to a wish; undefined where there is nothing to say. */
export async function serveWish(models: ModelPort, asked: ModelWish): Promise<unknown> {
  switch (asked.kind) {
    case "ask": {
      const { format, ...plain } = asked.question;
      return models.ask({ ...plain, ...(format && { format }) }, asked.promptHash);
    }
    case "recall":
      return models.recall(asked.market);
    case "remember":
      return models.remember(asked.market, asked.thought);
  }
}
