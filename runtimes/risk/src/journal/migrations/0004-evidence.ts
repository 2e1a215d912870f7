/** What language models were asked for a decision. */
export const evidence0004 = /* sql */ `
alter table risk.decisions add column evidence jsonb;
comment on column risk.decisions.evidence is 'Questions that the program put to language models for this decision, in order: market, promptHash, model, inputTokens, outputTokens, costUsd, cache, and fault where nothing was decided on the answer. Null: none.';
`;
