import { type Transaction, getPublicKeyFromAddress, isAddress, verifySignature } from "@solana/kit";

/** True when every required signature is there and right. */
export async function verifySignatures(transaction: Transaction): Promise<boolean> {
  for (const [signer, signature] of Object.entries(transaction.signatures)) {
    if (signature === null || !isAddress(signer)) return false;
    if (!(await verifySignature(await getPublicKeyFromAddress(signer), signature, transaction.messageBytes))) return false;
  }
  return true;
}
