/** A question that needs no model (`spec.templates[]`). */
export interface Template {
  readonly name: string;
  /** Regular expression that the question must match as a whole. */
  readonly match: string;
  /** `$1` to `$9` are the groups of the match, `$$` a dollar sign. */
  readonly response: string;
}

export interface TemplateAnswer {
  readonly template: string;
  readonly text: string;
}

/** Why a template cannot be used. */
export interface TemplateFault {
  readonly template: string;
  readonly message: string;
}

/** A question that is longer is no known one; it also bounds what an expression can be made to do. */
const MAX_QUESTION = 500;

/**
 * What JavaScript's expressions have and RE2's have not, and what makes their time grow without bound: back references, looking around,
 * a repetition of something that itself repeats. The CRD says RE2; here the rest is refused before the first question.
 */
const NOT_RE2 = /\\[1-9]|\\k<|\(\?(?:[=!]|<[=!])/;

/** Known questions and their answers. The first template that matches answers. */
export class Templates {
  readonly #compiled: readonly { readonly template: Template; readonly expression: RegExp }[];
  readonly faults: readonly TemplateFault[];

  constructor(templates: readonly Template[]) {
    const read = templates.map((template) => ({ template, read: compile(template.match) }));
    this.#compiled = read.flatMap(({ template, read }) =>
      "expression" in read ? [{ template, expression: read.expression }] : [],
    );
    this.faults = read.flatMap(({ template, read }) =>
      "fault" in read ? [{ template: template.name, message: read.fault }] : [],
    );
  }

  /** The answer to a question, blanks around it left out; undefined when no template knows it. */
  answer(question: string): TemplateAnswer | undefined {
    const text = question.trim();
    if (text.length > MAX_QUESTION) return undefined;
    for (const { template, expression } of this.#compiled) {
      const match = expression.exec(text);
      if (match !== null) return { template: template.name, text: filled(template.response, match) };
    }
    return undefined;
  }
}

function compile(match: string): { expression: RegExp } | { fault: string } {
  if (NOT_RE2.test(match)) return { fault: "back references and looking around are not part of RE2" };
  if (repeatsARepetition(match)) return { fault: "a repetition of something that itself repeats can take for ever" };
  // RE2 writes this flag in front of everything; JavaScript takes it as a flag.
  const insensitive = match.startsWith("(?i)");
  try {
    return { expression: new RegExp(`^(?:${insensitive ? match.slice(4) : match})$`, insensitive ? "iu" : "u") };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

/** `(a+)+`, `(a|b*)*`: a group with a repetition or a choice inside, repeated. Cautious: some harmless ones are refused, too. */
function repeatsARepetition(match: string): boolean {
  const open: boolean[] = [];
  let inClass = false;
  for (let index = 0; index < match.length; index++) {
    const sign = match[index];
    if (sign === "\\") index += 1;
    else if (inClass) inClass = sign !== "]";
    else if (sign === "[") inClass = true;
    else if (sign === "(") open.push(false);
    else if (sign === ")") {
      const repeats = open.pop() ?? false;
      const repeated = /^[*+{]/.test(match.slice(index + 1));
      if (repeats && repeated) return true;
      if ((repeats || repeated) && open.length > 0) open[open.length - 1] = true;
    } else if (sign !== undefined && "*+{|".includes(sign) && open.length > 0) open[open.length - 1] = true;
  }
  return false;
}

function filled(response: string, match: RegExpExecArray): string {
  return response.replaceAll(/\$([$1-9])/g, (_, sign: string) => (sign === "$" ? "$" : (match[Number(sign)] ?? "")));
}
