/** A flat strategy may go to another account. */
export const moves0003 = /* sql */ `
alter table risk.transfers drop constraint transfers_kind_check,
  add constraint transfers_kind_check check (kind in ('Opening', 'Admission', 'Settlement', 'Reallocation'));
comment on table risk.transfers is 'What moved between sub-accounts (a strategy uid, or unassigned) without a trade. Opening: balances found at the venue (no from_sub_account). Admission: a strategy gets its capital, once. Reallocation: a flat strategy gives its capital back because it goes to another account, and gets its share there. Settlement: what a deleted strategy left goes to unassigned; cost is what the moved units had cost in quote currency.';
`;
