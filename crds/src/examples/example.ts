import { API_VERSION } from "../custom-resource.ts";

/** A manifest that the API server and zod must both take. */
interface AcceptedExample {
  readonly name: string;
  readonly manifest: object;
}

/** A manifest that both must refuse. */
interface RejectedExample extends AcceptedExample {
  /** The field both must name. */
  readonly field: string;
  /** What both must say. Left out where the API server has words of its own: unknown and missing fields, enumerations, bounds of lists. */
  readonly says?: string;
}

export interface Examples {
  readonly kind: string;
  readonly accept: readonly AcceptedExample[];
  readonly reject: readonly RejectedExample[];
}

type Fields = Readonly<Record<string, unknown>>;

/** A manifest of a kind; `name` defaults to `example`. */
export const manifestOf = (kind: string, spec: Fields, name = "example"): object => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  spec,
});

/** A copy of `spec` with fields set (`undefined`: removed) by dotted paths; `[0]` are list entries. */
export function withFields(spec: Fields, changes: Fields): Fields {
  const copy = structuredClone(spec) as Record<string, unknown>;
  for (const [dotted, value] of Object.entries(changes)) {
    const keys = dotted.split(/[.[\]]+/).filter((key) => key !== "");
    const last = keys.pop() ?? "";
    let node = copy;
    for (const key of keys) node = (node[key] ??= {}) as Record<string, unknown>;
    if (value === undefined) delete node[last];
    else node[last] = value;
  }
  return copy;
}
