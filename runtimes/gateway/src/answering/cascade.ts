import { hasCode } from "@bellwether/service-kit";
import type { Completion, Piece } from "../backends/backend.ts";
import { NOTHING, addSpend } from "../budget/spend.ts";
import { type AnswerVerdict, checkAnswer } from "../routing/answer-checks.ts";
import type { Attempts } from "../routing/attempts.ts";
import type { Candidate } from "../routing/choose-models.ts";
import { type ChatRequest, messageText } from "../server/chat-request.ts";
import { piecesOf } from "./answer.ts";
import type { Asked, Got, ModelCalls } from "./model-calls.ts";

export interface CascadePlan {
  readonly attempts: Attempts;
  /** Asked when an answer of one of `doubted` does not hold. */
  readonly escalation: readonly Candidate[];
  /** Models whose answers are checked. */
  readonly doubted: ReadonlySet<string>;
}

/** An answer, and whether it held its checks: one that did not is given out when no larger model answers, and never kept. */
interface Checked<T> {
  readonly got: Got<T>;
  readonly held: boolean;
}

/**
 * Small model first: its answer is checked without another model (form, arithmetic, units), and only one that does not hold is asked for again, of a larger
 * one, out of the same attempts. A plan without doubted models is a plain call.
 */
export class Cascade {
  readonly #calls: ModelCalls;
  readonly #onEscalated: (reason: string) => void;

  constructor(calls: ModelCalls, onEscalated: (reason: string) => void) {
    this.#calls = calls;
    this.#onEscalated = onEscalated;
  }

  /** @throws CodedError as {@link ModelCalls.complete} */
  complete(plan: CascadePlan, asked: Asked): Promise<Checked<Completion>> {
    const again = (): Promise<Got<Completion>> => this.#calls.complete(plan.attempts, asked);
    return this.#checked(plan, asked, { again, of: (completion) => completion });
  }

  /** A doubted model's answer comes in one piece, once it is known to hold; everybody else's as it is made. The pieces must be read to their end. */
  stream(plan: CascadePlan, asked: Asked): Promise<Checked<AsyncIterable<Piece>>> {
    const again = (): Promise<Got<AsyncIterable<Piece>>> => this.#calls.stream(plan.attempts, asked);
    return this.#checked(plan, asked, { again, of: piecesOf });
  }

  async #checked<T>(
    { attempts, escalation, doubted }: CascadePlan,
    asked: Asked,
    { again, of }: { again: () => Promise<Got<T>>; of: (completion: Completion) => T },
  ): Promise<Checked<T>> {
    if (doubted.size === 0) return { got: await again(), held: true };
    const first = await this.#calls.complete(attempts, asked);
    const small = { ...first, answer: of(first.answer) };
    if (!doubted.has(first.model.name)) return { got: small, held: true };
    const verdict = verdictOn(asked.request, first.answer);
    if (verdict.holds) return { got: small, held: true };
    this.#onEscalated(verdict.reason);
    attempts.escalate(escalation);
    try {
      const large = await again();
      return { got: { ...large, spend: () => addSpend(first.spend() ?? NOTHING, large.spend() ?? NOTHING) }, held: true };
    } catch (error) {
      // No larger one answers: a doubtful answer is better than none, and the larger ones' failures have been told where they happened.
      if (!hasCode(error) || error.code === "CALLER_GONE") throw error;
      return { got: small, held: false };
    }
  }
}

/** A call of a tool is no answer yet: its arguments are for the caller's own schema to judge. */
function verdictOn(request: ChatRequest, { content, finishReason, toolCalls }: Completion): AnswerVerdict {
  if (toolCalls !== undefined && toolCalls.length > 0) return { holds: true, doubt: 0 };
  const question = request.messages.findLast(({ role }) => role === "user");
  return checkAnswer({
    question: question === undefined ? "" : messageText(question),
    answer: content ?? "",
    finishReason,
    schema: schemaOf(request.response_format),
  });
}

function schemaOf(format: ChatRequest["response_format"]): Readonly<Record<string, unknown>> | true | undefined {
  if (format === undefined || format.type === "text") return undefined;
  return format.type === "json_schema" ? (format.json_schema.schema ?? true) : true;
}
