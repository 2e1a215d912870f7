import type { Expression, Select, SelectItem, Source } from "./sql-syntax.ts";
import { type Token, tokenise } from "./sql-tokens.ts";

const comparisons = new Set(["=", "<>", "!=", "<", ">", "<=", ">="]);
const reserved = new Set(
  "select from where group having order limit offset for join left inner cross on using as and or not in is when then else end case union returning set values conflict do default".split(
    " ",
  ),
);

/** Reads expressions and queries, word by word; {@link StatementParser} adds what changes something. */
export class QueryParser {
  readonly #tokens: readonly Token[];
  readonly #sql: string;
  #next = 0;

  constructor(sql: string) {
    this.#sql = sql;
    this.#tokens = tokenise(sql);
  }

  protected get token(): Token {
    return this.#tokens[this.#next] ?? { kind: "end", text: "", at: 0 };
  }

  protected get atEnd(): boolean {
    return this.token.kind === "end";
  }

  protected ahead(count: number): Token | undefined {
    return this.#tokens[this.#next + count];
  }

  protected fault(what: string): Error {
    const { at } = this.token;
    return new Error(`the journal in memory does not know this SQL: ${what} at "${this.#sql.slice(at, at + 60)}"`);
  }

  protected is(...texts: readonly string[]): boolean {
    return texts.every((text, index) => {
      const token = this.ahead(index);
      return token?.text === text && (token.kind === "name" || token.kind === "symbol");
    });
  }

  protected take(...texts: readonly string[]): boolean {
    if (!this.is(...texts)) return false;
    this.#next += texts.length;
    return true;
  }

  protected expect(...texts: readonly string[]): void {
    if (!this.take(...texts)) throw this.fault(`expected ${texts.join(" ")}`);
  }

  protected advance(): Token {
    const { token } = this;
    this.#next += 1;
    return token;
  }

  protected name(): string {
    const { kind } = this.token;
    if (kind !== "name" && kind !== "quoted") throw this.fault("expected a name");
    return this.advance().text;
  }

  /** `schema.table`, as one text. */
  protected qualified(): string {
    const first = this.name();
    return this.take(".") ? `${first}.${this.name()}` : first;
  }

  protected list<T>(read: () => T): T[] {
    const items = [read()];
    while (this.take(",")) items.push(read());
    return items;
  }

  protected parenthesised<T>(read: () => T): T {
    this.expect("(");
    const value = read();
    this.expect(")");
    return value;
  }

  select(): Select {
    this.expect("select");
    const distinct = this.take("distinct");
    // `exists (select from …)` asks for rows only.
    const items = this.is("from") ? [] : this.list(() => this.selectItem());
    const from = this.take("from") ? this.#sources() : [];
    const where = this.take("where") ? this.expression() : undefined;
    const groupBy = this.take("group", "by") ? this.list(() => this.expression()) : [];
    const having = this.take("having") ? this.expression() : undefined;
    const orderBy = this.take("order", "by") ? this.list(() => this.#order()) : [];
    const limit = this.take("limit") ? this.expression() : undefined;
    const offset = this.take("offset") ? this.expression() : undefined;
    const lateLimit = limit === undefined && this.take("limit") ? this.expression() : limit;
    // Transactions run one at a time here: there is nothing to lock.
    if (this.take("for")) {
      if (!this.take("update") && !this.take("share") && !this.take("no", "key", "update")) throw this.fault("lock");
      if (this.take("of")) this.list(() => this.name());
      this.take("skip", "locked");
    }
    return { kind: "select", items, distinct, from, where, groupBy, having, orderBy, limit: lateLimit, offset };
  }

  protected selectItem(): SelectItem {
    if (this.take("*")) return { expression: undefined, name: "*" };
    const expression = this.expression();
    if (this.take("as")) return { expression, name: this.name() };
    if (this.token.kind === "name" && !reserved.has(this.token.text)) return { expression, name: this.name() };
    return { expression, name: nameOf(expression) };
  }

  #order(): { by: Expression; descending: boolean } {
    const by = this.expression();
    const descending = this.take("desc");
    if (!descending) this.take("asc");
    return { by, descending };
  }

