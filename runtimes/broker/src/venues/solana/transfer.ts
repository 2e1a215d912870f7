import {
  type Address,
  type Blockhash,
  type Instruction,
  AccountRole,
  appendTransactionMessageInstructions,
  compileTransaction,
  createTransactionMessage,
  getTransactionEncoder,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import { computeBudgetProgram, systemProgram, tokenProgram, wrappedSolMint } from "./program-addresses.ts";

/** Moves an asset of the wallet to a destination of the allow-list. Token accounts: the wallet's and the destination's. */
export interface TransferPlan {
  readonly wallet: Address;
  readonly mint: Address;
  /** For SOL the destination itself. */
  readonly destination: Address;
  /** The wallet's token account; unused for SOL. */
  readonly source: Address;
  readonly amount: bigint;
  readonly computeUnits: number;
  readonly microLamportsPerUnit: bigint;
  readonly blockhash: string;
  readonly lastValidBlockHeight: bigint;
}

/** What a transfer may compute at most: a SOL transfer takes 450 units, one of tokens under 5,000. */
export const transferComputeUnits = 8_000;

/** The unsigned transaction of a plan, on the wire. Pure. */
export function transferTransaction(plan: TransferPlan): Uint8Array {
  const lifetime = { blockhash: plan.blockhash as Blockhash, lastValidBlockHeight: plan.lastValidBlockHeight };
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (draft) => setTransactionMessageFeePayer(plan.wallet, draft),
    (draft) => setTransactionMessageLifetimeUsingBlockhash(lifetime, draft),
    (draft) => appendTransactionMessageInstructions([...budget(plan), move(plan)], draft),
  );
  return new Uint8Array(getTransactionEncoder().encode(compileTransaction(message)));
}

function budget({ computeUnits, microLamportsPerUnit }: TransferPlan): Instruction[] {
  const limit = new DataView(new ArrayBuffer(5));
  limit.setUint8(0, 2);
  limit.setUint32(1, computeUnits, true);
  const price = new DataView(new ArrayBuffer(9));
  price.setUint8(0, 3);
  price.setBigUint64(1, microLamportsPerUnit, true);
  return [limit, price].map((view) => ({ programAddress: computeBudgetProgram, data: new Uint8Array(view.buffer) }));
}

function move({ wallet, mint, source, destination, amount }: TransferPlan): Instruction {
  if (mint === wrappedSolMint) {
    const data = new DataView(new ArrayBuffer(12));
    data.setUint32(0, 2, true);
    data.setBigUint64(4, amount, true);
    const accounts = [
      { address: wallet, role: AccountRole.WRITABLE_SIGNER },
      { address: destination, role: AccountRole.WRITABLE },
    ];
    return { programAddress: systemProgram, accounts, data: new Uint8Array(data.buffer) };
  }
  const data = new DataView(new ArrayBuffer(9));
  data.setUint8(0, 3);
  data.setBigUint64(1, amount, true);
  const accounts = [
    { address: source, role: AccountRole.WRITABLE },
    { address: destination, role: AccountRole.WRITABLE },
    { address: wallet, role: AccountRole.READONLY_SIGNER },
  ];
  return { programAddress: tokenProgram, accounts, data: new Uint8Array(data.buffer) };
}
