import type { LanguageModel, ModelQuestion, ModelSilence } from "@bellwether/trading/engine/language-model";
import type { JsonValue } from "@bellwether/trading/engine/program";
import { z } from "zod";

/** An answer that fits its schema, or why there is none. Never a part of one, never a guess. */
export type Answer<Value> =
  | { readonly answered: true; readonly value: Value }
  | { readonly answered: false; readonly reason: ModelSilence | "INVALID"; readonly message: string };

const mostFaults = 5;
/** A model that was asked for JSON likes to put it into a code block all the same. */
const codeBlock = /^```(?:json)?\s*\n([\s\S]*)\n```$/;

/**
 * Asks for an answer of a given form. What does not fit is sent back once with its faults; what does not fit then is no answer.
 *
 * @param schema what the answer must be; the model is shown it as JSON schema
 */
export async function askFor<Schema extends z.ZodType>(
  llm: LanguageModel,
  schema: Schema,
  question: Omit<ModelQuestion, "format">,
): Promise<Answer<z.output<Schema>>> {
  const asked = { ...question, format: { name: "answer", schema: jsonSchemaOf(schema) } };
  const first = await llm.ask(asked);
  if (!first.answered) return first;
  const taken = take(schema, first.text);
  if (taken.fits) return { answered: true, value: taken.value };
  llm.reject(taken.why);
  const repair = `That does not fit: ${taken.why}. Answer again with the JSON object alone.`;
  const second = await llm.ask({
    ...asked,
    messages: [
      ...asked.messages,
      { role: "assistant", content: first.text === "" ? "(nothing)" : first.text },
      { role: "user", content: repair },
    ],
  });
  if (!second.answered) return second;
  const repaired = take(schema, second.text);
  if (repaired.fits) return { answered: true, value: repaired.value };
  llm.reject(repaired.why);
  return { answered: false, reason: "INVALID", message: repaired.why };
}

function jsonSchemaOf(schema: z.ZodType): { [key: string]: JsonValue } {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema);
  return plain as { [key: string]: JsonValue };
}

type Taken<Value> = { readonly fits: true; readonly value: Value } | { readonly fits: false; readonly why: string };

function take<Schema extends z.ZodType>(schema: Schema, text: string): Taken<z.output<Schema>> {
  const plain = text.trim();
  let parsed: unknown;
  try {
    parsed = JSON.parse(codeBlock.exec(plain)?.[1] ?? plain);
  } catch {
    return { fits: false, why: "the answer is not JSON" };
  }
  const result = schema.safeParse(parsed);
  if (result.success) return { fits: true, value: result.data };
  const faults = result.error.issues.slice(0, mostFaults);
  return { fits: false, why: faults.map(({ path, message }) => `${path.join(".") || "the answer"}: ${message}`).join("; ") };
}
