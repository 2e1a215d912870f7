/** A language model of random weights, half a megabyte unless more is asked for, that a real Ollama loads and runs: a `llama`. What it says is noise; threads, cores and tokens per second are real. */
import { seededRandom } from "@bellwether/service-kit";

const vocabulary = 512;
const heads = 4;
const contextTokens = 2048;
const alignment = 32;

/** GGUF's own numbers (its specification, version 3). */
const typeOf = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const;
const tokenType = { unknown: 2, control: 3, byte: 6, normal: 1 } as const;

class Writer {
  readonly #parts: Buffer[] = [];

  uint32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.bytes(bytes);
  }

  uint64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.bytes(bytes);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    return this.uint64(bytes.length).bytes(bytes);
  }

  bytes(value: Buffer): this {
    this.#parts.push(value);
    return this;
  }

  buffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

type Value =
  { uint32: number } | { float32: number } | { text: string } | { texts: string[] } | { floats: number[] } | { ints: number[] };

function writeValue(writer: Writer, value: Value): void {
  if ("uint32" in value) writer.uint32(typeOf.uint32).uint32(value.uint32);
  else if ("float32" in value) writer.uint32(typeOf.float32).bytes(floats([value.float32]));
  else if ("text" in value) writer.uint32(typeOf.string).text(value.text);
  else if ("texts" in value) {
    writer.uint32(typeOf.array).uint32(typeOf.string).uint64(value.texts.length);
    for (const text of value.texts) writer.text(text);
  } else if ("floats" in value) {
    writer.uint32(typeOf.array).uint32(typeOf.float32).uint64(value.floats.length).bytes(floats(value.floats));
  } else {
    writer.uint32(typeOf.array).uint32(typeOf.int32).uint64(value.ints.length);
    for (const int of value.ints) writer.uint32(int);
  }
}

const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const padding = (length: number): Buffer => Buffer.alloc((alignment - (length % alignment)) % alignment);

/** How much there is to compute: the more layers and the wider, the slower. */
export interface Size {
  readonly width: number;
  readonly layers: number;
  readonly feedForward: number;
}
const tiny: Size = { width: 64, layers: 2, feedForward: 128 };

function keyValues({ width, layers, feedForward }: Size): [string, Value][] {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const words = Array.from({ length: vocabulary - 3 - bytes.length }, (_, index) => `▁w${index}`);
  return [
    ["general.architecture", { text: "llama" }],
    ["llama.context_length", { uint32: contextTokens }],
    ["llama.embedding_length", { uint32: width }],
    ["llama.block_count", { uint32: layers }],
    ["llama.feed_forward_length", { uint32: feedForward }],
    ["llama.attention.head_count", { uint32: heads }],
    ["llama.attention.head_count_kv", { uint32: heads }],
    ["llama.attention.layer_norm_rms_epsilon", { float32: 1e-5 }],
    ["llama.rope.dimension_count", { uint32: width / heads }],
    ["llama.vocab_size", { uint32: vocabulary }],
    ["general.file_type", { uint32: 0 }],
    ["tokenizer.ggml.model", { text: "llama" }],
    ["tokenizer.ggml.tokens", { texts: ["<unk>", "<s>", "</s>", ...bytes, ...words] }],
    ["tokenizer.ggml.scores", { floats: [0, 0, 0, ...bytes.map(() => 0), ...words.map((_, index) => -index)] }],
    [
      "tokenizer.ggml.token_type",
      {
        ints: [
          tokenType.unknown,
          tokenType.control,
          tokenType.control,
          ...bytes.map(() => tokenType.byte),
          ...words.map(() => tokenType.normal),
        ],
      },
    ],
    ["tokenizer.ggml.bos_token_id", { uint32: 1 }],
    ["tokenizer.ggml.eos_token_id", { uint32: 2 }],
    ["tokenizer.ggml.unknown_token_id", { uint32: 0 }],
  ];
}

interface Tensor {
  readonly name: string;
  /** Rows first; a vector has one number. */
  readonly shape: readonly number[];
  readonly data: Buffer;
}

function tensors({ width, layers, feedForward }: Size): Tensor[] {
  const random = seededRandom(1);
  const matrix = (name: string, rows: number, columns: number): Tensor => ({
    name,
    shape: [rows, columns],
    data: floats(Array.from({ length: rows * columns }, () => (random.next() - 0.5) * 0.1)),
  });
  const ones = (name: string): Tensor => ({ name, shape: [width], data: floats(Array.from({ length: width }, () => 1)) });
  const layer = (index: number): Tensor[] => [
    ...["attn_q", "attn_k", "attn_v", "attn_output"].map((name) => matrix(`blk.${index}.${name}.weight`, width, width)),
    matrix(`blk.${index}.ffn_gate.weight`, feedForward, width),
    matrix(`blk.${index}.ffn_up.weight`, feedForward, width),
    matrix(`blk.${index}.ffn_down.weight`, width, feedForward),
    ones(`blk.${index}.attn_norm.weight`),
    ones(`blk.${index}.ffn_norm.weight`),
  ];
  return [
    matrix("token_embd.weight", vocabulary, width),
    ones("output_norm.weight"),
    matrix("output.weight", vocabulary, width),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
  ];
}

/** The model's file. */
export function tinyGguf(size: Size = tiny): Buffer {
  const values = keyValues(size);
  const all = tensors(size);
  const head = new Writer().bytes(Buffer.from("GGUF")).uint32(3).uint64(all.length).uint64(values.length);
  for (const [key, value] of values) {
    head.text(key);
    writeValue(head, value);
  }
  let offset = 0;
  for (const { name, shape, data } of all) {
    head.text(name).uint32(shape.length);
    for (const size of shape.toReversed()) head.uint64(size);
    head.uint32(0).uint64(offset);
    offset += data.length + padding(data.length).length;
  }
  const front = head.buffer();
  return Buffer.concat([front, padding(front.length), ...all.flatMap(({ data }) => [data, padding(data.length)])]);
}
