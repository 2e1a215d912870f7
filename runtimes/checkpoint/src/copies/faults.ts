import { CodedError } from "@bellwether/service-kit/coded-error";
import type { CheckpointErrorCode } from "../errors.ts";

/** Why a copy could not be used: its own word, not a fault of this program. */
export interface CopyFault {
  readonly code: CheckpointErrorCode;
  readonly message: string;
}

/** @returns what a copy said; undefined: anything else that was thrown, which is nobody's to swallow */
export function copyFaultOf(error: unknown): CopyFault | undefined {
  if (!(error instanceof CodedError) || !error.code.startsWith("COPY_")) return undefined;
  return { code: error.code as CheckpointErrorCode, message: error.message };
}

/** What is wrong with an object, or with the copy that should hold it; anything else that was thrown goes on. */
export function objectFaultOf(error: unknown): CopyFault {
  return faultOf(error, objectCodes);
}

/** What stands in the way of reading a whole snapshot; anything else that was thrown goes on. */
export function snapshotFaultOf(error: unknown): CopyFault {
  return faultOf(error, snapshotCodes);
}

const objectCodes = new Set<string>(["OBJECT_CORRUPT", "OBJECT_TOO_LARGE", "FORMAT_NEWER", "KEY_UNKNOWN"]);
const snapshotCodes = new Set<string>([...objectCodes, "CONTENT_LOST", "CONTENT_CHANGED"]);

function faultOf(error: unknown, codes: ReadonlySet<string>): CopyFault {
  if (!(error instanceof CodedError) || !(error.code.startsWith("COPY_") || codes.has(error.code))) throw error;
  return { code: error.code as CheckpointErrorCode, message: error.message };
}
