/** The part of SQL that the journals speak, as trees. */
export type Expression =
  | { readonly type: "column"; readonly path: readonly string[] }
  | { readonly type: "parameter"; readonly index: number }
  | {
      readonly type: "literal";
      readonly value: string | boolean | null;
      readonly literal: "text" | "number" | "boolean" | "null";
    }
  | { readonly type: "call"; readonly name: string; readonly args: readonly Expression[]; readonly star: boolean }
  | { readonly type: "extract"; readonly from: Expression }
  | { readonly type: "cast"; readonly to: string; readonly of: Expression }
  | { readonly type: "binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly type: "any"; readonly of: Expression }
  | { readonly type: "not"; readonly of: Expression }
  | { readonly type: "negate"; readonly of: Expression }
  | { readonly type: "isNull"; readonly of: Expression; readonly negated: boolean }
  | { readonly type: "in"; readonly of: Expression; readonly list: readonly Expression[]; readonly negated: boolean }
  | { readonly type: "inSelect"; readonly of: Expression; readonly select: Select; readonly negated: boolean }
  | {
      readonly type: "case";
      readonly of: Expression | undefined;
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression | undefined;
    }
  | { readonly type: "exists"; readonly select: Select }
  | { readonly type: "subquery"; readonly select: Select };

export interface SelectItem {
  /** Undefined for `*`. */
  readonly expression: Expression | undefined;
  readonly name: string;
}

export interface Source {
  readonly table: string | undefined;
  /** `jsonb_to_recordset($2::jsonb) as t(...)`. */
  readonly records: { readonly from: Expression; readonly columns: readonly { name: string; type: string }[] } | undefined;
  readonly alias: string;
  readonly join: "first" | "inner" | "left" | "cross";
  readonly on: Expression | undefined;
  readonly using: readonly string[];
}

export interface OrderBy {
  readonly by: Expression;
  readonly descending: boolean;
}

export interface Select {
  readonly kind: "select";
  readonly items: readonly SelectItem[];
  readonly distinct: boolean;
  readonly from: readonly Source[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Expression | undefined;
  readonly orderBy: readonly OrderBy[];
  readonly limit: Expression | undefined;
  readonly offset: Expression | undefined;
}

export interface Assignment {
  readonly column: string;
  readonly value: Expression;
}

export interface Insert {
  readonly kind: "insert";
  readonly table: string;
  readonly alias: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Expression[])[] | undefined;
  readonly select: Select | undefined;
  readonly conflict:
    | {
        readonly columns: readonly string[];
        readonly set: readonly Assignment[] | undefined;
        readonly where: Expression | undefined;
      }
    | undefined;
  readonly returning: readonly SelectItem[];
}

export interface Update {
  readonly kind: "update";
  readonly table: string;
  readonly alias: string;
  readonly set: readonly Assignment[];
  readonly from: readonly Source[];
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[];
}

export interface Delete {
  readonly kind: "delete";
  readonly table: string;
  readonly alias: string;
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[];
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly byDefault: Expression | undefined;
  readonly identity: boolean;
}

export interface UniqueDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly where: Expression | undefined;
}

export interface ForeignKey {
  readonly columns: readonly string[];
  readonly table: string;
  readonly references: readonly string[];
}

export interface TableParts {
  readonly columns: ColumnDefinition[];
  readonly uniques: UniqueDefinition[];
  readonly checks: { readonly name: string; readonly condition: Expression }[];
  readonly foreignKeys: ForeignKey[];
}

export type Definition =
  | ({ readonly kind: "createTable"; readonly table: string; readonly ifNotExists: boolean } & TableParts)
  | { readonly kind: "createIndex"; readonly table: string; readonly unique: boolean; readonly definition: UniqueDefinition }
  | { readonly kind: "createSequence"; readonly name: string }
  | { readonly kind: "createSchema"; readonly name: string }
  | ({ readonly kind: "alterTable"; readonly table: string; readonly dropped: readonly string[] } & TableParts)
  | { readonly kind: "nothing" };

export type Statement = Select | Insert | Update | Delete | Definition;
