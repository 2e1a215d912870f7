import {
  type Address,
  type Blockhash,
  type Instruction,
  AccountRole,
  address,
  appendTransactionMessageInstructions,
  compileTransaction,
  compressTransactionMessageUsingAddressLookupTables,
  createTransactionMessage,
  getAddressEncoder,
  getTransactionEncoder,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import { associatedTokenProgram, computeBudgetProgram, systemProgram, tokenProgram } from "../venues/solana/program-addresses.ts";

/** Addresses of a made-up world; bytes of one value each. */
export const named = (seed: number): Address => address(base58Of(seed));
export const wallet = named(1);
export const ownTokens = named(2);
export const usdc = named(3);
export const maker = named(4);
export const makerTokens = named(5);
export const stranger = named(6);
export const router = named(7);
export const table = named(8);

function base58Of(seed: number): string {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  let rest = BigInt(`0x${seed.toString(16).padStart(2, "0").repeat(32)}`);
  let text = "";
  for (; rest > 0n; rest /= 58n) text = alphabet.charAt(Number(rest % 58n)) + text;
  return text;
}

const writable = (of: Address) => ({ address: of, role: AccountRole.WRITABLE }) as const;
const readonly = (of: Address) => ({ address: of, role: AccountRole.READONLY }) as const;
const signing = (of: Address) => ({ address: of, role: AccountRole.WRITABLE_SIGNER }) as const;

function numbers(...parts: readonly { readonly value: bigint | number; readonly bytes: 1 | 4 | 8 }[]): Uint8Array {
  return new Uint8Array(
    parts.flatMap(({ value, bytes }) =>
      Array.from({ length: bytes }, (_, index) => Number((BigInt(value) >> BigInt(8 * index)) & 255n)),
    ),
  );
}

/** Instructions by what they do, as programs of the wild encode them. */
export const instructions = {
  limit: (units: number): Instruction => ({
    programAddress: computeBudgetProgram,
    data: numbers({ value: 2, bytes: 1 }, { value: units, bytes: 4 }),
  }),
  price: (microLamports: bigint): Instruction => ({
    programAddress: computeBudgetProgram,
    data: numbers({ value: 3, bytes: 1 }, { value: microLamports, bytes: 8 }),
  }),
  sol: (from: Address, to: Address, lamports: bigint): Instruction => ({
    programAddress: systemProgram,
    accounts: [signing(from), writable(to)],
    data: numbers({ value: 2, bytes: 4 }, { value: lamports, bytes: 8 }),
  }),
  system: (number: number): Instruction => ({
    programAddress: systemProgram,
    accounts: [signing(wallet), writable(stranger)],
    data: numbers({ value: number, bytes: 4 }),
  }),
  tokens: (source: Address, destination: Address, { owner, amount }: { owner: Address; amount: bigint }): Instruction => ({
    programAddress: tokenProgram,
    accounts: [writable(source), writable(destination), signing(owner)],
    data: numbers({ value: 3, bytes: 1 }, { value: amount, bytes: 8 }),
  }),
  tokensChecked: (source: Address, destination: Address, { owner, amount }: { owner: Address; amount: bigint }): Instruction => ({
    programAddress: tokenProgram,
    accounts: [writable(source), readonly(usdc), writable(destination), signing(owner)],
    data: numbers({ value: 12, bytes: 1 }, { value: amount, bytes: 8 }, { value: 6, bytes: 1 }),
  }),
  token: (number: number, more: readonly number[] = []): Instruction => ({
    programAddress: tokenProgram,
    accounts: [writable(ownTokens), readonly(stranger), signing(wallet)],
    data: new Uint8Array([number, ...more]),
  }),
  close: (to: Address): Instruction => ({
    programAddress: tokenProgram,
    accounts: [writable(ownTokens), writable(to), signing(wallet)],
    data: new Uint8Array([9]),
  }),
  open: (owner: Address): Instruction => ({
    programAddress: associatedTokenProgram,
    accounts: [signing(wallet), writable(ownTokens), ...[owner, usdc, systemProgram, tokenProgram].map(readonly)],
    data: new Uint8Array([1]),
  }),
  call: (program: Address, accounts: readonly Address[] = []): Instruction => ({
    programAddress: program,
    accounts: accounts.map(writable),
    data: new Uint8Array([1, 2, 3]),
  }),
};

/** Bytes of an unsigned transaction; `tables` moves accounts into lookup tables. */
export function proposal(
  body: readonly Instruction[],
  { payer = wallet, tables = {} }: { payer?: Address; tables?: Record<Address, Address[]> } = {},
): Uint8Array {
  const lifetime = { blockhash: named(9) as unknown as Blockhash, lastValidBlockHeight: 1n };
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (draft) => setTransactionMessageFeePayer(payer, draft),
    (draft) => setTransactionMessageLifetimeUsingBlockhash(lifetime, draft),
    (draft) => appendTransactionMessageInstructions(body, draft),
    (draft) => compressTransactionMessageUsingAddressLookupTables(draft, tables),
  );
  return new Uint8Array(getTransactionEncoder().encode(compileTransaction(message)));
}

/** The data of a lookup table's account. */
export function tableData(addresses: readonly Address[]): Uint8Array {
  const encoder = getAddressEncoder();
  return new Uint8Array([...new Uint8Array(56), ...addresses.flatMap((entry) => [...encoder.encode(entry)])]);
}
