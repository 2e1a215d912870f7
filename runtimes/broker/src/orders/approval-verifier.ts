import { type KeyObject, createPublicKey, verify } from "node:crypto";
import { type Clock, CodedError } from "@bellwether/service-kit";
import { type Approval, approvalPayload } from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";

/** Where risk's public keys stand: a table only risk's Postgres role can insert into. */
interface RiskKeys {
  riskKey(keyId: string, policyUid: string): Promise<{ publicKey: string; epoch: number } | undefined>;
}

export interface ApprovalVerifierOptions {
  readonly keys: RiskKeys;
  readonly policyUid: string;
  readonly clock: Clock;
}

/** An approval lives a second; the rest is for clocks of two nodes that differ. */
const longestValidityMs = 1_000;
const clockToleranceMs = 250;
const keyCacheLimit = 64;

/** Checks that an approval was given by this policy's risk, over these very bytes, a moment ago. */
export class ApprovalVerifier {
  readonly #options: ApprovalVerifierOptions;
  readonly #keys = new Map<string, { key: KeyObject; epoch: number }>();

  constructor(options: ApprovalVerifierOptions) {
    this.#options = options;
  }

  /**
   * Signature and key; not the expiry, which {@link requireUnexpired} checks as the last thing before the order is recorded.
   *
   * @throws CodedError APPROVAL_KEY_UNKNOWN, APPROVAL_SIGNATURE_WRONG, JOURNAL_UNAVAILABLE
   */
  async verify(approval: Approval): Promise<void> {
    const { key, epoch } = await this.#key(approval.keyId);
    if (epoch !== approval.epoch) throw unknownKey(`key ${approval.keyId} belongs to epoch ${epoch}, not ${approval.epoch}`);
    const signature = Buffer.from(approval.signature, "base64");
    if (signature.length === 64 && verify(null, approvalPayload(approval), key, signature)) return;
    throw new CodedError<BrokerErrorCode>("APPROVAL_SIGNATURE_WRONG", "the signature does not belong to this approval", {
      context: { keyId: approval.keyId },
    });
  }

  /** @throws CodedError APPROVAL_EXPIRED, APPROVAL_TOO_LONG */
  requireUnexpired(approval: Approval): void {
    const nowMs = this.#options.clock.nowMs();
    const context = { expiresAt: approval.expiresAt, nowMs };
    if (nowMs > approval.expiresAt) {
      const lateMs = nowMs - approval.expiresAt;
      throw new CodedError<BrokerErrorCode>("APPROVAL_EXPIRED", `the approval expired ${lateMs} ms ago`, { context });
    }
    if (approval.expiresAt - nowMs <= longestValidityMs + clockToleranceMs) return;
    const message = `the approval is valid for another ${approval.expiresAt - nowMs} ms, at most ${longestValidityMs} are taken`;
    throw new CodedError<BrokerErrorCode>("APPROVAL_TOO_LONG", message, { context });
  }

  async #key(keyId: string): Promise<{ key: KeyObject; epoch: number }> {
    const cached = this.#keys.get(keyId);
    if (cached) return cached;
    const row = await this.#options.keys.riskKey(keyId, this.#options.policyUid);
    if (!row) throw unknownKey(`this policy's risk has published no key ${keyId}`);
    const key = createPublicKey({ key: Buffer.from(row.publicKey, "base64"), format: "der", type: "spki" });
    if (key.asymmetricKeyType !== "ed25519") throw unknownKey(`key ${keyId} is not an Ed25519 key`);
    if (this.#keys.size >= keyCacheLimit) this.#keys.clear();
    const found = { key, epoch: row.epoch };
    this.#keys.set(keyId, found);
    return found;
  }
}

function unknownKey(message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("APPROVAL_KEY_UNKNOWN", message);
}
