/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const orders0001 = /* sql */ `
-- Schema broker: what each account's broker has sent and what came of it. Owned by bellwether_broker. Forward only.
-- Amounts are numeric(42,18): exact at the scale of the order path. Columns ending in _ms are epoch milliseconds: market time, unless the comment says wall time.

create table broker.writer_epochs (
  scope text primary key,
  epoch bigint not null check (epoch > 0),
  holder text not null,
  taken_at timestamptz not null default now()
);
comment on table broker.writer_epochs is 'The one broker process that may write for an account (scope = account uid). Every write transaction reads its row FOR SHARE; taking the epoch waits for those and shuts the holder before out.';

create table broker.highest_risk_epoch (
  account_uid text primary key,
  epoch bigint not null check (epoch > 0),
  seen_at timestamptz not null default now()
);
comment on table broker.highest_risk_epoch is 'The highest writer epoch of risk that an approval or a void carried; lower ones are refused.';

create sequence broker.order_revisions;

create table broker.orders (
  client_order_id text primary key,
  account_uid text not null,
  intent_id text not null,
  attempt int not null check (attempt > 0),
  body text not null,
  state text not null check (state in ('AboutToSend', 'Unknown', 'Working', 'Filled', 'Cancelled', 'Expired', 'Rejected', 'NotSent')),
  venue_order_id text,
  filled_quantity numeric(42,18) not null default 0 check (filled_quantity >= 0),
  protective_legs text[] not null default '{}',
  reason text,
  cancel_requested text check (cancel_requested in ('entry', 'all')),
  notional numeric(42,18) not null default 0,
  risk_epoch bigint not null,
  writer_epoch bigint not null,
  about_to_send_at_ms bigint,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  revision bigint not null default nextval('broker.order_revisions'),
  unique (account_uid, intent_id, attempt)
);
create index orders_open on broker.orders (account_uid) where state in ('AboutToSend', 'Unknown', 'Working') or protective_legs <> '{}';
create index orders_sent on broker.orders (account_uid, about_to_send_at_ms) where notional > 0;
create index orders_revision on broker.orders (account_uid, revision);
comment on table broker.orders is 'One row for each order, from the moment it is about to be sent. body: the canonical text that was signed. about_to_send_at_ms: wall time, stamped into the request; the venue refuses it after its validity window. notional: what counts against hardCaps.maxDailyNotional. NotSent rows without about_to_send_at_ms are tombstones: the id is refused for ever. revision rises with every change; rows of one account change one transaction after another.';

create table broker.nonces (
  account_uid text not null,
  nonce text not null,
  client_order_id text not null references broker.orders,
  key_id text not null,
  used_at timestamptz not null default now(),
  primary key (account_uid, nonce)
);
comment on table broker.nonces is 'Approvals that were used, each once. Written with the order.';

create table broker.fills (
  account_uid text not null,
  trade_id text not null,
  client_order_id text not null references broker.orders,
  market text not null,
  side text not null check (side in ('buy', 'sell')),
  quantity numeric(42,18) not null check (quantity > 0),
  price numeric(42,18) not null check (price > 0),
  fee numeric(42,18) not null,
  fee_asset text not null,
  time_ms bigint not null,
  leg text not null check (leg in ('entry', 'stopLoss', 'takeProfit')),
  recorded_at timestamptz not null default now(),
  sequence bigint generated always as identity,
  primary key (account_uid, trade_id)
);
create index fills_sequence on broker.fills (account_uid, sequence);
create index fills_order on broker.fills (client_order_id);
comment on table broker.fills is 'Every execution, once, by the venue''s trade id; written in the transaction that updates the order. Positions and cash are folds of this table.';

create table broker.tombstones (
  client_order_id text primary key references broker.orders,
  account_uid text not null,
  risk_epoch bigint not null,
  voided_at timestamptz not null default now()
);
comment on table broker.tombstones is 'Orders that risk voided before this broker had seen them: they were never sent and never will be.';

do $$
begin
  if exists (select from pg_roles where rolname = 'bellwether_risk') then
    grant usage on schema broker to bellwether_risk;
    grant select on all tables in schema broker to bellwether_risk;
    alter default privileges in schema broker grant select on tables to bellwether_risk;
  end if;
end
$$;
`;
