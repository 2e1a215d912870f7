/** Makes strategies known to risk, once for each change, and takes them away again. */
import type { StrategyRegistration } from "@bellwether/trading/wire";
import type { PolicyRef, RiskLink } from "../platform/risk-link.ts";
import type { Registration } from "./plan.ts";

interface Known {
  /** What was accepted or refused, with the policy it was told to. */
  readonly body: string;
  readonly registration: Registration;
  readonly run: number | undefined;
  readonly shareRatio: string;
  readonly atMs: number;
}

export interface Registered {
  readonly registration: Registration;
  readonly registered: { readonly run: number; readonly shareRatio: string } | undefined;
}

/** A refusal may have been about something that passes, such as balances that a broker has not read yet or a position that had to be closed. */
const refusalTtlMs = 900;
/** Risk must have had time to show the strategy in its portfolio before its absence there means anything. */
const graceMs = 10_000;

export class Registrar {
  readonly #risk: RiskLink;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();

  constructor(risk: RiskLink, nowMs: () => number) {
    this.#risk = risk;
    this.#nowMs = nowMs;
  }

  /** @param wasAccepted it was registered before, by what status says: risk has it in its journal */
  async register(policy: PolicyRef, registration: StrategyRegistration, wasAccepted: boolean): Promise<Registered> {
    const { uid, shareRatio } = registration;
    const body = `${policy.uid} ${JSON.stringify(registration)}`;
    const known = this.#known.get(uid);
    if (known?.body === body && !this.#mustAskAgain(policy, uid, known)) return told(known);

    const unreachable = (message: string): Registered => {
      return {
        registration: { state: "Unreachable", message, wasAccepted: wasAccepted || known?.run !== undefined },
        registered: undefined,
      };
    };
    // Risk is looked at all the time: while it does not answer that, a registration would only wait for its timeout.
    const word = this.#risk.word(policy);
    if (!word.heard) return unreachable(word.message);
    const answer = await this.#risk.register(policy, registration);
    if (answer.result === "Unreachable") return unreachable(answer.message);
    const atMs = this.#nowMs();
    const next: Known =
      answer.result === "Answered" && answer.value.admitted
        ? { body, registration: { state: "Accepted" }, run: answer.value.run, shareRatio, atMs }
        : { body, registration: { state: "Refused", message: refusalOf(answer) }, run: undefined, shareRatio, atMs };
    this.#known.set(uid, next);
    return told(next);
  }

  forget(uid: string): void {
    this.#known.delete(uid);
  }

  #mustAskAgain(policy: PolicyRef, uid: string, known: Known): boolean {
    const ageMs = this.#nowMs() - known.atMs;
    if (known.registration.state === "Refused") return ageMs > refusalTtlMs;
    const word = this.#risk.word(policy);
    // Its journal was replaced, or restored from before: tell it again.
    return word.heard && word.atMs - known.atMs > graceMs && this.#risk.view(policy, uid) === undefined;
  }
}

function told({ registration, run, shareRatio }: Known): Registered {
  return { registration, registered: run === undefined ? undefined : { run, shareRatio } };
}

function refusalOf(
  answer: { result: "Answered"; value: { message?: string | undefined } } | { result: "Refused"; message: string },
): string {
  if (answer.result === "Refused") return `risk refuses the strategy: ${answer.message}`;
  return `risk does not admit the strategy: ${answer.value.message ?? "it gives no reason"}`;
}
