/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const liveAccounts0002 = /* sql */ `
create table broker.account_keys (
  fingerprint text primary key,
  account_uid text not null,
  claimed_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);
comment on table broker.account_keys is 'Which account a venue key trades for: one key is one account of one policy. fingerprint: a digest the key cannot be had from. seen_at: renewed by the broker that holds it; another account may take the key over once it has been silent and has nothing open.';

create table broker.protective_orders (
  venue_client_id text not null,
  account_uid text not null,
  client_order_id text not null references broker.orders,
  leg text not null check (leg in ('stopLoss', 'takeProfit')),
  number int not null check (number > 0),
  quantity numeric(42,18) not null check (quantity > 0),
  trigger_price numeric(42,18) not null check (trigger_price > 0),
  state text not null check (state in ('AboutToSend', 'Unknown', 'Working', 'Filled', 'Cancelled', 'Expired', 'Rejected', 'NotSent')),
  venue_order_id text,
  filled_quantity numeric(42,18) not null default 0,
  reason text,
  about_to_send_at_ms bigint not null,
  updated_at timestamptz not null default now(),
  primary key (account_uid, venue_client_id),
  unique (client_order_id, leg, number)
);
create index protective_orders_open on broker.protective_orders (client_order_id);
comment on table broker.protective_orders is 'Stops and take-profits that the broker keeps at the venue for the filled part of an order, each under an id of its own; written before they are sent, never sent twice. number: one leg may be several orders, as the entry fills in parts. about_to_send_at_ms: wall time.';

create table broker.adopted_orders (
  account_uid text not null,
  venue_id text not null,
  who text not null,
  reason text not null,
  adopted_at timestamptz not null default now(),
  primary key (account_uid, venue_id)
);
comment on table broker.adopted_orders is 'Orders at the venue that another hand placed and a person has looked at: they hold nothing up any more.';
`;
