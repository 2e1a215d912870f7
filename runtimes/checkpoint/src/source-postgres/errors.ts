import { CodedError } from "@bellwether/service-kit";

/** Error codes of capturing, shipping and restoring Postgres, with what they mean and what to do. */
export const databaseErrors = {
  POSTGRES_UNREACHABLE: "Postgres does not answer. Nothing is half-done that the next run does not finish or make anew.",
  POSTGRES_REFUSED: "Postgres does not let the role do what is needed, or the database is damaged; the message has its words.",
  SCHEMA_SQL_MISSING:
    "A schema's migrations are not stored in its database: start its service once in this version, which stores them.",
  CAPTURE_INCOMPLETE: "A snapshot lacks a file that a restore needs, or has it out of order: it is of another program.",
  CONTENT_DIFFERS: "What has been loaded is not what was captured; the message names the table. Nothing was swapped.",
  JOURNAL_INVALID: "The restored journal contradicts itself or lacks a constraint; the message lists it. Nothing was swapped.",
  ROLES_MISSING: "The server lacks roles that own the schemas: the chart's create-roles script makes them.",
  RESTORE_CONFLICT: "Another restore of this database is under way, or its name leaves no room for those beside it.",
  SHIPPING_UNSUPPORTED:
    "The server writes no logical WAL: start it with wal_level=logical. Until then only snapshots keep the journal.",
  SHIPPING_BUSY: "Another process ships this journal to the same target.",
  SEGMENT_INVALID: "A shipped segment is damaged, of another chain, or of a newer form.",
  REPLAY_DIVERGED: "A shipped change does not meet the row it changes: base and segments do not belong together.",
  WIRE_UNKNOWN: "Postgres' logical decoding sent what this version does not understand.",
} as const;

export type DatabaseErrorCode = keyof typeof databaseErrors;

/** An error of this registry: the code says what to do, the message what happened, with its figures. */
export function databaseError(
  code: DatabaseErrorCode,
  message: string,
  details: { context?: Record<string, unknown>; cause?: unknown } = {},
): CodedError<DatabaseErrorCode> {
  return new CodedError<DatabaseErrorCode>(code, message, details);
}
