import {
  type Address,
  type Signature,
  type Transaction,
  getBase58Decoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
} from "@solana/kit";
import { computeBudgetProgram } from "./accounts.ts";

/** A transaction as it came over the wire, with what the stand-in must know of it. */
export interface WireTransaction {
  readonly bytes: Uint8Array;
  readonly transaction: Transaction;
  /** The fee payer's; zeros in base58 while it has not signed. */
  readonly signature: Signature;
  readonly blockhash: string;
  readonly feePayer: Address;
  readonly staticAccounts: readonly Address[];
  readonly lookups: readonly {
    readonly table: Address;
    readonly writable: readonly number[];
    readonly readonly: readonly number[];
  }[];
  /** Writable ones among the static accounts. */
  readonly writable: readonly Address[];
  readonly signatures: number;
  readonly computeUnitLimit: number;
  readonly microLamportsPerUnit: bigint;
}

const lamportsPerSignature = 5_000n;
const microLamports = 1_000_000n;
const unitsPerInstruction = 200_000;
const mostUnits = 1_400_000;

/** Throws on anything that is not a legacy or version 0 transaction with a blockhash. */
export function decodeWireTransaction(bytes: Uint8Array): WireTransaction {
  const transaction = getTransactionDecoder().decode(bytes);
  const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
  if (message.version !== 0 && message.version !== "legacy") throw new Error("only legacy and version 0 transactions");
  const { header, staticAccounts, instructions } = message;
  const writable = staticAccounts.filter((_, index) =>
    index < header.numSignerAccounts
      ? index < header.numSignerAccounts - header.numReadonlySignerAccounts
      : index < staticAccounts.length - header.numReadonlyNonSignerAccounts,
  );
  const tables = message.version === 0 ? (message.addressTableLookups ?? []) : [];
  return {
    bytes,
    transaction,
    signature: getBase58Decoder().decode(transaction.signatures[staticAccounts[0]!] ?? new Uint8Array(64)) as Signature,
    blockhash: message.lifetimeToken,
    feePayer: staticAccounts[0]!,
    staticAccounts,
    lookups: tables.map(({ lookupTableAddress, writableIndexes, readonlyIndexes }) => ({
      table: lookupTableAddress,
      writable: writableIndexes,
      readonly: readonlyIndexes,
    })),
    writable,
    signatures: header.numSignerAccounts,
    ...computeBudget(instructions, staticAccounts),
  };
}

/** What the network takes: 5,000 lamports a signature, and the price of the units that were asked for, rounded up. */
export function feeOf(transaction: Pick<WireTransaction, "signatures" | "computeUnitLimit" | "microLamportsPerUnit">): bigint {
  const priority = (BigInt(transaction.computeUnitLimit) * transaction.microLamportsPerUnit + microLamports - 1n) / microLamports;
  return BigInt(transaction.signatures) * lamportsPerSignature + priority;
}

function computeBudget(
  instructions: readonly { readonly programAddressIndex: number; readonly data?: ArrayLike<number> }[],
  accounts: readonly Address[],
): { computeUnitLimit: number; microLamportsPerUnit: bigint } {
  let limit: number | undefined;
  let price = 0n;
  let others = 0;
  for (const { programAddressIndex, data } of instructions) {
    if (accounts[programAddressIndex] !== computeBudgetProgram) {
      others += 1;
      continue;
    }
    const view = new DataView(Uint8Array.from(data ?? []).buffer);
    if (view.byteLength === 5 && view.getUint8(0) === 2) limit = view.getUint32(1, true);
    if (view.byteLength === 9 && view.getUint8(0) === 3) price = view.getBigUint64(1, true);
  }
  return {
    computeUnitLimit: Math.min(mostUnits, limit ?? others * unitsPerInstruction),
    microLamportsPerUnit: price,
  };
}
