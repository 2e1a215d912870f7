import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { type Approval, approvalPayload } from "@bellwether/trading";

/** Longest life of an approval, wall time (order-path.md: at most 1 s). */
export const approvalLifeMs = 1_000;

export interface ApprovalRequest {
  /** The canonical text: what is signed to the byte. */
  readonly order: string;
  readonly epoch: number;
  readonly nonce: string;
  readonly nowMs: number;
}

/** Signs approvals with a pair made at this start; the private key exists nowhere else and ends with the process. */
export interface Signer {
  readonly keyId: string;
  /** SPKI, DER, base64: what goes into risk.public_keys. */
  readonly publicKey: string;
  sign(request: ApprovalRequest): Approval;
  newNonce(): string;
}

export function createSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const spki = publicKey.export({ type: "spki", format: "der" });
  const keyId = createHash("sha256").update(spki).digest("hex").slice(0, 32);
  return {
    keyId,
    publicKey: spki.toString("base64"),
    sign({ order, epoch, nonce, nowMs }) {
      const unsigned = { order, keyId, epoch, nonce, expiresAt: nowMs + approvalLifeMs };
      return { ...unsigned, signature: sign(null, approvalPayload(unsigned), privateKey).toString("base64") };
    },
    newNonce: () => randomBytes(16).toString("hex"),
  };
}
