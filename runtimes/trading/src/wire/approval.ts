import { z } from "zod";
import { instantMs } from "./decimal-string.ts";

/**
 * POST broker /v1/orders. `order` is the exact canonical text that was signed; the broker parses that text and nothing else.
 * The signature is Ed25519 over `approvalPayload` (trading/src/orders/approval.ts): order, key id, risk epoch, nonce, expiry.
 */
export const approval = z.strictObject({
  order: z.string().max(4096),
  /** Names the row of risk's public key. */
  keyId: z.string().max(64),
  /** Risk's writer epoch. The broker refuses lower ones than it has seen. */
  epoch: z.int().positive(),
  nonce: z.string().max(64),
  /** Wall time, at most 1 s after signing. Checked once, before "about to send" is persisted. */
  expiresAt: instantMs,
  signature: z.string().max(128),
});
export type Approval = z.infer<typeof approval>;
