/**
 * The base of every package's errors. Code that handles an error looks at `code`, never at the text; `context` carries
 * the figures and names that the message speaks of; `cause` keeps what lies underneath.
 */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, details: { context?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "CodedError";
    this.code = code;
    this.context = Object.freeze({ ...details.context });
  }
}

/** True when `error` is a CodedError with this code (any code when none is given). */
export function hasCode<Code extends string>(error: unknown, code?: Code): error is CodedError<Code> {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

/** The text of anything thrown, without a stack: for messages a person reads. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
