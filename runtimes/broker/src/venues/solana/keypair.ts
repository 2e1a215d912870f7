import { CodedError } from "@bellwether/service-kit";
import { type Address, createKeyPairFromBytes, getAddressFromPublicKey } from "@solana/kit";
import type { BrokerErrorCode } from "../../errors.ts";

type WalletKeys = Awaited<ReturnType<typeof createKeyPairFromBytes>>;

export interface Wallet {
  readonly address: Address;
  readonly keyPair: WalletKeys;
}

const keypairBytes = 64;
const mostTextCharacters = 2_000;

/**
 * The wallet of a keypair file as `solana-keygen` writes it: a JSON array of 64 bytes, secret key and public key.
 *
 * @throws CodedError KEYPAIR_INVALID, which says what is wrong with the text and never holds any of it
 */
export async function parseKeypair(text: string): Promise<Wallet> {
  const bytes = keypairOf(text);
  let keyPair: WalletKeys;
  try {
    keyPair = await createKeyPairFromBytes(bytes);
  } catch {
    // No cause: what a crypto library says of a key does not belong into a log.
    throw invalid("its last 32 bytes are not the public key of its first 32 bytes");
  } finally {
    bytes.fill(0);
  }
  return { address: await getAddressFromPublicKey(keyPair.publicKey), keyPair };
}

function keypairOf(text: string): Uint8Array {
  if (text.trim() === "") throw invalid("it is empty");
  if (text.length > mostTextCharacters)
    throw invalid(`it has ${text.length} characters, a JSON array of 64 numbers has at most 258`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("it is not JSON; a keypair is a JSON array of 64 numbers, as solana-keygen writes it");
  }
  if (!Array.isArray(value)) throw invalid(`it is a JSON ${value === null ? "null" : typeof value}, not an array of 64 numbers`);
  if (value.length !== keypairBytes) throw invalid(`it has ${value.length} numbers, a keypair has 64`);
  const wrong = value.findIndex((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255);
  if (wrong >= 0) throw invalid(`entry ${wrong} is not a whole number between 0 and 255`);
  return Uint8Array.from(value as number[]);
}

function invalid(what: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("KEYPAIR_INVALID", `the keypair file cannot be used: ${what}`);
}
