/**
 * Reads the protocol buffers wire format (protobuf.dev/programming-guides/encoding): as much of it as the two answers of PodResources need, so that
 * the one root process on a node carries no schema compiler. Unknown fields are skipped, as the format asks.
 */

/** One field of a message: a varint's value, or the bytes of a length-delimited field. Fixed-width fields are skipped. */
export interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** @throws RangeError when the message is cut short or uses a group (removed from the format) */
export function fieldsOf(message: Uint8Array): Field[] {
  const reader = new Reader(message);
  const fields: Field[] = [];
  while (!reader.atEnd) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        fields.push({ number, value: reader.varint() });
        break;
      case 1:
        reader.bytes(8);
        break;
      case 2:
        fields.push({ number, value: reader.bytes(reader.varint()) });
        break;
      case 5:
        reader.bytes(4);
        break;
      default:
        throw new RangeError(`field ${number} has the wire type ${tag % 8}, which is none`);
    }
  }
  return fields;
}

/** The messages of a repeated field. */
export function messagesAt(fields: readonly Field[], number: number): Uint8Array[] {
  return fields.flatMap(({ number: at, value }) => (at === number && typeof value !== "number" ? [value] : []));
}

/** A string field; empty when absent, as proto3 has it. */
export function textAt(fields: readonly Field[], number: number): string {
  const last = messagesAt(fields, number).at(-1);
  return last ? new TextDecoder("utf-8", { fatal: true }).decode(last) : "";
}

/** A repeated integer field, packed or not: readers must take both. */
export function integersAt(fields: readonly Field[], number: number): number[] {
  return fields
    .filter((field) => field.number === number)
    .flatMap(({ value }) => (typeof value === "number" ? [value] : unpacked(value)));
}

function unpacked(bytes: Uint8Array): number[] {
  const reader = new Reader(bytes);
  const values: number[] = [];
  while (!reader.atEnd) values.push(reader.varint());
  return values;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** A non-negative integer below 2^53; nothing we read is larger. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 10; shift += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new RangeError("the message ends within a number");
      this.#at += 1;
      value += (byte % 128) * 2 ** (7 * shift);
      if (byte < 128) return value;
    }
    throw new RangeError("a number is longer than ten bytes");
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError(`the message ends within a field of ${length} bytes`);
    const slice = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return slice;
  }
}
