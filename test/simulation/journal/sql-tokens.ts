/** One word of a statement. Names are folded to lower case, as Postgres does, unless they were quoted. */
export interface Token {
  readonly kind: "name" | "quoted" | "number" | "text" | "parameter" | "symbol" | "end";
  readonly text: string;
  readonly at: number;
}

const pattern =
  /(?<space>\s+|--[^\n]*|\/\*[\s\S]*?\*\/)|(?<dollar>\$([a-z]*)\$[\s\S]*?\$\3\$)|(?<parameter>\$\d+)|(?<number>\d+(?:\.\d+)?)|(?<text>'(?:[^']|'')*')|(?<quoted>"(?:[^"]|"")*")|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<symbol><>|!=|<=|>=|=>|::|\|\||->>|->|@>|[()[\],;.=<>+\-*/%])/y;

/** Splits a script into its words. @throws Error for a character that no statement here has */
export function tokenise(sql: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < sql.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(sql)?.groups;
    if (!groups) throw new Error(`cannot read the statement at "${sql.slice(at, at + 40)}"`);
    if (groups["space"] !== undefined) continue;
    tokens.push(tokenOf(groups, at));
  }
  tokens.push({ kind: "end", text: "", at: sql.length });
  return tokens;
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>, at: number): Token {
  const { dollar, parameter, number, text, quoted, name, symbol } = groups;
  if (name !== undefined) return { kind: "name", text: name.toLowerCase(), at };
  if (symbol !== undefined) return { kind: "symbol", text: symbol, at };
  if (parameter !== undefined) return { kind: "parameter", text: parameter.slice(1), at };
  if (number !== undefined) return { kind: "number", text: number, at };
  if (text !== undefined) return { kind: "text", text: text.slice(1, -1).replaceAll("''", "'"), at };
  if (quoted !== undefined) return { kind: "quoted", text: quoted.slice(1, -1).replaceAll('""', '"'), at };
  return { kind: "text", text: dollar ?? "", at };
}
