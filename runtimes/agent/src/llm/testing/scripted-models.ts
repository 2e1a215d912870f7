import type { ModelPort, ModelQuestion, ModelReply } from "@bellwether/trading/engine/language-model";
import type { JsonValue } from "@bellwether/trading/engine/program";

/** Models that answer by a script and keep thoughts as a gateway does: read once, then gone. */
export class ScriptedModels implements ModelPort {
  readonly asked: ModelQuestion[] = [];
  readonly thoughts = new Map<string, JsonValue>();
  readonly #script: (question: ModelQuestion, count: number) => string | ModelReply;

  /** @param script what is said to a question; `count` is its number, from 1 */
  constructor(script: (question: ModelQuestion, count: number) => string | ModelReply) {
    this.#script = script;
  }

  ask(question: ModelQuestion): Promise<ModelReply> {
    const said = this.#script(question, this.asked.push(question));
    if (typeof said !== "string") return Promise.resolve(said);
    return Promise.resolve({
      answered: true,
      text: said,
      model: "small",
      inputTokens: 100,
      outputTokens: 20,
      costUsd: "0.0001",
      cache: "miss",
    });
  }

  remember(market: string, thought: JsonValue): void {
    this.thoughts.set(market, thought);
  }

  recall(market: string): Promise<JsonValue | undefined> {
    const thought = this.thoughts.get(market);
    this.thoughts.delete(market);
    return Promise.resolve(thought);
  }
}

/** An answer of the form that llm-analyst wants. */
export const opinion = (action: "buy" | "sell" | "hold", confidence = 0.9, reasoning = `${action} it is`): string =>
  JSON.stringify({ reasoning, action, confidence });
