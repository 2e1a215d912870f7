import { createHash } from "node:crypto";
import { type DecisionEvidence, MOST_EVIDENCE } from "../wire/evidence.ts";
import type { JsonValue } from "./json-value.ts";

export interface ModelMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What a program asks a model of its strategy's route. */
export interface ModelQuestion {
  readonly messages: readonly ModelMessage[];
  /** A model of the route; `auto`, the default, lets the route choose. */
  readonly model?: string;
  /** The form the answer shall have: a JSON schema and a name for it (letters, digits, `_`, `-`). */
  readonly format?: { readonly name: string; readonly schema: { readonly [key: string]: JsonValue } };
  /** Most tokens of the answer. Default 512. */
  readonly maxTokens?: number;
}

/** Why there is no answer. `NO_ROUTE` and `BACKLOG`: nobody was asked, for want of a route, or because the market has gone on already. */
export type ModelSilence = "NO_ROUTE" | "BACKLOG" | "TOO_MANY_QUESTIONS" | "UNREACHABLE" | "TIMEOUT" | "REFUSED";

/** An answer as it came, or why there is none. A gateway that is away is no fault of the program: nothing is thrown. */
export type ModelReply =
  | ({ readonly answered: true; readonly text: string } & ModelUse)
  | { readonly answered: false; readonly reason: ModelSilence; readonly message: string };

/** What an answer took. */
export type ModelUse = Pick<DecisionEvidence, "inputTokens" | "outputTokens" | "costUsd" | "cache"> & { readonly model: string };

/** `context.llm`: the models of the route that the strategy names. */
export interface LanguageModel {
  ask(question: ModelQuestion): Promise<ModelReply>;
  /** Notes in the journal that the last answer was of no use, and why. */
  reject(why: string): void;
  /** Keeps a thought for the next decision on this market. It is lost when that comes too late, and once it has been read. */
  remember(thought: JsonValue): void;
  /** What was remembered at the last decision on this market; undefined when there is nothing. */
  recall(): Promise<JsonValue | undefined>;
}

/** Where questions go: a gateway, recorded answers, or nowhere. Never rejects for what a gateway or a model does wrong. */
export interface ModelPort {
  ask(question: ModelQuestion, promptHash: string): Promise<ModelReply>;
  remember(market: string, thought: JsonValue): void;
  recall(market: string): Promise<JsonValue | undefined>;
}

/** What there is without a route. */
export const noModels: ModelPort = {
  ask: () => Promise.resolve(silence("NO_ROUTE", "the strategy names no LlmRoute (spec.llmRouteRef)")),
  remember: () => undefined,
  recall: () => Promise.resolve(undefined),
};

export function silence(reason: ModelSilence, message: string): ModelReply {
  return { answered: false, reason, message };
}

const longestFault = 300;
/** Nobody was asked: there is nothing to journal. */
const unasked: ReadonlySet<ModelSilence> = new Set<ModelSilence>(["NO_ROUTE", "BACKLOG", "TOO_MANY_QUESTIONS"]);

/** The models as one market's context offers them; what was asked for the decision under way is collected in `evidence`. */
export class ContextModel implements LanguageModel {
  readonly #port: ModelPort;
  readonly #market: string;
  readonly #evidence: DecisionEvidence[];
  #last: number | undefined;

  constructor(port: ModelPort, market: string, evidence: DecisionEvidence[]) {
    this.#port = port;
    this.#market = market;
    this.#evidence = evidence;
  }

  async ask(question: ModelQuestion): Promise<ModelReply> {
    this.#last = undefined;
    if (this.#evidence.length >= MOST_EVIDENCE)
      return silence("TOO_MANY_QUESTIONS", `a decision may ask ${MOST_EVIDENCE} questions`);
    const plain = plainQuestion(question);
    const promptHash = createHash("sha256").update(JSON.stringify(plain)).digest("hex");
    const reply = await this.#port.ask(plain, promptHash);
    if (reply.answered) this.#note({ market: this.#market, promptHash, ...useOf(reply) });
    else if (!unasked.has(reply.reason))
      this.#note({ market: this.#market, promptHash, fault: `${reply.reason}: ${reply.message}`.slice(0, longestFault) });
    return reply;
  }

  reject(why: unknown): void {
    const entry = this.#last === undefined ? undefined : this.#evidence[this.#last];
    // A program is JavaScript: whatever the interface says, anything may come.
    if (entry && this.#last !== undefined) this.#evidence[this.#last] = { ...entry, fault: String(why).slice(0, longestFault) };
  }

  remember(thought: JsonValue): void {
    this.#port.remember(this.#market, thought);
  }

  recall(): Promise<JsonValue | undefined> {
    return this.#port.recall(this.#market);
  }

  #note(entry: DecisionEvidence): void {
    this.#last = this.#evidence.push(entry) - 1;
  }
}

/** Known fields in a fixed order: equal questions have equal bytes, and what a program puts there besides goes nowhere. */
function plainQuestion({ messages, model = "auto", format, maxTokens = 512 }: ModelQuestion): ModelQuestion {
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    ...(format && { format: { name: format.name, schema: format.schema } }),
    maxTokens,
  };
}

function useOf({ model, inputTokens, outputTokens, costUsd, cache }: ModelUse): ModelUse {
  return {
    model,
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(costUsd !== undefined && { costUsd }),
    ...(cache !== undefined && { cache }),
  };
}