  #sources(): Source[] {
    const sources = [this.source("first")];
    for (;;) {
      if (this.take(",")) sources.push(this.source("cross"));
      else if (this.take("cross", "join")) sources.push(this.source("cross"));
      else if (this.take("left", "join") || this.take("left", "outer", "join")) sources.push(this.#joined("left"));
      else if (this.take("inner", "join") || this.take("join")) sources.push(this.#joined("inner"));
      else return sources;
    }
  }

  #joined(join: "inner" | "left"): Source {
    const source = this.source(join);
    if (this.take("on")) return { ...source, on: this.expression() };
    this.expect("using");
    return { ...source, using: this.parenthesised(() => this.list(() => this.name())) };
  }

  protected source(join: Source["join"]): Source {
    const none = { on: undefined, using: [] };
    if (this.take("jsonb_to_recordset")) {
      const from = this.parenthesised(() => this.expression());
      this.take("as");
      const alias = this.name();
      const columns = this.parenthesised(() => this.list(() => ({ name: this.name(), type: this.typeName() })));
      return { table: undefined, records: { from, columns }, alias, join, ...none };
    }
    const table = this.qualified();
    const aliased = this.take("as") || (this.token.kind === "name" && !reserved.has(this.token.text));
    return { table, records: undefined, alias: aliased ? this.name() : table, join, ...none };
  }

  /** A type's name without its size: scales of amounts are all the same here. */
  protected typeName(): string {
    let type = this.name();
    if (type === "timestamp") {
      this.expect("with", "time", "zone");
      type = "timestamptz";
    }
    if (type === "double") this.expect("precision");
    if (this.take("(")) while (!this.take(")")) this.advance();
    if (this.take("[", "]")) return `${type}[]`;
    return type;
  }

  expression(): Expression {
    let left = this.#conjunction();
    while (this.take("or")) left = { type: "binary", operator: "or", left, right: this.#conjunction() };
    return left;
  }

  #conjunction(): Expression {
    let left = this.#negation();
    while (this.take("and")) left = { type: "binary", operator: "and", left, right: this.#negation() };
    return left;
  }

  #negation(): Expression {
    if (this.take("not")) return { type: "not", of: this.#negation() };
    return this.#comparison();
  }

  #comparison(): Expression {
    const left = this.#sum();
    if (this.take("is")) return this.#isTest(left);
    const negated = this.is("not", "in") && this.take("not");
    if (this.take("in")) return this.#inList(left, negated);
    if (this.take("between")) return this.#between(left);
    if (this.token.kind !== "symbol" || !comparisons.has(this.token.text)) return left;
    const operator = this.advance().text;
    if (this.take("any")) {
      const of = this.parenthesised(() => this.expression());
      return { type: "binary", operator, left, right: { type: "any", of } };
    }
    return { type: "binary", operator: operator === "!=" ? "<>" : operator, left, right: this.#sum() };
  }

  #isTest(left: Expression): Expression {
    const negated = this.take("not");
    if (this.take("null")) return { type: "isNull", of: left, negated };
    if (this.take("distinct", "from")) {
      const same: Expression = { type: "binary", operator: "is", left, right: this.#sum() };
      return negated ? same : { type: "not", of: same };
    }
    const value = this.take("true") || (this.expect("false"), false);
    const literal: Expression = { type: "literal", literal: "boolean", value };
    const same: Expression = { type: "binary", operator: "is", left, right: literal };
    return negated ? { type: "not", of: same } : same;
  }

  #inList(left: Expression, negated: boolean): Expression {
    return this.parenthesised(() =>
      this.is("select")
        ? { type: "inSelect", of: left, select: this.select(), negated }
        : { type: "in", of: left, list: this.list(() => this.expression()), negated },
    );
  }

