import { crc32 } from "node:zlib";

/*
 * A record on disk: length (uint32 LE) · CRC-32 of the payload (uint32 LE) · payload (UTF-8: lines of JSON that were synced together).
 * A crash can only leave an incomplete record at the end of the file (appends are sequential and fsynced one after another); such a tail was
 * never acknowledged and is cut. A record that is complete and wrong is damage, and never skipped.
 */

const headerBytes = 8;
const longestPayloadBytes = 1_048_576;

export function encodeFrame(payload: string): Buffer {
  const body = Buffer.from(payload, "utf8");
  if (body.length === 0) throw new RangeError("a record is never empty: zeros on disk must not look like one");
  if (body.length > longestPayloadBytes)
    throw new RangeError(`a record of ${body.length} bytes is longer than ${longestPayloadBytes}`);
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeUInt32LE(crc32(body), 4);
  body.copy(frame, headerBytes);
  return frame;
}

export interface DecodedFrames {
  readonly payloads: readonly string[];
  /** Length of the part that holds whole records; the rest is a torn tail. */
  readonly wholeBytes: number;
  /** Offset of a complete record whose check sum is wrong and which is not the last thing in the file. */
  readonly damagedAt?: number;
}

/** Decodes all whole records of a file's bytes. */
export function decodeFrames(bytes: Buffer): DecodedFrames {
  const payloads: string[] = [];
  let offset = 0;
  while (offset + headerBytes <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    const end = offset + headerBytes + length;
    // A length that cannot be (zero: blocks allocated and not written) is either a torn tail or damage.
    if (length === 0 || length > longestPayloadBytes) return tornOrDamaged({ payloads, offset, bytes });
    if (end > bytes.length) break;
    const body = bytes.subarray(offset + headerBytes, end);
    // A torn write may have allocated the last record without its bytes; earlier ones were synced before it was begun.
    if (crc32(body) !== bytes.readUInt32LE(offset + 4))
      return end === bytes.length ? { payloads, wholeBytes: offset } : { payloads, wholeBytes: offset, damagedAt: offset };
    payloads.push(body.toString("utf8"));
    offset = end;
  }
  return { payloads, wholeBytes: offset };
}

function tornOrDamaged({
  payloads,
  offset,
  bytes,
}: {
  payloads: readonly string[];
  offset: number;
  bytes: Buffer;
}): DecodedFrames {
  // One append is at most one record: more garbage than that was not left by a torn write.
  const torn = bytes.length - offset <= headerBytes + longestPayloadBytes;
  return torn ? { payloads, wholeBytes: offset } : { payloads, wholeBytes: offset, damagedAt: offset };
}
