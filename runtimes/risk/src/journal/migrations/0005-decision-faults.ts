/** Why a strategy's last decision went without its models. */
export const decisionFaults0005 = /* sql */ `
alter table risk.strategies add column decision_fault text;
comment on column risk.strategies.decision_fault is 'What was wrong with the last question that the last decision put to language models; null when nothing was. Told in the strategy''s status.';
`;
