import type { Address } from "@solana/kit";
import { type DecodedInstruction, decodeInstruction } from "./decode-instruction.ts";
import type { DecodedTransaction } from "./decode-transaction.ts";
import { feeOf } from "./priority-fee.ts";
import { wrappedSolMint } from "./program-addresses.ts";

/** What a transaction of the wallet may do: fixed by the order and the account's configuration, before anybody proposes one. */
export interface TransactionPolicy {
  readonly wallet: Address;
  /** The wallet's own token accounts by address, those included that the transaction may open: their mint. */
  readonly ownAccounts: ReadonlyMap<Address, Address>;
  /** Programs that may be called besides the ones whose instructions are decoded. */
  readonly programs: ReadonlySet<Address>;
  /** Foreign accounts that may be paid directly. */
  readonly destinations: ReadonlySet<Address>;
  /** What may leave the wallet: of this mint (wrapped SOL's stands for SOL) so many minor units. */
  readonly input: { readonly mint: Address; readonly maximum: bigint };
  readonly maxFeeLamports: bigint;
  readonly maxComputeUnits: number;
}

/** Why a transaction is not signed, with its figures. */
export type PolicyViolation =
  | { readonly reason: "FEE_PAYER_NOT_WALLET"; readonly feePayer: Address }
  | { readonly reason: "SIGNATURE_MISSING"; readonly signer: Address }
  | { readonly reason: "PROGRAM_NOT_ALLOWED"; readonly program: Address }
  | { readonly reason: "INSTRUCTION_FORBIDDEN"; readonly program: Address; readonly name: string }
  | { readonly reason: "COMPUTE_LIMIT_MISSING" }
  | { readonly reason: "COMPUTE_LIMIT_EXCEEDED"; readonly units: number; readonly maximum: number }
  | { readonly reason: "FEE_EXCEEDED"; readonly lamports: bigint; readonly maximum: bigint }
  | { readonly reason: "DESTINATION_UNKNOWN"; readonly destination: Address; readonly amount: bigint }
  | { readonly reason: "ACCOUNT_OF_ANOTHER"; readonly owner: Address }
  | { readonly reason: "INPUT_EXCEEDED"; readonly mint: Address; readonly amount: bigint; readonly maximum: bigint }
  | { readonly reason: "ASSET_NOT_APPROVED"; readonly mint: Address; readonly amount: bigint };

export interface PolicyVerdict {
  readonly violations: readonly PolicyViolation[];
  readonly feeLamports: bigint;
  readonly computeUnits: number;
  readonly instructions: readonly DecodedInstruction[];
}

/** Pure. Every instruction is looked at; all violations are told, not the first one only. */
export function checkTransaction(decoded: DecodedTransaction, policy: TransactionPolicy): PolicyVerdict {
  const instructions = decoded.instructions.map(decodeInstruction);
  const { feeLamports, computeUnits, violations: budget } = checkBudget(decoded, instructions, policy);
  const violations = [
    ...checkSigners(decoded, policy),
    ...budget,
    ...instructions.flatMap((instruction) => checkInstruction(instruction, policy)),
    ...checkSpending(instructions, policy),
  ];
  return { violations, feeLamports, computeUnits, instructions };
}

function checkSigners({ feePayer, unsigned }: DecodedTransaction, { wallet }: TransactionPolicy): readonly PolicyViolation[] {
  return [
    ...(feePayer === wallet ? [] : [{ reason: "FEE_PAYER_NOT_WALLET", feePayer } as const]),
    // Another signer acts for itself, and must have done so: bytes that wait for a stranger cannot be rebroadcast at will.
    ...unsigned.filter((signer) => signer !== wallet).map((signer) => ({ reason: "SIGNATURE_MISSING", signer }) as const),
  ];
}

