/** Bytes; the averages of real dumps come out between 1 and 1.2 MiB. */
export const chunkBounds = { least: 256 * 1024, usual: 1024 * 1024, most: 4 * 1024 * 1024 } as const;

/**
 * A cut is looked for with 22 bits before the usual size and with 18 after it (FastCDC's normalised chunking), in the high bits: those depend on the last
 * bytes that still are in a hash of 32 bits.
 */
const strictMask = 0xfffffc00 | 0;
const looseMask = 0xffffc000 | 0;

/**
 * Cuts a stream where its content says so (a gear hash over the last 32 bytes): what is inserted or removed somewhere changes the pieces around it, and
 * all others come out as before, so that they need not be stored again.
 */
export class Chunker {
  readonly #gear: Int32Array;
  #pieces: Buffer[] = [];
  #length = 0;
  #hash = 0;

  /** @param gear 256 random words, the same for all snapshots that are to share chunks */
  constructor(gear: Int32Array) {
    this.#gear = gear;
  }

  /** @returns the chunks that are complete with `bytes`, which may be none; they may be views of `bytes` */
  push(bytes: Buffer): Buffer[] {
    const complete: Buffer[] = [];
    let rest = bytes;
    while (rest.length > 0) {
      const cut = this.#scan(rest);
      if (cut === undefined) {
        this.#pieces.push(rest);
        this.#length += rest.length;
        return complete;
      }
      complete.push(this.#finish(rest.subarray(0, cut)));
      rest = rest.subarray(cut);
    }
    return complete;
  }

  /** @returns what is left at the end of the stream, which may be nothing */
  end(): Buffer | undefined {
    return this.#length === 0 ? undefined : this.#finish(Buffer.alloc(0));
  }

  /** @returns how many of `bytes` belong to the chunk under way, or undefined when all do and it goes on */
  #scan(bytes: Buffer): number | undefined {
    const gear = this.#gear;
    const before = this.#length;
    const end = Math.min(bytes.length, chunkBounds.most - before);
    // No cut is allowed below the least size, and a hash of 32 bits has forgotten what is further back than 32 bytes.
    let index = Math.min(end, Math.max(0, chunkBounds.least - 32 - before));
    let hash = this.#hash;
    const strictEnd = Math.min(end, Math.max(index, chunkBounds.usual - before));
    const firstCut = chunkBounds.least - before;
    for (; index < strictEnd; index++) {
      hash = ((hash << 1) + (gear[bytes[index] as number] as number)) | 0;
      if ((hash & strictMask) === 0 && index >= firstCut) return index + 1;
    }
    for (; index < end; index++) {
      hash = ((hash << 1) + (gear[bytes[index] as number] as number)) | 0;
      if ((hash & looseMask) === 0) return index + 1;
    }
    this.#hash = hash;
    return before + end >= chunkBounds.most ? end : undefined;
  }

  #finish(last: Buffer): Buffer {
    const chunk = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#length = 0;
    this.#hash = 0;
    return chunk;
  }
}

/** The chunks of a stream, in order; none for an empty one. */
export async function* chunksOf(content: AsyncIterable<Buffer>, gear: Int32Array): AsyncIterable<Buffer> {
  const chunker = new Chunker(gear);
  for await (const bytes of content) yield* chunker.push(bytes);
  const last = chunker.end();
  if (last) yield last;
}
