import type { PermittedSkip } from "./counts.ts";

/** Tests that may be skipped on a machine with root and Go, each with what it misses there. CI fails on any other skip. */
export const permittedSkips: readonly PermittedSkip[] = [
  {
    test: "where NetworkPolicy is enforced",
    reason: "the source cluster's bridge CNI enforces no NetworkPolicy (probed, see cluster.md); k3s and kind do",
  },
];
