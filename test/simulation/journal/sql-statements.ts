import { QueryParser } from "./sql-parser.ts";
import type {
  Assignment,
  Definition,
  Delete,
  Expression,
  ForeignKey,
  Insert,
  SelectItem,
  Statement,
  TableParts,
  Update,
} from "./sql-syntax.ts";

/** All statements of a script. @throws Error for SQL that the journal in memory does not know: nothing is passed over in silence */
export function parseScript(sql: string): Statement[] {
  return new StatementParser(sql).script();
}

class StatementParser extends QueryParser {
  script(): Statement[] {
    const statements: Statement[] = [];
    while (!this.atEnd) {
      if (this.take(";")) continue;
      statements.push(this.#statement());
      if (!this.atEnd) this.expect(";");
    }
    return statements;
  }

  #statement(): Statement {
    switch (this.token.text) {
      case "select":
        return this.select();
      case "insert":
        return this.#insert();
      case "update":
        return this.#update();
      case "delete":
        return this.#delete();
      case "create":
        return this.#create();
      case "alter":
        return this.#alter();
      // Comments and rights: there is one role here, and it may do everything.
      case "comment":
      case "grant":
      case "revoke":
      case "do":
        return this.#skip();
      default:
        throw this.fault("statement");
    }
  }

  #skip(): Definition {
    while (!this.atEnd && !this.is(";")) this.advance();
    return { kind: "nothing" };
  }

  #insert(): Insert {
    this.expect("insert", "into");
    const table = this.qualified();
    const alias = this.take("as") ? this.name() : table;
    const columns = this.is("(") ? this.#columns() : [];
    const rows = this.take("default", "values") ? [[]] : this.take("values") ? this.list(() => this.#row()) : undefined;
    const select = rows ? undefined : this.select();
    return { kind: "insert", table, alias, columns, rows, select, conflict: this.#conflict(), returning: this.#returning() };
  }

  #row(): Expression[] {
    return this.parenthesised(() => this.list(() => this.expression()));
  }

  #columns(): string[] {
    return this.parenthesised(() => this.list(() => this.name()));
  }

  #conflict(): Insert["conflict"] {
    if (!this.take("on", "conflict")) return undefined;
    const columns = this.is("(") ? this.#columns() : [];
    // Which partial index is meant follows from its columns.
    if (this.take("where")) this.expression();
    this.expect("do");
    if (this.take("nothing")) return { columns, set: undefined, where: undefined };
    this.expect("update", "set");
    const set = this.list(() => this.#assignment());
    return { columns, set, where: this.take("where") ? this.expression() : undefined };
  }

  #assignment(): Assignment {
    const column = this.name();
    this.expect("=");
    return { column, value: this.expression() };
  }

  #returning(): SelectItem[] {
    return this.take("returning") ? this.list(() => this.selectItem()) : [];
  }

  #update(): Update {
    this.expect("update");
    const { table, alias } = this.#target();
    this.expect("set");
    const set = this.list(() => this.#assignment());
    const from = this.take("from") ? this.list(() => this.source("cross")) : [];
    const where = this.take("where") ? this.expression() : undefined;
    return { kind: "update", table, alias, set, from, where, returning: this.#returning() };
  }

  #delete(): Delete {
    this.expect("delete", "from");
    const { table, alias } = this.#target();
    const where = this.take("where") ? this.expression() : undefined;
    return { kind: "delete", table, alias, where, returning: this.#returning() };
  }

  #target(): { table: string; alias: string } {
    const table = this.qualified();
    const aliased =
      this.take("as") || (this.token.kind === "name" && !this.is("set") && !this.is("where") && !this.is("returning"));
    return { table, alias: aliased ? this.name() : table };
  }

  #create(): Definition {
    this.expect("create");
    if (this.take("schema")) return { kind: "createSchema", name: this.name() };
    if (this.take("sequence")) {
      const name = this.qualified();
      this.#skip();
      return { kind: "createSequence", name };
    }
    const unique = this.take("unique");
    if (this.take("index")) return this.#createIndex(unique);
    this.expect("table");
    const ifNotExists = this.take("if", "not", "exists");
    const table = this.qualified();
    const parts: TableParts = { columns: [], uniques: [], checks: [], foreignKeys: [] };
    this.parenthesised(() => this.list(() => this.#tablePart(table, parts)));
    return { kind: "createTable", table, ifNotExists, ...parts };
  }

  #createIndex(unique: boolean): Definition {
    this.take("if", "not", "exists");
    const name = this.is("on") ? "index" : this.name();
    this.expect("on");
    const table = this.qualified();
    const columns = this.parenthesised(() => this.list(() => this.#indexColumn()));
    const where = this.take("where") ? this.expression() : undefined;
    return { kind: "createIndex", table, unique, definition: { name, columns, where } };
  }

  #indexColumn(): string {
    const expression = this.expression();
    if (!this.take("desc")) this.take("asc");
    if (expression.type !== "column") throw this.fault("an index on an expression");
    return expression.path[0] ?? "";
  }

  #alter(): Definition {
    this.expect("alter");
    if (!this.take("table")) return this.#skip();
    const table = this.qualified();
    const parts: TableParts = { columns: [], uniques: [], checks: [], foreignKeys: [] };
    const dropped: string[] = [];
    this.list(() => this.#alteration({ table, parts, dropped }));
    return { kind: "alterTable", table, dropped, ...parts };
  }

  #alteration({ table, parts, dropped }: { table: string; parts: TableParts; dropped: string[] }): void {
    if (this.take("drop", "constraint")) {
      this.take("if", "exists");
      dropped.push(this.name());
      return;
    }
    this.expect("add");
    this.take("column");
    this.take("if", "not", "exists");
    this.#tablePart(table, parts);
  }

  /** A column, or a constraint of the table. */
  #tablePart(table: string, parts: TableParts): void {
    const short = table.split(".").at(-1) ?? table;
    const name = this.take("constraint") ? this.name() : undefined;
    if (this.take("primary", "key")) {
      parts.uniques.push({ name: `${short}_pkey`, columns: this.#columns(), where: undefined });
    } else if (this.is("unique", "(")) {
      this.expect("unique");
      const columns = this.#columns();
      parts.uniques.push({ name: `${short}_${columns.join("_")}_key`, columns, where: undefined });
    } else if (this.is("check", "(")) {
      this.expect("check");
      parts.checks.push({ name: name ?? `${short}_check`, condition: this.parenthesised(() => this.expression()) });
    } else if (this.take("foreign", "key")) {
      const columns = this.#columns();
      parts.foreignKeys.push(this.#references(columns));
    } else {
      this.#column(short, parts);
    }
  }

  #column(short: string, parts: TableParts): void {
    const name = this.name();
    const type = this.typeName();
    let [notNull, identity]: boolean[] = [false, false];
    let byDefault: Expression | undefined;
    for (;;) {
      if (this.take("constraint")) this.name();
      if (this.take("not", "null")) notNull = true;
      else if (this.take("null")) continue;
      else if (this.take("primary", "key")) {
        notNull = true;
        parts.uniques.push({ name: `${short}_pkey`, columns: [name], where: undefined });
      } else if (this.take("unique")) parts.uniques.push({ name: `${short}_${name}_key`, columns: [name], where: undefined });
      else if (this.take("default")) byDefault = this.expression();
      else if (this.take("generated", "always", "as", "identity") || this.take("generated", "by", "default", "as", "identity")) {
        identity = true;
        notNull = true;
      } else if (this.take("check"))
        parts.checks.push({ name: `${short}_${name}_check`, condition: this.parenthesised(() => this.expression()) });
      else if (this.is("references")) parts.foreignKeys.push(this.#references([name]));
      else break;
    }
    parts.columns.push({ name, type, notNull: notNull === true, byDefault, identity: identity === true });
  }

  #references(columns: readonly string[]): ForeignKey {
    this.expect("references");
    const table = this.qualified();
    const references = this.is("(") ? this.#columns() : [];
    if (this.take("on", "delete")) {
      this.advance();
      if (this.is("null") || this.is("action")) this.advance();
    }
    return { columns, table, references };
  }
}
