/**
 * What became of signed bytes. Between the first byte sent and a proof, an attempt is open, and nothing else may be signed for its order:
 *
 *   stored ─► sent ─┬─► seen (processed, confirmed) ─► finalized ─► landed, or failed with its fee
 *                   │            │ a fork drops it
 *                   │            ▼
 *                   ├─► not seen: identical bytes again, while its blockhash may still be taken
 *                   └─► two healthy sources have finalized past its last valid height, have searched up to there,
 *                       and know nothing of it ─► never
 */
export interface AttemptObservation {
  readonly source: string;
  /** Judged by slot progress and comparison; an unhealthy source proves nothing, but may still have seen the transaction. */
  readonly healthy: boolean;
  /** Height and slot of its newest finalized block, read *before* its history was searched. */
  readonly finalizedHeight: bigint;
  readonly finalizedSlot: bigint;
  /** Height of its newest processed block. */
  readonly processedHeight: bigint;
  /** Slot up to which its history was searched. Behind one address there may be several nodes, and another one may have searched than told its height. */
  readonly searchedSlot: bigint;
  /** Its answer to getSignatureStatuses with searchTransactionHistory; undefined: it knows no such signature. */
  readonly status?: {
    readonly slot: bigint;
    readonly commitment: "processed" | "confirmed" | "finalized";
    readonly failed: boolean;
  };
}

export type AttemptResolution =
  | { readonly kind: "landed"; readonly slot: bigint; readonly failed: boolean }
  /** In a block that a fork may still drop. */
  | { readonly kind: "seen"; readonly commitment: "processed" | "confirmed" }
  /** Not seen, and it may still land: identical bytes may be sent again. */
  | { readonly kind: "rebroadcast" }
  /** Too late to land, as far as anybody says, and not proven: nothing but waiting is safe. */
  | { readonly kind: "waiting"; readonly proofs: number }
  /** Proven: it is in no finalized block, and no later block can take it. */
  | { readonly kind: "never"; readonly sources: readonly string[] }
  /** Two sources tell different endings of the same signature. */
  | { readonly kind: "contradiction" };

/** How many sources must agree that a transaction will never land. */
export const proofsNeeded = 2;

/** Pure; one observation for each source that answered this time. */
export function resolveAttempt(lastValidBlockHeight: bigint, observations: readonly AttemptObservation[]): AttemptResolution {
  const statuses = observations.flatMap(({ healthy, status }) => (status ? [{ ...status, healthy }] : []));
  const endings = statuses.filter((status) => status.commitment === "finalized" && status.healthy);
  const [ending] = endings;
  if (ending) {
    const agreed = endings.every(({ slot, failed }) => slot === ending.slot && failed === ending.failed);
    return agreed ? { kind: "landed", slot: ending.slot, failed: ending.failed } : { kind: "contradiction" };
  }
  const [seen] = statuses;
  // Also a claim of a source that is not believed otherwise: it forbids the proof of absence.
  if (seen)
    return {
      kind: "seen",
      commitment: statuses.some(({ commitment }) => commitment !== "processed") ? "confirmed" : "processed",
    };
  const healthy = observations.filter((observation) => observation.healthy);
  const proofs = healthy.filter(
    ({ finalizedHeight, finalizedSlot, searchedSlot }) => finalizedHeight > lastValidBlockHeight && searchedSlot >= finalizedSlot,
  );
  if (proofs.length >= proofsNeeded) return { kind: "never", sources: proofs.map(({ source }) => source) };
  if (healthy.some(({ processedHeight }) => processedHeight < lastValidBlockHeight)) return { kind: "rebroadcast" };
  return { kind: "waiting", proofs: proofs.length };
}