function checkBudget(
  { signers }: DecodedTransaction,
  instructions: readonly DecodedInstruction[],
  { maxComputeUnits, maxFeeLamports }: TransactionPolicy,
): { feeLamports: bigint; computeUnits: number; violations: readonly PolicyViolation[] } {
  const limits = instructions.flatMap((instruction) => (instruction.kind === "ComputeUnitLimit" ? [instruction.units] : []));
  const prices = instructions.flatMap((instruction) =>
    instruction.kind === "ComputeUnitPrice" ? [instruction.microLamports] : [],
  );
  const [units] = limits;
  if (units === undefined) return { feeLamports: 0n, computeUnits: 0, violations: [{ reason: "COMPUTE_LIMIT_MISSING" }] };
  const feeLamports = feeOf({ signatures: signers.length, computeUnits: units, microLamportsPerUnit: prices[0] ?? 0n });
  return {
    feeLamports,
    computeUnits: units,
    violations: [
      ...(units > maxComputeUnits ? [{ reason: "COMPUTE_LIMIT_EXCEEDED", units, maximum: maxComputeUnits } as const] : []),
      ...(feeLamports > maxFeeLamports
        ? [{ reason: "FEE_EXCEEDED", lamports: feeLamports, maximum: maxFeeLamports } as const]
        : []),
    ],
  };
}

function checkInstruction(instruction: DecodedInstruction, policy: TransactionPolicy): readonly PolicyViolation[] {
  const { wallet, ownAccounts, destinations, programs } = policy;
  const mayReceive = (address: Address): boolean => address === wallet || ownAccounts.has(address) || destinations.has(address);
  switch (instruction.kind) {
    case "ComputeUnitLimit":
    case "ComputeUnitPrice":
    case "LoadedDataLimit":
    case "SyncNative":
      return [];
    case "TransferSol":
      return instruction.from !== wallet || mayReceive(instruction.to)
        ? []
        : [{ reason: "DESTINATION_UNKNOWN", destination: instruction.to, amount: instruction.lamports }];
    case "TransferToken":
      return !spends(instruction, policy) || mayReceive(instruction.destination)
        ? []
        : [{ reason: "DESTINATION_UNKNOWN", destination: instruction.destination, amount: instruction.amount }];
    case "CreateTokenAccount":
      return instruction.payer !== wallet || instruction.owner === wallet
        ? []
        : [{ reason: "ACCOUNT_OF_ANOTHER", owner: instruction.owner }];
    case "CloseTokenAccount":
      return !ownAccounts.has(instruction.account) || instruction.to === wallet
        ? []
        : [{ reason: "DESTINATION_UNKNOWN", destination: instruction.to, amount: 0n }];
    case "Forbidden":
      return [{ reason: "INSTRUCTION_FORBIDDEN", program: instruction.program, name: instruction.name }];
    case "Call":
      return programs.has(instruction.program) ? [] : [{ reason: "PROGRAM_NOT_ALLOWED", program: instruction.program }];
  }
}

/** A token transfer takes from the wallet when it signs for it, or when the account is its own, whoever signs. */
function spends(
  instruction: Extract<DecodedInstruction, { kind: "TransferToken" }>,
  { wallet, ownAccounts }: TransactionPolicy,
): boolean {
  return instruction.authority === wallet || ownAccounts.has(instruction.source);
}

/** What leaves by direct transfers, by mint. Moves between the wallet's own accounts (wrapping SOL) spend nothing. */
function checkSpending(instructions: readonly DecodedInstruction[], policy: TransactionPolicy): readonly PolicyViolation[] {
  const { wallet, ownAccounts, input } = policy;
  const spent = new Map<Address, bigint>();
  const spend = (mint: Address, amount: bigint): void => void spent.set(mint, (spent.get(mint) ?? 0n) + amount);
  const own = (address: Address): boolean => address === wallet || ownAccounts.has(address);
  for (const instruction of instructions) {
    if (instruction.kind === "TransferSol" && instruction.from === wallet && !own(instruction.to))
      spend(wrappedSolMint, instruction.lamports);
    if (instruction.kind === "TransferToken" && spends(instruction, policy) && !own(instruction.destination))
      spend(ownAccounts.get(instruction.source) ?? instruction.source, instruction.amount);
  }
  return [...spent].flatMap(([mint, amount]): PolicyViolation[] => {
    if (mint !== input.mint) return [{ reason: "ASSET_NOT_APPROVED", mint, amount }];
    return amount > input.maximum ? [{ reason: "INPUT_EXCEEDED", mint, amount, maximum: input.maximum }] : [];
  });
}

/** One line for a person: reason and figures. */
export function sayViolation({ reason, ...figures }: PolicyViolation | { readonly reason: string }): string {
  const told = Object.entries(figures).map(([name, value]) => `${name} ${String(value)}`);
  return told.length === 0 ? reason : `${reason} (${told.join(", ")})`;
}
