import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { messageOf } from "@bellwether/service-kit/coded-error";
import { largestObjectBytes } from "../copies/copy.ts";
import { checkpointError } from "../errors.ts";
import { type KeyRing, type Keys, keyIdBytes } from "./key-ring.ts";

/*
 * An object as it is stored:
 *
 *   magic "BWCK" · format (1 byte) · key id (8) · length of the content (4, big endian) · nonce (12) · body · seal
 *
 * body: the content in zstd, encrypted with AES-256-GCM when there is a key. seal: GCM's tag (16 bytes), or without a key the SHA-256 of all before it
 * (32 bytes). Header and the object's own key are sealed too: no byte of an object can change, and no object can stand under another's key, unnoticed.
 */
const magic = Buffer.from("BWCK");
const formatAt = magic.length;
const keyIdAt = formatAt + 1;
const lengthAt = keyIdAt + keyIdBytes;
const nonceAt = lengthAt + 4;
const nonceBytes = 12;
const headerBytes = nonceAt + nonceBytes;
const tagBytes = 16;
const digestBytes = 32;
export const objectFormat = 1;

const cipher = "aes-256-gcm";
/** The level that a state four times as large as its dump passes at some 300 MB/s. */
const level = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };
const compress = promisify(zstdCompress) as (content: Buffer, options: object) => Promise<Buffer>;
const decompress = promisify(zstdDecompress) as (body: Buffer, options: object) => Promise<Buffer>;

/** Compresses, encrypts and authenticates objects, and opens them again. */
export class Envelope {
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  /** Where chunks are cut. */
  get gear(): Int32Array {
    return this.#ring.current.gear;
  }

  /** Name of the key that is written with, 16 hex digits; zeros without one. */
  get keyId(): string {
    return this.#ring.current.keyId.toString("hex");
  }

  /** The name of a content under the key that is written with, 64 hex digits. */
  contentId(content: Buffer): string {
    return this.#ring.current.contentId(content);
  }

  /**
   * @param key the object's key, without which it cannot be opened
   * @returns the same bytes for the same key and content (by one version of zstd): copies of an object can be compared
   */
  async seal(key: string, content: Buffer): Promise<Buffer> {
    const keys = this.#ring.current;
    const compressed = await compress(content, level);
    const header = Buffer.alloc(headerBytes);
    magic.copy(header);
    header.writeUInt8(objectFormat, formatAt);
    keys.keyId.copy(header, keyIdAt);
    header.writeUInt32BE(content.length, lengthAt);
    if (!keys.seal) return Buffer.concat([header, compressed, digestOf(header, compressed, key)]);
    // Derived from what is encrypted, so that one nonce never meets two texts, whatever a later zstd makes of the same content.
    createHmac("sha256", keys.nonce).update(key).update("\0").update(compressed).digest().copy(header, nonceAt, 0, nonceBytes);
    const gcm = createCipheriv(cipher, keys.seal, header.subarray(nonceAt));
    gcm.setAAD(Buffer.concat([header, Buffer.from(key)]));
    return Buffer.concat([header, gcm.update(compressed), gcm.final(), gcm.getAuthTag()]);
  }

  /**
   * @param contentId the name that the content must have; undefined for objects that are not named by their content
   * @throws CodedError OBJECT_CORRUPT, FORMAT_NEWER, KEY_UNKNOWN
   */
  async open(key: string, sealed: Buffer, contentId?: string): Promise<Buffer> {
    const { header, keys } = this.#readHeader(key, sealed);
    const compressed = keys.seal ? decrypted(key, sealed, keys.seal) : undigested(key, sealed);
    const length = header.readUInt32BE(lengthAt);
    const content = await this.#decompressed(key, compressed, length);
    if (content.length !== length) throw corrupt(key, `${content.length} bytes of content instead of ${length}`);
    if (contentId !== undefined && keys.contentId(content) !== contentId) throw corrupt(key, "the content is another");
    return content;
  }

  #readHeader(key: string, sealed: Buffer): { header: Buffer; keys: Keys } {
    if (sealed.length < headerBytes + tagBytes) throw corrupt(key, `only ${sealed.length} bytes`);
    const header = sealed.subarray(0, headerBytes);
    if (!header.subarray(0, formatAt).equals(magic)) throw corrupt(key, "it does not begin as an object of ours");
    const format = header.readUInt8(formatAt);
    if (format !== objectFormat) throw newer(key, format);
    const keys = this.#ring.byId(header.subarray(keyIdAt, lengthAt));
    if (header.readUInt32BE(lengthAt) > largestObjectBytes) throw corrupt(key, "its length cannot be");
    return { header, keys };
  }

  async #decompressed(key: string, compressed: Buffer, length: number): Promise<Buffer> {
    try {
      return await decompress(compressed, { maxOutputLength: Math.max(1, length) });
    } catch (cause) {
      throw corrupt(key, messageOf(cause), cause);
    }
  }
}

function decrypted(key: string, sealed: Buffer, secret: Buffer): Buffer {
  const gcm = createDecipheriv(cipher, secret, sealed.subarray(nonceAt, headerBytes), { authTagLength: tagBytes });
  gcm.setAAD(Buffer.concat([sealed.subarray(0, headerBytes), Buffer.from(key)]));
  gcm.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([gcm.update(sealed.subarray(headerBytes, -tagBytes)), gcm.final()]);
  } catch (cause) {
    throw corrupt(key, "its seal is broken", cause);
  }
}

function undigested(key: string, sealed: Buffer): Buffer {
  if (sealed.length < headerBytes + digestBytes) throw corrupt(key, `only ${sealed.length} bytes`);
  const [header, body] = [sealed.subarray(0, headerBytes), sealed.subarray(headerBytes, -digestBytes)];
  if (!digestOf(header, body, key).equals(sealed.subarray(-digestBytes))) throw corrupt(key, "its digest is another");
  return body;
}

function digestOf(header: Buffer, body: Buffer, key: string): Buffer {
  return createHash("sha256").update(header).update(body).update(key).digest();
}

function corrupt(key: string, why: string, cause?: unknown): Error {
  return checkpointError("OBJECT_CORRUPT", `${key}: ${why}`, { context: { key }, cause });
}

function newer(key: string, format: number): Error {
  const message = `${key}: format ${format}, this program knows ${objectFormat}`;
  return checkpointError("FORMAT_NEWER", message, { context: { key, format } });
}
