/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const solana0003 = /* sql */ `
create table broker.solana_transactions (
  account_uid text not null,
  operation_id text not null,
  operation jsonb,
  signature text unique,
  wire bytea,
  blockhash text,
  last_valid_block_height bigint,
  fee_lamports bigint not null default 0 check (fee_lamports >= 0),
  state text not null check (state in ('Signed', 'Finalized', 'Failed', 'NeverLanded', 'NeverSigned')),
  slot bigint,
  reason text,
  trades jsonb not null default '[]',
  stored_at_ms bigint not null,
  resolved_at_ms bigint,
  primary key (account_uid, operation_id),
  check ((state = 'NeverSigned') = (wire is null))
);
create index solana_transactions_open on broker.solana_transactions (account_uid) where state = 'Signed';
create index solana_transactions_fees on broker.solana_transactions (account_uid, stored_at_ms) where fee_lamports > 0;
comment on table broker.solana_transactions is 'The signed bytes of each operation (an order''s client order id, or a transfer''s id), written before the first byte leaves: one signature an operation, for ever. operation: the swap''s market and side, or the transfer. last_valid_block_height: of the transaction''s own blockhash, never too low. fee_lamports: the most it may cost while Signed, what it cost afterwards. NeverSigned: looked for and not found after its time; nothing will be signed for it any more. NeverLanded: two sources have finalized past its last height without it. Times ending in _ms are wall time.';

create table broker.charges (
  account_uid text not null,
  charge_id text not null,
  asset text not null,
  amount numeric(42,18) not null,
  reason text not null,
  time_ms bigint not null,
  recorded_at timestamptz not null default now(),
  sequence bigint generated always as identity,
  primary key (account_uid, charge_id)
);
create index charges_sequence on broker.charges (account_uid, sequence);
comment on table broker.charges is 'What an account paid without a fill: fees of failed transactions, fees and amounts of transfers. amount leaves the account (negative: comes in). Balance = deposits + fills − fees − charges, exactly.';
`;
