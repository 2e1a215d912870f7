/** What people do to a policy, and what its breakers remember. */
export const control0002 = /* sql */ `
alter table risk.halts add column state text not null default 'Halted' check (state in ('Halted', 'Reducing'));

create table risk.breakers (
  policy_uid text not null,
  type text not null,
  state jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (policy_uid, type)
);
comment on table risk.breakers is 'What each circuit breaker remembers: its phase, since when, how often it has tripped, and what it measures by. Written at once when the phase changes, otherwise at most once a second: a restart forgets neither a trip nor a reference.';

create table risk.equity_references (
  policy_uid text primary key,
  peak_profit numeric(42,18) not null,
  day bigint not null,
  day_profit numeric(42,18) not null,
  last_profit numeric(42,18) not null,
  updated_at timestamptz not null default now()
);
comment on table risk.equity_references is 'What losses are counted from, as profit (equity less everything deposited): the highest, that at the last mark of the UTC day before (day: days of market time since the epoch), the last.';

create table risk.adjustments (
  id text not null,
  account_uid text not null references risk.accounts,
  asset text not null,
  amount numeric(42,18) not null check (amount <> 0),
  created_at timestamptz not null default now(),
  primary key (id, asset)
);
create index adjustments_account on risk.adjustments (account_uid);
comment on table risk.adjustments is 'Differences to the venue that a person has adopted (id: the control event); they belong to the sub-account unassigned. Signed.';

create index orders_account on risk.orders (account_uid, created_at);

create table risk.control_events (
  id text primary key,
  policy_uid text not null,
  at timestamptz not null default now(),
  what text not null check (what in ('Halt', 'Reduce', 'Resume', 'ResetBreaker', 'Adopt')),
  who text not null,
  why text not null,
  detail text not null
);
create index control_events_policy on risk.control_events (policy_uid, at);
comment on table risk.control_events is 'What people did to a policy, who and why. Never changed.';

create table risk.alert_books (
  policy_uid text primary key,
  book jsonb not null,
  updated_at timestamptz not null default now()
);
comment on table risk.alert_books is 'What has been told of a policy and its strategies, and what is still to be posted, so that a restart tells nothing twice.';
`;
