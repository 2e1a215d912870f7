import { messageOf } from "@bellwether/service-kit/coded-error";
import type { ModelPort, ModelQuestion, ModelReply } from "@bellwether/trading/engine/language-model";
import type { JsonValue } from "@bellwether/trading/engine/program";
import { decisionEvidence } from "@bellwether/trading/wire";
import { z } from "zod";
import { AgentError } from "../errors.ts";

/** One line of a file of answers. */
const recordedAnswer = z.strictObject({
  promptHash: decisionEvidence.shape.promptHash,
  text: z.string().max(1_048_576),
  model: z.string().max(200),
  inputTokens: decisionEvidence.shape.inputTokens,
  outputTokens: decisionEvidence.shape.outputTokens,
  costUsd: decisionEvidence.shape.costUsd,
  cache: decisionEvidence.shape.cache,
});
type RecordedAnswer = z.output<typeof recordedAnswer>;

/** First line of every file of answers. */
export const answersHeader = `${JSON.stringify({ format: "bellwether-answers/1" })}\n`;

export interface RecordedModelsOptions {
  /** What is in the file, header included; a last line that was not written whole counts as not there. */
  readonly text: string;
  /** Where new answers come from; absent: from nowhere, only what is recorded is answered. */
  readonly upstream?: ModelPort | undefined;
  /** Appends a line to the file. */
  readonly append: (line: string) => Promise<void>;
}

/**
 * Models for a backtest: an answer is asked for once, recorded, and from then on replayed, so that a run can be repeated to the byte without network.
 * A question without an answer ends the run: a backtest with holes would be another strategy's.
 */
export class RecordedModels implements ModelPort {
  readonly #known: Map<string, RecordedAnswer>;
  readonly #options: RecordedModelsOptions;
  readonly #thoughts = new Map<string, JsonValue>();
  #failure: AgentError | undefined;

  /** @throws AgentError BAD_ANSWERS naming the line */
  constructor(options: RecordedModelsOptions) {
    this.#options = options;
    this.#known = parseAnswers(options.text);
  }

  /** What made a question go unanswered, also when the program made nothing of it. */
  get failure(): AgentError | undefined {
    return this.#failure;
  }

  /** @throws AgentError ANSWER_MISSING, MODEL_SILENT */
  async ask(question: ModelQuestion, promptHash: string): Promise<ModelReply> {
    const known = this.#known.get(promptHash);
    if (known) return { answered: true, ...used(known) };
    const { upstream, append } = this.#options;
    if (!upstream)
      throw this.#failed("ANSWER_MISSING", `no answer is recorded for the question ${promptHash}: record it with --gateway`);
    const reply = await upstream.ask(question, promptHash);
    if (!reply.answered) throw this.#failed("MODEL_SILENT", `${reply.reason}: ${reply.message}; what was answered is recorded`);
    const { answered: _answered, ...answer } = reply;
    const line: RecordedAnswer = { promptHash, ...answer };
    await append(`${JSON.stringify(line)}\n`);
    this.#known.set(promptHash, line);
    return reply;
  }

  remember(market: string, thought: JsonValue): void {
    this.#thoughts.set(market, structuredClone(thought));
  }

  recall(market: string): Promise<JsonValue | undefined> {
    const thought = this.#thoughts.get(market);
    this.#thoughts.delete(market);
    return Promise.resolve(thought);
  }

  #failed(code: "ANSWER_MISSING" | "MODEL_SILENT", message: string): AgentError {
    this.#failure ??= new AgentError(code, message);
    return this.#failure;
  }
}

/** Such a text without a last line that was not written whole. */
export function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

function used({ promptHash: _promptHash, ...answer }: RecordedAnswer): Omit<Extract<ModelReply, { answered: true }>, "answered"> {
  return answer;
}

function parseAnswers(text: string): Map<string, RecordedAnswer> {
  const whole = wholeLines(text);
  if (whole !== "" && !whole.startsWith(answersHeader))
    throw new AgentError("BAD_ANSWERS", `line 1 must be ${answersHeader.trim()}: this is no file of recorded answers`);
  const answers = new Map<string, RecordedAnswer>();
  for (const [index, line] of whole.split("\n").entries()) {
    if (index === 0 || line === "") continue;
    const answer = parseLine(line, index + 1);
    answers.set(answer.promptHash, answer);
  }
  return answers;
}

function parseLine(line: string, number: number): RecordedAnswer {
  try {
    return recordedAnswer.parse(JSON.parse(line));
  } catch (cause) {
    throw new AgentError("BAD_ANSWERS", `line ${number} is no recorded answer: ${messageOf(cause)}`, { cause });
  }
}
