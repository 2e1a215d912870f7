/**
 * How a stand-in of a hosted model answers. A vendor model named `<anything>:<behaviour>` answers so without being told; a test may also set it.
 *
 * Shapes are those of streams seen in the field: where the usage comes, how lines end, how bytes are cut.
 */
export const streamShapes = [
  /** OpenAI with include_usage: a last chunk without choices. */
  "usage-last",
  /** In the chunk with the finish reason. */
  "usage-with-finish",
  /** A running total in each chunk. */
  "usage-every-chunk",
  /** `usage: null` in each chunk but the last. */
  "usage-null-until-last",
  /** In `choices[0].usage` of the last chunk. */
  "usage-in-choice",
  /** Before the finish reason. */
  "usage-before-finish",
  /** Thought is in the total and nowhere else. */
  "usage-total-has-thoughts",
  /** Lines end with CR LF. */
  "crlf",
  /** Comments in between keep the connection awake. */
  "comments",
  /** `data:` without a blank after it. */
  "no-blank",
  /** Cut every few bytes, within lines and within characters. */
  "split-bytes",
  /** All in one write. */
  "one-burst",
  /** The connection ends in good order without `[DONE]`. */
  "no-done",
  /** Rubbish after `[DONE]`. */
  "after-done",
  /** Visible thinking before the answer. */
  "reasoning",
  /** A call of a function, its arguments in pieces. */
  "tool-call",
] as const;
export type StreamShape = (typeof streamShapes)[number];

export const faults = [
  "unauthorized",
  "forbidden",
  "rate-limited",
  "server-error",
  "bad-request",
  "not-json",
  /** The connection is cut before anything was said. */
  "cut-before-first-byte",
  /** After some of the text, before the usage. */
  "cut-after-first-byte",
  /** In good order, in the middle of the text. */
  "ends-early",
  /** An error event in the middle of the text. */
  "error-event",
  /** Says nothing, ever, and keeps the connection. */
  "silent",
  /** Says something, and then nothing more. */
  "stalls",
  /** Each piece takes `pieceDelayMs`. */
  "slow",
  "no-usage",
  /** A usage that cannot be one. */
  "usage-negative",
  "usage-absurd",
] as const;
export type Fault = (typeof faults)[number];
export type Behaviour = StreamShape | Fault;

const all: ReadonlySet<string> = new Set([...streamShapes, ...faults]);

/** `gpt-mock:crlf` → crlf; undefined when the name says nothing. */
export function behaviourNamedIn(model: string): Behaviour | undefined {
  const named = model.slice(model.lastIndexOf(":") + 1);
  return all.has(named) ? (named as Behaviour) : undefined;
}
