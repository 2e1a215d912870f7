import type { ClientBase } from "pg";
import { z } from "zod";
import { quoted } from "./session.ts";

/** Whose schemas a journal is made of: the chart gives each to one service's role. */
export const journalSchemas = ["risk", "broker", "gateway"] as const;
export type JournalSchema = (typeof journalSchemas)[number];

const names = z.array(z.string().max(63)).max(1_600);

export const tableShape = z.object({
  schema: z.enum(journalSchemas),
  name: z.string().max(63),
  /** In their order; generated ones left out. */
  columns: names,
  /** Of the primary key, in its order. */
  key: names,
  /** As an `order by` wants them, the same on every server. */
  order: names,
  /** Columns whose values only `overriding system value` may give. */
  identity: names,
});
export type TableShape = z.infer<typeof tableShape>;

export const sequenceShape = z.object({
  /** Qualified. */
  name: z.string().max(130),
  /** Null: never used. */
  lastValue: z.string().max(20).nullable(),
  /** Where its values stand. */
  table: z.string().max(130),
  column: z.string().max(63),
});

/** What a schema is made of. `lines`: constraints, indexes, columns and rights, one sentence each, sorted. */
export const catalogueShape = z.object({
  tables: z.array(tableShape).max(10_000),
  sequences: z.array(sequenceShape).max(10_000),
  lines: z.array(z.string().max(10_000)).max(100_000),
});
export type Catalogue = z.infer<typeof catalogueShape>;

/** A table by its qualified name, as in `risk.orders`. */
export function tableName({ schema, name }: Pick<TableShape, "schema" | "name">): string {
  return `${schema}.${name}`;
}

/** The same for a statement. */
export function quotedTable({ schema, name }: Pick<TableShape, "schema" | "name">): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

const keyOf = /* sql */ `
  select %s as part, k.place from pg_index i
  cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = c.oid and i.indisprimary`;

// Text is ordered by bytes: a server with other collations must give the same order.
const orderPart = `quote_ident(a.attname) || case when a.attcollation <> 0 then ' collate "C"' else '' end`;

const tablesSql = /* sql */ `
select n.nspname as schema, c.relname as name,
  array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
  array(select part::text from (${keyOf.replace("%s", "a.attname")}) as parts order by place) as key,
  array(select part::text from (${keyOf.replace("%s", orderPart)}) as parts order by place) as "order",
  array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attidentity = 'a' and not a.attisdropped order by a.attnum) as identity
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind = 'r'
order by n.nspname, c.relname collate "C"`;

/** Sequences of identity columns, and those that a column's default draws from. */
const sequencesSql = /* sql */ `
with used as (
  select d.objid as sequence, d.refobjid as relation, d.refobjsubid as attribute from pg_depend d
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
  union
  select d.refobjid, f.adrelid, f.adnum from pg_attrdef f
  join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
)
select n.nspname || '.' || s.relname as name, v.last_value::text as "lastValue", m.nspname || '.' || t.relname as table, a.attname as column
from used u
join pg_class s on s.oid = u.sequence and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace
join pg_class t on t.oid = u.relation join pg_namespace m on m.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = u.attribute
join pg_sequences v on v.schemaname = n.nspname and v.sequencename = s.relname
where n.nspname = any($1)
order by 1, 3, 4`;

/** What must be the same in a restored database, in words that do not change between versions of Postgres (its own rights and not-null constraints do). */
const linesSql = /* sql */ `
with relation as (
  select c.oid, n.nspname || '.' || c.relname as name, c.relowner, c.relacl, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = any($1) and c.relkind in ('r', 'S')
)
select line from (
  select 'constraint ' || r.name || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) as line
  from pg_constraint k join relation r on r.oid = k.conrelid where k.contype in ('p', 'u', 'c', 'f', 'x')
  union all
  select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i join relation r on r.oid = i.indrelid where i.indisvalid
  union all
  select 'column ' || r.name || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
    || coalesce(' default ' || pg_get_expr(f.adbin, f.adrelid), '')
  from pg_attribute a join relation r on r.oid = a.attrelid and r.relkind = 'r' left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped
  union all
  select 'owner ' || r.name || ' ' || pg_get_userbyid(r.relowner) from relation r
  union all
  select 'right ' || r.name || ' ' || x.privilege_type || ' to ' || case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee) end
  from relation r cross join lateral aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) as x
  where r.relkind = 'r' and x.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  union all
  select 'right ' || n.nspname || ' ' || x.privilege_type || ' to ' || case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee) end
  from pg_namespace n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as x where n.nspname = any($1)
) as lines
order by line collate "C"`;

/** Of the schemas of the journal that are there. */
export async function readCatalogue(client: ClientBase): Promise<Catalogue> {
  const schemas = [[...journalSchemas]];
  const { rows: tables } = await client.query(tablesSql, schemas);
  const { rows: sequences } = await client.query(sequencesSql, schemas);
  const { rows: lines } = await client.query<{ line: string }>(linesSql, schemas);
  return catalogueShape.parse({ tables, sequences, lines: lines.map(({ line }) => line) });
}

/** Which schemas of the journal have tables. */
export function schemasOf(tables: readonly TableShape[]): JournalSchema[] {
  const present = new Set(tables.map(({ schema }) => schema));
  return journalSchemas.filter((schema) => present.has(schema));
}
