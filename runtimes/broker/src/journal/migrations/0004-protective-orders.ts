/** SQL in a module and not in a file beside it: the image holds one bundle. Never edited once released; a change is a new migration. */
export const protectiveOrders0004 = /* sql */ `
alter table broker.protective_orders add column at_market boolean not null default false;
comment on table broker.protective_orders is 'Stops and take-profits that the broker keeps at the venue for what an order has bought, one row a leg; written before they are sent, never sent twice. Legs with the same number are one request: one ends the other. A number is placed once all before it have ended, so that no more is ever offered than is held. venue_client_id: our own id, derived from order, leg and number. at_market: the price had passed the leg, which sold at once. about_to_send_at_ms: wall time.';
`;
