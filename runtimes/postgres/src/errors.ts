/** Error codes of this package, with what they mean and what to do. Risk and broker repeat them in their own tables: they reach their callers. */
export const postgresErrors = {
  JOURNAL_UNAVAILABLE:
    "Postgres does not answer, or is not open to this service yet: retry. The outcome of a transaction is unknown.",
  MIGRATION_CHANGED:
    "A migration that was applied differs from the one in this image: the image does not belong to this database.",
  INVARIANT_BROKEN: "The database contradicts itself; the process ends rather than trade on it.",
} as const;

export type PostgresErrorCode = keyof typeof postgresErrors;
