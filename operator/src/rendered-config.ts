/** A configuration file that the operator writes, as the schema of its reader takes it. Pure. */

/** Where a volume or a ConfigMap with bars is mounted, in agents and brokers. */
export const DATASET_DIRECTORY = "/etc/bellwether-dataset";

export type Rendered = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string };

type Parsed =
  | { readonly success: true; readonly data: object }
  | { readonly success: false; readonly error: { issues: readonly { path: PropertyKey[]; message: string }[] } };

/** The file's text, or why its reader would not take it: bounds that its schema has and the CRD has not. */
export function rendered(result: Parsed): Rendered {
  if (result.success) return { ok: true, text: `${JSON.stringify(result.data, null, 2)}\n` };
  const faults = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  return { ok: false, message: faults.join("; ") };
}
