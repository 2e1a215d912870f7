import { type Caller, CodedError } from "@bellwether/service-kit";

/** Whose request it is: cache scope, fair share, thoughts and cost are kept by it. */
export interface Tenant {
  /** The strategy's name, or outside a cluster the one that its static token stands under. */
  readonly name: string;
  readonly weight: number;
}

/** Which callers are let in, and as whom. */
export class Tenants {
  readonly #tenantOf: (subject: string) => Tenant | undefined;

  constructor(tenantOf: (subject: string) => Tenant | undefined) {
    this.#tenantOf = tenantOf;
  }

  /** @throws CodedError FORBIDDEN */
  of({ subject }: Caller): Tenant {
    const tenant = this.#tenantOf(subject);
    if (tenant) return tenant;
    throw new CodedError("FORBIDDEN", `${subject} may not use this route: no Strategy that runs under it names it`, {
      context: { subject },
    });
  }
}

/** Outside a cluster whoever has a static token is let in under the name that it stands under. */
export const holderOfStaticToken = (subject: string): Tenant => ({ name: subject, weight: 1 });
