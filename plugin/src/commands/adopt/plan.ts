import type { DriftEntry, PortfolioView } from "@bellwether/trading/wire";
import { PluginError } from "../../errors.ts";

/** Where journal and venue of an account differ. @throws PluginError ACCOUNT_NOT_FOUND */
export function driftOf({ accounts }: PortfolioView, policy: string, account: string): readonly DriftEntry[] {
  const found = accounts.find(({ name }) => name === account);
  if (found) return found.drift;
  const there = accounts.map(({ name }) => name).sort();
  throw new PluginError(
    "ACCOUNT_NOT_FOUND",
    `riskpolicy/${policy} has no account '${account}'; it has: ${there.join(", ") || "none"}`,
    {
      next: `kubectl bellwether status ${policy}`,
    },
  );
}
