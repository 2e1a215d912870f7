import { type TableShape, tableName } from "./catalogue.ts";

/** What the journal says without saying it: recomputed by plain SQL, in one order on every server. */
export interface Fold {
  readonly name: "balances" | "equity" | "cursors";
  readonly sql: string;
}

/**
 * What belongs to whom, from every entry of the journal, exactly: transfers, adopted differences, fills, charges. docs/journal.md explains the same to people;
 * charges belong to `unassigned`, as in risk's own fold.
 */
function entriesOf(present: ReadonlySet<string>): string {
  const entries = [
    "select account_uid, to_sub_account as sub_account, asset, amount from risk.transfers",
    "select account_uid, from_sub_account, asset, -amount from risk.transfers where from_sub_account is not null",
  ];
  if (present.has("risk.adjustments")) entries.push("select account_uid, 'unassigned', asset, amount from risk.adjustments");
  if (present.has("broker.charges")) entries.push("select account_uid, 'unassigned', asset, -amount from broker.charges");
  if (present.has("broker.fills")) {
    entries.push(/* sql */ `select f.account_uid, coalesce(o.strategy_uid, 'unassigned'), leg.asset, leg.amount
    from broker.fills f left join risk.orders o using (client_order_id)
    cross join lateral (values
      (split_part(f.market, '/', 1), case f.side when 'buy' then f.quantity else -f.quantity end),
      (split_part(split_part(f.market, ':', 1), '/', 2), case f.side when 'buy' then -f.quantity * f.price else f.quantity * f.price end),
      (f.fee_asset, -f.fee)
    ) as leg (asset, amount)`);
  }
  return entries.join("\n    union all\n    ");
}

/** Cash, and every other asset at its last close, cut at the scale of the order path (18 decimals). The quote assets of an account's marks are its cash. */
function equitySql(entries: string): string {
  return /* sql */ `with entries as (
    ${entries}
  ), balances as (
    select account_uid, sub_account, asset, sum(amount) as balance from entries group by account_uid, sub_account, asset
  ), marks as (
    select account_uid, split_part(market, '/', 1) as asset, split_part(split_part(market, ':', 1), '/', 2) as quote, price from risk.marks
  )
  select b.account_uid, b.sub_account, trim_scale(sum(case
    when exists (select from marks q where q.account_uid = b.account_uid and q.quote = b.asset) then b.balance
    else trunc(b.balance * m.price, 18) end)) as equity
  from balances b left join marks m on m.account_uid = b.account_uid and m.asset = b.asset
  where b.balance <> 0 group by b.account_uid, b.sub_account
  order by b.account_uid collate "C", b.sub_account collate "C"`;
}

/** The folds that these tables allow; none without risk's. */
export function foldsOf(tables: readonly TableShape[]): Fold[] {
  const present = new Set(tables.map(tableName));
  if (!present.has("risk.transfers") || !present.has("risk.orders")) return [];
  const entries = entriesOf(present);
  const balances = /* sql */ `with entries as (
    ${entries}
  )
  select account_uid, sub_account, asset, trim_scale(sum(amount)) as balance
  from entries group by account_uid, sub_account, asset having sum(amount) <> 0
  order by account_uid collate "C", sub_account collate "C", asset collate "C"`;
  const cursors = /* sql */ `select s.uid, s.name, s.run, c.market_set, c.decision_time_ms, s.decisions, s.state
  from risk.strategies s left join risk.cursors c on c.strategy_uid = s.uid and c.run = s.run
  order by s.uid collate "C", c.market_set collate "C"`;
  return [
    { name: "balances", sql: balances },
    { name: "equity", sql: equitySql(entries) },
    { name: "cursors", sql: cursors },
  ];
}

/** What each account's venue must hold by the journal. */
export function venueBalancesSql(tables: readonly TableShape[]): string {
  return /* sql */ `select account_uid, asset, trim_scale(sum(amount))::text as balance from (
    ${entriesOf(new Set(tables.map(tableName)))}
  ) as entries (account_uid, sub_account, asset, amount)
  group by account_uid, asset having sum(amount) <> 0 order by account_uid collate "C", asset collate "C"`;
}
