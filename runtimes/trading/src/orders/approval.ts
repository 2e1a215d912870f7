import type { Approval } from "../wire/approval.ts";

/**
 * The bytes that risk signs with Ed25519 and the broker verifies: everything of the approval but the signature. The length
 * of the order's text stands before it, so that no two approvals share a payload whatever their members hold.
 */
export function approvalPayload(approval: Omit<Approval, "signature">): Uint8Array {
  const { keyId, epoch, nonce, expiresAt, order } = approval;
  const members = [keyId, String(epoch), nonce, String(expiresAt), order];
  return new TextEncoder().encode(`bellwether-approval/1\n${members.map((member) => `${member.length}:${member}\n`).join("")}`);
}
