/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const journal0001 = /* sql */ `
-- Schema risk: the journal of every RiskPolicy in this namespace. Owned by bellwether_risk. Forward only.
-- Amounts are numeric(42,18): exact at the scale of the order path. Columns ending in _ms are epoch milliseconds of market time.

create table risk.journal (
  only_row boolean primary key default true check (only_row),
  database_id uuid not null default gen_random_uuid(),
  created_at timestamptz not null default now()
);
insert into risk.journal default values;
comment on table risk.journal is 'Identity of this journal: a restored or replaced database is told from the one before by database_id.';

create table risk.writer_epochs (
  scope text primary key,
  epoch bigint not null check (epoch > 0),
  holder text not null,
  taken_at timestamptz not null default now()
);
comment on table risk.writer_epochs is 'The one risk process that may write for a policy (scope = policy uid). Every write transaction reads its row FOR SHARE; taking the epoch waits for those and shuts the holder before out.';

create table risk.public_keys (
  key_id text primary key,
  policy_uid text not null,
  epoch bigint not null,
  public_key text not null,
  created_at timestamptz not null default now()
);
comment on table risk.public_keys is 'Ed25519 public keys (SPKI, DER, base64), one for each start of risk. Only bellwether_risk can insert here: that is what makes a signature worth something to a broker.';

create table risk.accounts (
  account_uid text primary key,
  policy_uid text not null,
  name text not null,
  opened_at timestamptz
);
comment on table risk.accounts is 'Accounts of a policy (account_uid = policy uid / account name). The row is locked by every decision on the account: they are judged one after another. opened_at: when the opening balances were read from the venue.';

create table risk.strategies (
  uid text primary key,
  policy_uid text not null,
  account_uid text not null references risk.accounts,
  namespace text not null,
  name text not null,
  subject text not null,
  mode text not null check (mode in ('Paper', 'Live')),
  markets jsonb not null,
  market_set text not null,
  share_ratio numeric(42,18) not null,
  suspended boolean not null,
  run int not null default 1 check (run > 0),
  state text not null default '{}',
  last_decision_ms bigint,
  decisions bigint not null default 0,
  admitted_at timestamptz,
  deletion text check (deletion in ('Keep', 'Flatten')),
  settled_at timestamptz,
  registered_at timestamptz not null default now()
);
create index strategies_policy on risk.strategies (policy_uid) where settled_at is null;
comment on table risk.strategies is 'Strategies known to risk. state: what the program keeps (context.state), as of the last stored decision (last_decision_ms). run rises when the market set changes. settled_at: deleted, and nothing of it is under way.';

create table risk.transfers (
  id bigint generated always as identity primary key,
  account_uid text not null references risk.accounts,
  kind text not null check (kind in ('Opening', 'Admission', 'Settlement')),
  from_sub_account text,
  to_sub_account text not null,
  asset text not null,
  amount numeric(42,18) not null check (amount > 0),
  cost numeric(42,18),
  created_at timestamptz not null default now()
);
create unique index transfers_opening_once on risk.transfers (account_uid, asset) where kind = 'Opening';
create unique index transfers_admission_once on risk.transfers (to_sub_account) where kind = 'Admission';
create unique index transfers_settlement_once on risk.transfers (from_sub_account, asset) where kind = 'Settlement';
create index transfers_account on risk.transfers (account_uid, id);
comment on table risk.transfers is 'What moved between sub-accounts (a strategy uid, or unassigned) without a trade. Opening: balances found at the venue (no from_sub_account). Admission: a strategy gets its capital, once. Settlement: what a deleted strategy left goes to unassigned; cost is what the moved units had cost in quote currency.';

create table risk.cursors (
  strategy_uid text not null references risk.strategies,
  run int not null,
  market_set text not null,
  decision_time_ms bigint not null,
  primary key (strategy_uid, run, market_set)
);
comment on table risk.cursors is 'The last decided bar. Stored with the decision in one transaction; only ever rises.';

create table risk.decisions (
  strategy_uid text not null references risk.strategies,
  run int not null,
  market_set text not null,
  decision_time_ms bigint not null,
  body_sha256 text not null,
  reply jsonb not null,
  epoch bigint not null,
  decided_at timestamptz not null default now(),
  primary key (strategy_uid, run, market_set, decision_time_ms)
);
comment on table risk.decisions is 'One row for each decided bar with the answer it got: a retry is answered from here. The key makes a second decision on the same bar impossible. Rows without actions are pruned beyond the newest 1,000 of a strategy; the cursor keeps those bars decided.';

create table risk.intents (
  intent_id text primary key,
  strategy_uid text not null references risk.strategies,
  run int not null,
  decision_time_ms bigint not null,
  ordinal int not null,
  kind text not null check (kind in ('intent', 'cancel', 'replace', 'flatten')),
  body jsonb not null,
  allowed boolean not null,
  reason text,
  verdict jsonb not null,
  judged_with jsonb not null,
  created_at timestamptz not null default now(),
  unique (strategy_uid, run, decision_time_ms, ordinal)
);
comment on table risk.intents is 'What a program wanted and what risk said. verdict carries its numbers; judged_with: the trading state, limits and equity it was judged by. Written once, with the decision.';

create table risk.orders (
  client_order_id text primary key,
  intent_id text not null references risk.intents,
  attempt int not null check (attempt > 0),
  account_uid text not null references risk.accounts,
  strategy_uid text not null references risk.strategies,
  market text not null,
  side text not null check (side in ('buy', 'sell')),
  order_type text not null check (order_type in ('market', 'limit')),
  quantity numeric(42,18) not null check (quantity > 0),
  reference_price numeric(42,18) not null check (reference_price > 0),
  reduce_only boolean not null,
  body text not null,
  expected_quote numeric(42,18) not null check (expected_quote >= 0),
  reserved_quote numeric(42,18) not null check (reserved_quote >= expected_quote),
  reserved_base numeric(42,18) not null check (reserved_base >= 0),
  epoch bigint not null,
  state text not null default 'Approved',
  cancel_requested text check (cancel_requested in ('entry', 'all')),
  released_at timestamptz,
  reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (intent_id, attempt)
);
create index orders_open on risk.orders (account_uid) where released_at is null;
create index orders_strategy on risk.orders (strategy_uid, created_at);
comment on table risk.orders is 'The final order of an allowed intent, committed before its approval leaves risk. body: the canonical text that is signed. expected_quote: cost of a buy as judged by the limits; reserved_quote: the most it can cost (maxCost of the order), taken off the free cash; reserved_base: what a sell may take. All count until released_at, which only a terminal row of the broker sets.';

create table risk.approvals (
  nonce text primary key,
  client_order_id text not null references risk.orders,
  key_id text not null references risk.public_keys,
  epoch bigint not null,
  attempt int not null,
  created_at timestamptz not null default now()
);
create index approvals_order on risk.approvals (client_order_id);
comment on table risk.approvals is 'The single-use nonce of each approval, committed with the order before anything is signed.';

create table risk.halts (
  id bigint generated always as identity primary key,
  policy_uid text not null,
  reason text not null,
  set_by text not null,
  set_at timestamptz not null default now(),
  cleared_by text,
  cleared_at timestamptz
);
create unique index halts_one_active on risk.halts (policy_uid) where cleared_at is null;
comment on table risk.halts is 'The halt in the journal. Counts beside spec.trading and the annotation: the strictest wins. Only a resume clears it.';

create table risk.marks (
  account_uid text not null references risk.accounts,
  market text not null,
  price numeric(42,18) not null check (price > 0),
  market_time_ms bigint not null,
  primary key (account_uid, market)
);
comment on table risk.marks is 'The last close seen of each market, written at most once a second: what positions are marked with until a newer bar comes.';

create table risk.peaks (
  scope text primary key,
  peak_equity numeric(42,18) not null,
  reached_at timestamptz not null default now()
);
comment on table risk.peaks is 'Highest equity so far, for drawdown. scope: policy uid.';

do $$
begin
  if exists (select from pg_roles where rolname = 'bellwether_broker') then
    grant usage on schema risk to bellwether_broker;
    grant select on all tables in schema risk to bellwether_broker;
    alter default privileges in schema risk grant select on tables to bellwether_broker;
  end if;
end
$$;
`;
