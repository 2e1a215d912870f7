import type { Address } from "@solana/kit";
import type { RawInstruction } from "./decode-transaction.ts";
import { associatedTokenProgram, computeBudgetProgram, systemProgram, tokenProgram } from "./program-addresses.ts";

/** What an instruction does, as far as it matters to a wallet. Everything that is not on this list is `Unknown`. */
export type DecodedInstruction =
  | { readonly kind: "ComputeUnitLimit"; readonly units: number }
  | { readonly kind: "ComputeUnitPrice"; readonly microLamports: bigint }
  | { readonly kind: "LoadedDataLimit"; readonly bytes: number }
  | { readonly kind: "TransferSol"; readonly from: Address; readonly to: Address; readonly lamports: bigint }
  | {
      readonly kind: "CreateTokenAccount";
      readonly payer: Address;
      readonly account: Address;
      readonly owner: Address;
      readonly mint: Address;
    }
  | {
      readonly kind: "TransferToken";
      readonly source: Address;
      readonly destination: Address;
      readonly authority: Address;
      readonly amount: bigint;
    }
  | { readonly kind: "SyncNative"; readonly account: Address }
  | { readonly kind: "CloseTokenAccount"; readonly account: Address; readonly to: Address; readonly authority: Address }
  /** Of a program that is decoded here, and not for trading: approvals, authorities, nonces, mints, stakes. */
  | { readonly kind: "Forbidden"; readonly program: Address; readonly name: string }
  /** Of another program: what it does is not known from its bytes. */
  | { readonly kind: "Call"; readonly program: Address };

const systemNames = [
  "CreateAccount",
  "Assign",
  "Transfer",
  "CreateAccountWithSeed",
  "AdvanceNonceAccount",
  "WithdrawNonceAccount",
  "InitializeNonceAccount",
  "AuthorizeNonceAccount",
  "Allocate",
  "AllocateWithSeed",
  "AssignWithSeed",
  "TransferWithSeed",
  "UpgradeNonceAccount",
];
const tokenNames = [
  "InitializeMint",
  "InitializeAccount",
  "InitializeMultisig",
  "Transfer",
  "Approve",
  "Revoke",
  "SetAuthority",
  "MintTo",
  "Burn",
  "CloseAccount",
  "FreezeAccount",
  "ThawAccount",
  "TransferChecked",
  "ApproveChecked",
  "MintToChecked",
  "BurnChecked",
  "InitializeAccount2",
  "SyncNative",
];

/** Pure and total: an instruction that does not have the bytes and accounts its kind needs is forbidden, not guessed. */
export function decodeInstruction(instruction: RawInstruction): DecodedInstruction {
  switch (instruction.program) {
    case computeBudgetProgram:
      return computeBudget(instruction);
    case systemProgram:
      return system(instruction);
    case associatedTokenProgram:
      return associatedToken(instruction);
    case tokenProgram:
      return token(instruction);
    default:
      return { kind: "Call", program: instruction.program };
  }
}

function computeBudget({ program, data }: RawInstruction): DecodedInstruction {
  const view = viewOf(data);
  if (data[0] === 2 && data.length === 5) return { kind: "ComputeUnitLimit", units: view.getUint32(1, true) };
  if (data[0] === 3 && data.length === 9) return { kind: "ComputeUnitPrice", microLamports: view.getBigUint64(1, true) };
  if (data[0] === 4 && data.length === 5) return { kind: "LoadedDataLimit", bytes: view.getUint32(1, true) };
  return { kind: "Forbidden", program, name: `compute budget ${data[0] ?? "without data"}` };
}

function system({ program, accounts, data }: RawInstruction): DecodedInstruction {
  const view = viewOf(data);
  const number = data.length >= 4 ? view.getUint32(0, true) : -1;
  const [from, to] = accounts;
  if (number === 2 && data.length === 12 && from && to)
    return { kind: "TransferSol", from: from.address, to: to.address, lamports: view.getBigUint64(4, true) };
  return { kind: "Forbidden", program, name: systemNames[number] ?? `system ${number}` };
}

function associatedToken({ program, accounts, data }: RawInstruction): DecodedInstruction {
  const [payer, account, owner, mint] = accounts;
  const creates = data.length === 0 || (data.length === 1 && (data[0] === 0 || data[0] === 1));
  if (creates && payer && account && owner && mint)
    return {
      kind: "CreateTokenAccount",
      payer: payer.address,
      account: account.address,
      owner: owner.address,
      mint: mint.address,
    };
  return { kind: "Forbidden", program, name: "RecoverNested" };
}

function token({ program, accounts, data }: RawInstruction): DecodedInstruction {
  const view = viewOf(data);
  const [first, second, third, fourth] = accounts.map(({ address }) => address);
  const number = data[0] ?? -1;
  if (number === 3 && data.length === 9 && first && second && third)
    return { kind: "TransferToken", source: first, destination: second, authority: third, amount: view.getBigUint64(1, true) };
  if (number === 12 && data.length === 10 && first && third && fourth)
    return { kind: "TransferToken", source: first, destination: third, authority: fourth, amount: view.getBigUint64(1, true) };
  if (number === 17 && data.length === 1 && first) return { kind: "SyncNative", account: first };
  if (number === 9 && data.length === 1 && first && second && third)
    return { kind: "CloseTokenAccount", account: first, to: second, authority: third };
  return { kind: "Forbidden", program, name: tokenNames[number] ?? `token ${number}` };
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
