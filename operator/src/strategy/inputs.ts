/** What of the user's own ConfigMaps a strategy needs, and what of them there is. Pure. */
import { type EffectiveStrategySpec, effectiveDataset } from "@bellwether/crds";

export interface InputRef {
  readonly role: "program" | "dataset";
  readonly name: string;
  readonly key: string;
}

/** A key of a ConfigMap as it was last read; `sha256` of its bytes, so that an edited program is rolled out. */
export type InputState =
  { readonly found: true; readonly sha256: string } | { readonly found: false; readonly missing: "ConfigMap" | "Key" };

export type Inputs = ReadonlyMap<InputRef["role"], InputState>;

/** Keys of ConfigMaps that the agent mounts. */
export function inputRefs(spec: EffectiveStrategySpec): InputRef[] {
  const refs: InputRef[] = [];
  const program = spec.program.source?.configMapRef;
  if (program) refs.push({ role: "program", ...program });
  if (spec.mode === "Backtest" && spec.backtest) {
    const { source } = effectiveDataset(spec.backtest.dataset);
    if (source.kind === "configMap") refs.push({ role: "dataset", name: source.name, key: source.key });
  }
  return refs;
}
