import { type Caller, CodedError } from "@bellwether/service-kit";
import type { GatewayConfig } from "../config.ts";

/** Whose request it is: cache scope, fair share, thoughts and cost are kept by it. */
export interface Tenant {
  /** The strategy's name as the operator gave it, or the caller's subject. */
  readonly name: string;
  readonly weight: number;
}

/**
 * Which callers are let in, and as whom. With `callers` those and no others; without, whoever has a token for this gateway's audience and is of the
 * route's namespace (or, outside a cluster, stands in the file of static tokens).
 */
export class Tenants {
  readonly #known: ReadonlyMap<string, Tenant> | undefined;
  readonly #prefix: string;
  readonly #seen = new Map<string, Tenant>();

  constructor({ callers, route }: Pick<GatewayConfig, "callers" | "route">, staticTokens: boolean) {
    this.#known = callers && new Map(callers.map(({ subject, tenant, weight }) => [subject, { name: tenant, weight }]));
    this.#prefix = staticTokens ? "" : `system:serviceaccount:${route.namespace}:`;
  }

  /** @throws CodedError FORBIDDEN */
  of({ subject }: Caller): Tenant {
    const tenant = this.#known ? this.#known.get(subject) : this.#unlisted(subject);
    if (tenant) return tenant;
    throw new CodedError("FORBIDDEN", `${subject} may not use this route`, { context: { subject } });
  }

  #unlisted(subject: string): Tenant | undefined {
    if (!subject.startsWith(this.#prefix)) return undefined;
    const known = this.#seen.get(subject);
    if (known) return known;
    const tenant = { name: subject.slice(this.#prefix.length), weight: 1 };
    if (this.#seen.size >= mostSeen) this.#seen.clear();
    this.#seen.set(subject, tenant);
    return tenant;
  }
}

const mostSeen = 10_000;