  #between(left: Expression): Expression {
    const low = this.#sum();
    this.expect("and");
    const high = this.#sum();
    const above: Expression = { type: "binary", operator: ">=", left, right: low };
    return { type: "binary", operator: "and", left: above, right: { type: "binary", operator: "<=", left, right: high } };
  }

  #sum(): Expression {
    let left = this.#product();
    for (;;) {
      const { text, kind } = this.token;
      if (kind !== "symbol" || (text !== "+" && text !== "-" && text !== "||" && text !== "->>" && text !== "->")) return left;
      this.advance();
      left = { type: "binary", operator: text, left, right: this.#product() };
    }
  }

  #product(): Expression {
    let left = this.#unary();
    for (;;) {
      const { text, kind } = this.token;
      if (kind !== "symbol" || (text !== "*" && text !== "/" && text !== "%")) return left;
      this.advance();
      left = { type: "binary", operator: text, left, right: this.#unary() };
    }
  }

  #unary(): Expression {
    if (this.take("-")) return { type: "negate", of: this.#unary() };
    let value = this.#primary();
    while (this.take("::")) value = { type: "cast", to: this.typeName(), of: value };
    return value;
  }

  #primary(): Expression {
    const { kind, text } = this.token;
    if (kind === "parameter") return { type: "parameter", index: Number(this.advance().text) - 1 };
    if (kind === "number") return { type: "literal", literal: "number", value: this.advance().text };
    if (kind === "text") return { type: "literal", literal: "text", value: this.advance().text };
    if (this.take("(")) return this.#inner();
    if (kind === "name") {
      if (text === "null") return this.#literal("null", null);
      if (text === "true" || text === "false") return this.#literal("boolean", text === "true");
      if (text === "case") return this.#case();
      if (text === "exists") return (this.advance(), { type: "exists", select: this.parenthesised(() => this.select()) });
    }
    return this.#reference();
  }

  /** Named arguments are taken by position: no function here has more than one. */
  #argument(): Expression {
    if (this.ahead(1)?.text === "=>") {
      this.name();
      this.expect("=>");
    }
    return this.expression();
  }

  #inner(): Expression {
    const inner: Expression = this.is("select") ? { type: "subquery", select: this.select() } : this.expression();
    this.expect(")");
    return inner;
  }

  #literal(literal: "null" | "boolean", value: boolean | null): Expression {
    this.advance();
    return { type: "literal", literal, value };
  }

  #case(): Expression {
    this.expect("case");
    const of = this.is("when") ? undefined : this.expression();
    const branches: { when: Expression; result: Expression }[] = [];
    while (this.take("when")) {
      const when = this.expression();
      this.expect("then");
      branches.push({ when, result: this.expression() });
    }
    const otherwise = this.take("else") ? this.expression() : undefined;
    this.expect("end");
    return { type: "case", of, branches, otherwise };
  }

  /** A column, or a call. */
  #reference(): Expression {
    const path = [this.name()];
    while (this.take(".")) path.push(this.name());
    if (!this.take("(")) return { type: "column", path };
    const name = path.at(-1) ?? "";
    if (name === "extract") {
      this.expect("epoch", "from");
      const from = this.expression();
      this.expect(")");
      return { type: "extract", from };
    }
    if (this.take("*", ")")) return this.#filtered({ type: "call", name, args: [], star: true });
    const args = this.is(")") ? [] : this.list(() => this.#argument());
    this.expect(")");
    return this.#filtered({ type: "call", name, args, star: false });
  }

  /** What an aggregate leaves out is null to it. */
  #filtered(call: Extract<Expression, { type: "call" }>): Expression {
    if (!this.take("filter")) return call;
    const when = this.parenthesised(() => (this.expect("where"), this.expression()));
    const result = call.args[0] ?? { type: "literal", literal: "number", value: "1" };
    const kept: Expression = { type: "case", of: undefined, branches: [{ when, result }], otherwise: undefined };
    return { ...call, args: [kept], star: false };
  }
}

function nameOf(expression: Expression): string {
  if (expression.type === "column") return expression.path.at(-1) ?? "";
  if (expression.type === "call") return expression.name;
  if (expression.type === "cast") return nameOf(expression.of);
  return "?column?";
}
