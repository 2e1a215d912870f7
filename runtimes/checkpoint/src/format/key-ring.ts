import { createHash, createHmac, hkdfSync } from "node:crypto";
import { checkpointError } from "../errors.ts";

/** Bytes of an encryption key, and of the name that objects carry instead of it. */
export const keyBytes = 32;
export const keyIdBytes = 8;

/** What is derived from one encryption key, or from none. */
export interface Keys {
  /** Names the key in every object; zeros: not encrypted. */
  readonly keyId: Buffer;
  /** AES-256-GCM; undefined: objects are stored as they are, with a digest. */
  readonly seal: Buffer | undefined;
  readonly nonce: Buffer;
  /** Where chunks are cut: derived from the key too, or the sizes of the pieces would tell a known text. */
  readonly gear: Int32Array;
  /** The name of a content, 64 hex digits: HMAC-SHA-256, or without a key SHA-256. */
  contentId(content: Buffer): string;
}

const plainKeyId = Buffer.alloc(keyIdBytes);

/** Keys that an encryption key of 32 bytes gives, by HKDF-SHA-256; without one those of a snapshot that is not encrypted. */
export function deriveKeys(master: Buffer | undefined): Keys {
  const derive = (purpose: string, length: number): Buffer =>
    Buffer.from(hkdfSync("sha256", master ?? Buffer.alloc(keyBytes), "bellwether checkpoint 1", purpose, length));
  const words = derive("gear", 256 * Int32Array.BYTES_PER_ELEMENT);
  const gear = Int32Array.from({ length: 256 }, (_, index) => words.readInt32LE(index * Int32Array.BYTES_PER_ELEMENT));
  const nonce = derive("nonce", keyBytes);
  if (!master) return { keyId: plainKeyId, seal: undefined, nonce, gear, contentId: sha256 };
  const naming = derive("content id", keyBytes);
  return {
    keyId: derive("key id", keyIdBytes),
    seal: derive("seal", keyBytes),
    nonce,
    gear,
    contentId: (content) => createHmac("sha256", naming).update(content).digest("hex"),
  };
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

export interface KeyRingOptions {
  /** 32 bytes; undefined: what is written is not encrypted. */
  readonly current: Buffer | undefined;
  /** Keys of older snapshots: read with, never written with. */
  readonly previous?: readonly Buffer[];
  /** Also take objects that are not encrypted while there is a key: whoever can write to a copy could put one there. For the time after encryption was turned on. */
  readonly acceptUnencrypted?: boolean;
}

/** The keys that objects are written and read with. */
export class KeyRing {
  readonly current: Keys;
  readonly #byId: ReadonlyMap<string, Keys>;

  constructor({ current, previous = [], acceptUnencrypted = false }: KeyRingOptions) {
    this.current = deriveKeys(current);
    const others = [...previous, ...(acceptUnencrypted ? [undefined] : [])].map(deriveKeys);
    this.#byId = new Map([...others, this.current].map((keys) => [keys.keyId.toString("hex"), keys]));
  }

  /** @throws CodedError KEY_UNKNOWN */
  byId(keyId: Buffer): Keys {
    const keys = this.#byId.get(keyId.toString("hex"));
    if (keys) return keys;
    const name = keyId.equals(plainKeyId) ? "no key (not encrypted)" : `the key ${keyId.toString("hex")}`;
    throw checkpointError("KEY_UNKNOWN", `written with ${name}, which is not configured here`, {
      context: { keyId: keyId.toString("hex") },
    });
  }
}

/** @param text 32 bytes in base64, as the Secret holds them @throws CodedError KEY_INVALID, which never quotes the key */
export function parseKey(text: string, file: string): Buffer {
  const key = Buffer.from(text.trim(), "base64");
  if (key.length === keyBytes && /^[A-Za-z0-9+/]{43}=$/.test(text.trim())) return key;
  throw checkpointError("KEY_INVALID", `${file} does not hold ${keyBytes} bytes in base64`, { context: { file } });
}
