import { CodedError } from "@bellwether/service-kit/coded-error";

/** Every error code of the checkpoint program, with what it means and what to do; results and conditions carry them. */
export const checkpointErrors = {
  OBJECT_CORRUPT: "A stored object is not what was written: truncated, flipped or swapped. It is rebuilt from a good copy.",
  OBJECT_TOO_LARGE: "A stored object is larger than anything this program writes: it is not read into memory.",
  FORMAT_NEWER: "An object is of a newer format: run the image that wrote it, or a later one. Nothing is changed.",
  KEY_UNKNOWN: "An object was encrypted with a key that is not configured: name it under `previousKeyFiles`. Nothing is changed.",
  KEY_INVALID: "The file of an encryption key does not hold 32 bytes in base64.",
  CONTENT_LOST: "No copy holds a piece of this snapshot unharmed: choose an older one.",
  CONTENT_CHANGED: "The pieces of a file are sound and the whole is not what the manifest says.",
  SNAPSHOT_NOT_FOUND: "No copy holds a snapshot that can be read; the message says what stands in the way of each.",
  SNAPSHOT_TOO_LARGE: "The state has more pieces or files than one manifest may name.",
  SNAPSHOT_OVERDUE: "The snapshot took longer than its lock holds: its pieces could have been collected, so it is not finished.",
  DATABASE_MISSING: "The configuration names no database: there is nothing to restore into, or to ship from.",
  REQUEST_MISSING: "A restore needs the id of its request, so that it is done once.",
  SPECS_UNREADABLE: "The API server does not list the custom resources; the message says why.",
  SOURCE_INVALID: "A source gave two files of one path, or a path that is none.",
  CLOCK_BEHIND:
    "The clock stands before the newest snapshot: it was set back, or two machines disagree. The snapshot is numbered on.",
  COPIES_BUSY: "Another owner takes a snapshot or prunes on these copies: try again when it is done.",
  COPY_UNREACHABLE: "The copy does not answer, or answers with a fault of its own.",
  COPY_READ_ONLY: "The copy can be read and not written to.",
  COPY_FULL: "The copy has no room left.",
  COPY_FORBIDDEN: "The copy knows who asks and does not let it.",
  COPY_CREDENTIALS_REFUSED: "The copy does not take the credentials: look at the Secret that the copy names.",
  COPY_CREDENTIALS_MISSING: "The file with the copy's credentials is missing or empty: look at the Secret that the copy names.",
  COPY_CERTIFICATE_EXPIRED: "The copy's certificate has expired, or is not valid yet.",
  COPY_CERTIFICATE_INVALID: "The copy's certificate is not for this name, or of nobody that is trusted.",
  COPY_CLOCK_SKEW: "The clocks of this machine and of the copy differ by more than the copy accepts.",
  COPY_BUCKET_MISSING: "The copy has no such bucket.",
  COPY_REPLY_INVALID: "The copy's answer is not of the protocol it should speak.",
  COPY_READ_BACK_DIFFERS: "What was written to the copy does not come back as it was written.",
  COPY_IS_SOURCE: "The copy stands on the very server that the state is taken from: it is lost with it, and never counts.",
} as const;

export type CheckpointErrorCode = keyof typeof checkpointErrors;

/** An error of this registry: the code says what to do, the message what happened, with its figures. */
export function checkpointError(
  code: CheckpointErrorCode,
  message: string,
  details: { context?: Record<string, unknown>; cause?: unknown } = {},
): CodedError<CheckpointErrorCode> {
  return new CodedError<CheckpointErrorCode>(code, message, details);
}
