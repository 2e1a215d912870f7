import { isIP } from "node:net";
import type { CopyIdentity } from "./copy.ts";

/** What is lost with the cluster's own disks: every volume, and every server that runs in it. Nobody can tell from within on which disk one stands. */
export const thisCluster = "this cluster";

/** The failure domain of a server: that of the cluster for addresses that only it knows, otherwise the host itself. */
export function failureDomainOf(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
  const version = isIP(name);
  if (version === 4) return /^(10|127|172\.(1[6-9]|2\d|3[01])|192\.168|169\.254)\./.test(name) ? thisCluster : name;
  if (version === 6) return /^(::1$|f[cd]|fe80)/.test(name) ? thisCluster : name;
  const inside = !name.includes(".") || /\.(svc|local|internal|localhost)$/.test(name) || name === "localhost";
  return inside ? thisCluster : name;
}

export interface Redundancy {
  readonly degraded: boolean;
  /** A sentence that says why and what to do; empty when nothing is degraded. */
  readonly message: string;
}

/** Whether one loss can take all copies. @param copies those that hold the latest snapshot */
export function judgeRedundancy(copies: readonly { readonly name: string; readonly identity: CopyIdentity }[]): Redundancy {
  const domains = new Set(copies.map(({ identity }) => identity.failureDomain));
  if (copies.length > 1 && domains.size > 1) return { degraded: false, message: "" };
  const [domain] = domains;
  const what =
    domain === undefined
      ? "No copy holds the latest snapshot"
      : `All copies (${copies.map(({ name }) => name).join(", ")}) are lost together with ${domain}`;
  return { degraded: true, message: `${what}: add a copy with an S3 endpoint or a Postgres outside, under spec.copies.` };
}
