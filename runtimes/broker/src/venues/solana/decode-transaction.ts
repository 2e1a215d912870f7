import { CodedError } from "@bellwether/service-kit";
import {
  type Address,
  type Transaction,
  getAddressDecoder,
  getBase58Decoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
} from "@solana/kit";
import type { BrokerErrorCode } from "../../errors.ts";

/** An account as a transaction names it, whether it stands in the message or comes from a lookup table. */
export interface NamedAccount {
  readonly address: Address;
  readonly signer: boolean;
  readonly writable: boolean;
  /** The lookup table it comes from. */
  readonly table?: Address;
}

export interface RawInstruction {
  readonly program: Address;
  readonly accounts: readonly NamedAccount[];
  readonly data: Uint8Array;
}

/** A whole transaction, nothing left as an index. */
export interface DecodedTransaction {
  readonly transaction: Transaction;
  readonly feePayer: Address;
  /** The fee payer's signature in base58: the transaction's name on chain. Undefined until it has signed. */
  readonly signature: string | undefined;
  /** Signers whose signature is not there yet, the fee payer included. */
  readonly unsigned: readonly Address[];
  readonly signers: readonly Address[];
  readonly blockhash: string;
  readonly accounts: readonly NamedAccount[];
  readonly instructions: readonly RawInstruction[];
}

/** Addresses of each lookup table, in its order. */
export type LookupTables = ReadonlyMap<Address, readonly Address[]>;

/** As on the wire: a larger one no node takes. */
const mostTransactionBytes = 1_232;
/** What stands before the addresses in a lookup table's account. */
const lookupTableHeaderBytes = 56;
const addressBytes = 32;

/** The tables that a transaction needs, to be fetched before it can be decoded. @throws CodedError TRANSACTION_REFUSED */
export function lookupTablesOf(bytes: Uint8Array): readonly Address[] {
  const { message } = compiled(bytes);
  return message.version === 0 ? (message.addressTableLookups ?? []).map((lookup) => lookup.lookupTableAddress) : [];
}

/** The addresses in a lookup table's account. */
export function lookupTableAddresses(data: Uint8Array): readonly Address[] {
  const decoder = getAddressDecoder();
  const count = Math.max(0, Math.floor((data.length - lookupTableHeaderBytes) / addressBytes));
  return Array.from({ length: count }, (_, index) => decoder.decode(data, lookupTableHeaderBytes + index * addressBytes));
}

/**
 * Everything a transaction does, with every account by its address.
 *
 * @throws CodedError TRANSACTION_REFUSED for what is no transaction, of an unknown version, or names what no table holds: what cannot be read is never signed
 */
export function decodeTransaction(bytes: Uint8Array, tables: LookupTables): DecodedTransaction {
  const { transaction, message } = compiled(bytes);
  const { header, staticAccounts } = message;
  const named = staticAccounts.map((address, index): NamedAccount => {
    const signer = index < header.numSignerAccounts;
    const writable = signer
      ? index < header.numSignerAccounts - header.numReadonlySignerAccounts
      : index < staticAccounts.length - header.numReadonlyNonSignerAccounts;
    return { address, signer, writable };
  });
  const lookups = message.version === 0 ? (message.addressTableLookups ?? []) : [];
  const loaded = (kind: "writableIndexes" | "readonlyIndexes"): NamedAccount[] =>
    lookups.flatMap((lookup) =>
      lookup[kind].map((index) => ({
        address: entryOf(tables, lookup.lookupTableAddress, index),
        signer: false,
        writable: kind === "writableIndexes",
        table: lookup.lookupTableAddress,
      })),
    );
  const accounts = [...named, ...loaded("writableIndexes"), ...loaded("readonlyIndexes")];
  const at = (index: number): NamedAccount =>
    accounts[index] ?? refuse(`an instruction names account ${index}, there are ${accounts.length}`);
  const [feePayer] = staticAccounts;
  if (feePayer === undefined) return refuse("it has no fee payer");
  const signed = transaction.signatures[feePayer];
  const signers = staticAccounts.slice(0, header.numSignerAccounts);
  return {
    transaction,
    feePayer,
    signature: signed ? getBase58Decoder().decode(signed) : undefined,
    signers,
    unsigned: signers.filter((signer) => !transaction.signatures[signer]),
    blockhash: message.lifetimeToken,
    accounts,
    instructions: message.instructions.map(({ programAddressIndex, accountIndices, data }) => ({
      program: at(programAddressIndex).address,
      accounts: (accountIndices ?? []).map(at),
      data: Uint8Array.from(data ?? []),
    })),
  };
}

function compiled(bytes: Uint8Array) {
  if (bytes.length > mostTransactionBytes) refuse(`it has ${bytes.length} bytes, a transaction at most ${mostTransactionBytes}`);
  try {
    const transaction = getTransactionDecoder().decode(bytes);
    const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
    if (message.version === 0 || message.version === "legacy") return { transaction, message };
  } catch (cause) {
    throw new CodedError<BrokerErrorCode>("TRANSACTION_REFUSED", "these bytes are no transaction", { cause });
  }
  return refuse("it is of a version that is not known here");
}

function entryOf(tables: LookupTables, table: Address, index: number): Address {
  return tables.get(table)?.[index] ?? refuse(`lookup table ${table} has no entry ${index}`);
}

function refuse(message: string): never {
  throw new CodedError<BrokerErrorCode>("TRANSACTION_REFUSED", `a transaction cannot be read: ${message}`);
}
