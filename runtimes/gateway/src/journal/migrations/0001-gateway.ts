/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const gateway0001 = /* sql */ `
-- Schema gateway: budgets and remembered answers of every LlmRoute in this namespace. Owned by bellwether_gateway. Forward only.

create table gateway.ledgers (
  route_uid text not null,
  period text not null check (period ~ '^\\d{4}-\\d{2}$'),
  ledger jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (route_uid, period)
);
comment on table gateway.ledgers is 'One route''s month: what is settled, and the lease of each replica. Its row is locked by every update of a lease; requests never read it.';

create table gateway.answers (
  route_uid text not null,
  key text not null,
  entry jsonb not null,
  expires_at timestamptz not null,
  primary key (route_uid, key)
);
create index answers_expire on gateway.answers (expires_at);
comment on table gateway.answers is 'Answers that outlive Redis. key: a hash of the question and of everything its answer depends on, the strategy included.';
`;
