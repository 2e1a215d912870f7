export type Tone = "plain" | "good" | "bad" | "warn" | "dim" | "bold";

/** How to print for the reader at hand. */
export interface Style {
  /** False where standard output is no terminal, and where NO_COLOR says so. */
  readonly colour: boolean;
  /** Columns of the terminal; infinite where the reader is a file or a program: nothing is cut for those. */
  readonly columns: number;
}

export const plainStyle: Style = { colour: false, columns: Number.POSITIVE_INFINITY };

const codes: Readonly<Record<Tone, string>> = { plain: "", good: "32", bad: "31", warn: "33", dim: "2", bold: "1" };

/** Text in a colour, where the reader sees colours. */
export function paint(style: Style, tone: Tone, text: string): string {
  return style.colour && tone !== "plain" && text !== "" ? `\u001B[${codes[tone]}m${text}\u001B[0m` : text;
}

/** Text from outside (reasons, messages of venues) as one line without control characters: nothing may steer the reader's terminal. */
export function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ")
    .replaceAll(/ {2,}/g, " ")
    .trim();
}
